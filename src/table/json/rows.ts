// What JSON Lines and JSON records share: rows as objects, and rows as text.
import { finishBytes, LF, openWriter, writeBytes, writeText, type ByteWriter } from '../bytes.ts';
import type { ColumnsWhere, Row, TableIndex } from '../codec.ts';
import { columnsOf, gatherNames } from './names.ts';
import type { VisitMember } from './scan.ts';
import { endOf, runEnd, startOf, type SomeRows } from '../spans.ts';
import { forEachRowText, textOf } from '../text-window.ts';
import { checkRow, jsonText, ownValue } from '../value-text.ts';

/** What stands around and between the rows of a table: brackets and commas, or line ends. */
export interface JsonFrame {
  readonly open: string;
  readonly between: string;
  /**
   * Bytes between the spans of two rows that nothing but `between` separates; a line's span
   * includes its line end.
   */
  readonly gap: number;
  /** Only where there is at least one row. */
  readonly afterLast: string;
  readonly close: string;
}

/** JSON Lines. */
export const LINES: JsonFrame = { open: '', between: '\n', gap: 0, afterLast: '\n', close: '' };

/** JSON records. */
export const RECORDS: JsonFrame = { open: '[', between: ',', gap: 1, afterLast: '', close: ']' };

/**
 * The index of a table with the names of all its rows for columns: a row need not have every one.
 */
export function indexWithColumns(
  bytes: Uint8Array,
  index: (bytes: Uint8Array, visit: VisitMember) => TableIndex,
): TableIndex {
  const names = new Set<string>();
  return { ...index(bytes, gatherNames(bytes, names)), columns: columnsOf(names) };
}

/**
 * Where the text of a row ends: the span of a line includes the line feed, which is the frame's.
 */
export function rowEnd(bytes: Uint8Array, spans: Uint32Array, row: number): number {
  const end = endOf(spans, row);
  return bytes[end - 1] === LF ? end - 1 : end;
}

/** Appends rows as they are, with what stands between rows but nothing before or after them. */
export function writeJsonRows(writer: ByteWriter, { bytes, spans, from, to }: SomeRows, frame: JsonFrame): void {
  let row = from;
  while (row < to) {
    if (row > from) writeText(writer, frame.between);
    const next = runEnd(spans, row, to, frame.gap);
    writeBytes(writer, bytes, startOf(spans, row), rowEnd(bytes, spans, next - 1));
    row = next;
  }
}

/**
 * The rows of a table that was checked. Numbers become doubles here, as in every JSON reader; their
 * text is only in the bytes.
 */
export function decodeJsonRows(bytes: Uint8Array, index: TableIndex): Row[] {
  const { spans } = index;
  const rows: Row[] = [];
  forEachRowText(bytes, spans, (row, window) => {
    rows.push(JSON.parse(textOf(window, startOf(spans, row), endOf(spans, row))) as Row);
  });
  return rows;
}

const BATCH_CHARS = 32_768;

/** Which columns rows are written with; those that each has where `columns` is null. */
export interface JsonColumns {
  readonly columns: readonly string[] | null;
  readonly where: ColumnsWhere;
}

/** Rows as text in a frame. */
export function encodeJsonRows(
  rows: readonly Row[],
  { columns, where }: JsonColumns,
  frame: JsonFrame,
): Uint8Array<ArrayBuffer> {
  const namesOf = (row: Row): readonly string[] => {
    if (columns === null) return Object.keys(row);
    return where === 'in-every-row' ? columns : columns.filter((column) => Object.hasOwn(row, column));
  };
  const writer = openWriter(rows.length * 64);
  let text = frame.open;
  for (const [row, record] of rows.entries()) {
    checkRow(record, row);
    text += `${row === 0 ? '' : frame.between}${objectText(record, namesOf(record), row)}`;
    if (text.length < BATCH_CHARS) continue;
    writeText(writer, text);
    text = '';
  }
  writeText(writer, `${text}${rows.length > 0 ? frame.afterLast : ''}${frame.close}`);
  return finishBytes(writer);
}

function objectText(record: Row, columns: readonly string[], row: number): string {
  let text = '{';
  for (const column of columns) {
    const comma = text === '{' ? '' : ',';
    text += `${comma}${JSON.stringify(column)}:${jsonText(ownValue(record, column), { row, column })}`;
  }
  return `${text}}`;
}
