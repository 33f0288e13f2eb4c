// A table in another format, value for value: numbers keep their digits, since they never become
// doubles.
import { CR, finishBytes, LF, openWriter, plainBytes, SPACE, writeBytes, writeText } from './bytes.ts';
import { ERROR_COLUMN, reasonsLast, type TableIndex } from './codec.ts';
import { csvHeaderLine, csvLine, noColumns } from './csv/field.ts';
import { checkNames } from './csv/header.ts';
import type { TableFormat } from './format.ts';
import { LINES, RECORDS, rowEnd, type JsonFrame } from './json/rows.ts';
import { nameOf, openNames } from './json/names.ts';
import { OPEN_BRACE, openScan, scanObject, type VisitMember } from './json/scan.ts';
import { startOf } from './spans.ts';
import { codecOf } from './table.ts';
import { forEachRowText, textOf } from './text-window.ts';
import { fitsCsv, plainText, type ValuePlace } from './value-text.ts';

/**
 * The same rows in another format. CSV values become strings; JSON strings lose their quotes, null
 * becomes an empty value, and numbers, objects and arrays stay the text they were. The columns of a
 * CSV made from JSON are the keys of all rows, in the order first seen, and `inference_error`
 * behind them. A value CSV cannot hold (a NUL character, half a surrogate pair) is a TableError.
 */
export function convertTable(bytes: Uint8Array, from: TableFormat, to: TableFormat): Uint8Array<ArrayBuffer> {
  const plain = plainBytes(bytes);
  const index = codecOf(from).index(plain);
  if (from === to) return codecOf(from).slice(plain, index, 0, index.rows);
  if (from === 'csv') return codecOf(to).encode(codecOf(from).decode(plain), index.columns, 'in-every-row');
  if (to === 'csv') return jsonToCsv(plain, index);
  return reframe(plain, index, to === 'jsonl' ? LINES : RECORDS);
}

/**
 * As `convertTable`, of rows that have failed: names and values that the format cannot hold are
 * left out, since such rows are in a table for their reason, and what made them fail may be just
 * that.
 */
export function convertFailed(bytes: Uint8Array, from: TableFormat, to: TableFormat): Uint8Array<ArrayBuffer> {
  if (from === 'csv' || to !== 'csv') return convertTable(bytes, from, to);
  const plain = plainBytes(bytes);
  const index = codecOf(from).index(plain);
  const columns = (index.columns ?? []).filter((name) => name !== '' && fitsCsv(name));
  // Without any, the one that every table with failed rows has.
  return writeCsv(plain, index, columns.length > 0 ? columns : [ERROR_COLUMN], 'left-out');
}

/**
 * Rows of one JSON format in the frame of the other: their bytes as they are, but on one line where
 * a line is the frame.
 */
function reframe(bytes: Uint8Array, index: TableIndex, frame: JsonFrame): Uint8Array<ArrayBuffer> {
  const writer = openWriter(bytes.length + index.rows + 2);
  writeText(writer, frame.open);
  for (let row = 0; row < index.rows; row += 1) {
    if (row > 0) writeText(writer, frame.between);
    const start = writer.length;
    writeBytes(writer, bytes, startOf(index.spans, row), rowEnd(bytes, index.spans, row));
    if (frame === LINES) joinLines(writer.bytes, start, writer.length);
  }
  writeText(writer, `${index.rows > 0 ? frame.afterLast : ''}${frame.close}`);
  return finishBytes(writer);
}

/**
 * Line ends in a JSON row only ever stand between its parts (in strings they are escaped), so a
 * space says the same.
 */
function joinLines(bytes: Uint8Array, start: number, end: number): void {
  for (let at = start; at < end; at += 1) if (bytes[at] === LF || bytes[at] === CR) bytes[at] = SPACE;
}

function jsonToCsv(bytes: Uint8Array, index: TableIndex): Uint8Array<ArrayBuffer> {
  if (index.rows === 0) return new Uint8Array(0);
  if (index.columns === null) throw noColumns();
  checkNames(index.columns, null);
  return writeCsv(bytes, index, reasonsLast(index.columns), 'refused');
}

/** @param unfit what stands for a value that CSV cannot hold */
function writeCsv(
  bytes: Uint8Array,
  index: TableIndex,
  columns: readonly string[],
  unfit: 'refused' | 'left-out',
): Uint8Array<ArrayBuffer> {
  const places = new Map(columns.map((column, k) => [column, k]));
  const names = openNames();
  const writer = openWriter(bytes.length);
  writeText(writer, `${csvHeaderLine(columns)}\n`);
  forEachRowText(bytes, index.spans, (row, window) => {
    const texts = columns.map(() => '');
    forEachMember(bytes, index, row, (member) => {
      const column = nameOf(names, bytes, member);
      const place = places.get(column);
      if (place === undefined) return;
      texts[place] = csvText(textOf(window, member.valueStart, member.valueEnd), { row, column }, unfit);
    });
    writeText(writer, `${csvLine(texts)}\n`);
  });
  return finishBytes(writer);
}

function forEachMember(bytes: Uint8Array, index: TableIndex, row: number, visit: VisitMember): void {
  // Before the brace of a row there is nothing but white space.
  scanObject(openScan(bytes), bytes.indexOf(OPEN_BRACE, startOf(index.spans, row)), 1, visit);
}

function csvText(json: string, place: ValuePlace, unfit: 'refused' | 'left-out'): string {
  if (!json.startsWith('"')) return json === 'null' ? '' : json;
  const text = JSON.parse(json) as string;
  return unfit === 'refused' || fitsCsv(text) ? plainText(text, place) : '';
}
