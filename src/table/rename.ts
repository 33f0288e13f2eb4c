// A table with some of its columns under other names, all else byte for byte as it was.

import { finishBytes, LF, openWriter, plainBytes, utf8, writeAll, writeByte, writeBytes } from './bytes.ts';
import { csvHeaderLine } from './csv/field.ts';
import { readHeader } from './csv/header.ts';
import { TableError, type TableFormat } from './format.ts';
import { nameOf, openNames } from './json/names.ts';
import { FAILED, OPEN_BRACE, openScan, scanObject, type VisitMember } from './json/scan.ts';
import { isJsonTable } from './json/json.ts';
import { startOf } from './spans.ts';
import { indexTable } from './split.ts';

/**
 * The columns of a table, or the names in a JSON object that stands alone for a row; null where
 * there are none. Throws a TableError for what is neither.
 */
function columnsIn(given: Uint8Array, format: TableFormat): readonly string[] | null {
  const bytes = plainBytes(given);
  if (format === 'csv') return readHeader(bytes).columns;
  if (isRows(bytes, format)) return indexTable(bytes, format).columns;
  const names: string[] = [];
  const known = openNames();
  scanAlone(bytes, (member) => void names.push(nameOf(known, bytes, member)));
  return names.length === 0 ? null : names;
}

/**
 * As `columnsIn`, and null for what is no table: its next reader says what is wrong with it.
 */
export function columnsOrNull(bytes: Uint8Array, format: TableFormat): readonly string[] | null {
  try {
    return columnsIn(bytes, format);
  } catch (error) {
    if (error instanceof TableError) return null;
    throw error;
  }
}

/**
 * The same table with new names: `names` has the new one of each that changes. Throws as
 * `columnsIn` does.
 */
export function renameColumns(
  given: Uint8Array,
  format: TableFormat,
  names: ReadonlyMap<string, string>,
): Uint8Array<ArrayBuffer> {
  const bytes = plainBytes(given);
  const writer = openWriter(bytes.length + 1_024);
  if (format === 'csv') {
    const { columns, bodyStart } = readHeader(bytes);
    writeAll(writer, utf8(csvHeaderLine(columns.map((name) => names.get(name) ?? name))));
    writeByte(writer, LF);
    writeBytes(writer, bytes, bodyStart, bytes.length);
    return finishBytes(writer);
  }
  const known = openNames();
  let written = 0;
  forEachName(bytes, format, (member) => {
    const name = names.get(nameOf(known, bytes, member));
    if (name === undefined) return;
    writeBytes(writer, bytes, written, member.nameStart);
    writeAll(writer, utf8(JSON.stringify(name)));
    written = member.nameEnd;
  });
  writeBytes(writer, bytes, written, bytes.length);
  return finishBytes(writer);
}

const isRows = (bytes: Uint8Array, format: TableFormat): boolean => format === 'jsonl' || isJsonTable(bytes);

function forEachName(bytes: Uint8Array, format: TableFormat, visit: VisitMember): void {
  if (!isRows(bytes, format)) {
    scanAlone(bytes, visit);
    return;
  }
  const { rows, spans } = indexTable(bytes, format);
  for (let row = 0; row < rows; row += 1)
    scanObject(openScan(bytes), bytes.indexOf(OPEN_BRACE, startOf(spans, row)), 1, visit);
}

function scanAlone(bytes: Uint8Array, visit: VisitMember): void {
  const brace = bytes.indexOf(OPEN_BRACE);
  // What is no object has no names.
  if (brace !== -1 && scanObject(openScan(bytes), brace, 1, null) !== FAILED)
    scanObject(openScan(bytes), brace, 1, visit);
}
