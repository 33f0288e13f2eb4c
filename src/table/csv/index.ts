// Where the rows of a CSV table stand, and pieces of it as tables of their own.
//
// Blank lines: after the last row, before the header, and anywhere in a table of several columns
// they are ignored. Inside a table of one column a blank line is an empty value, as RFC 4180 has
// it; copies write it as `""`, because most readers take a blank line for no row at all, and a
// chunk may end with it.
import { CR, finishBytes, LF, openWriter, utf8, writeAll, writeBytes, type ByteWriter } from '../bytes.ts';
import { type FoundRows, type PiecePlace, type TableIndex, WHOLE } from '../codec.ts';
import { readHeader, type CsvHeader } from './header.ts';
import { hintOfRow } from './look.ts';
import { csvFault, openCursor, readRow, type CsvCursor } from './scan.ts';
import type { TableError } from '../format.ts';
import { closeSpans, openSpans, pushSpan, sizeOf, startOf, writeSpans, type SomeRows } from '../spans.ts';

/** The index of a CSV table whose header was read. */
export function indexCsvBody(bytes: Uint8Array, header: CsvHeader): TableIndex {
  const { columns, start, bodyStart } = header;
  const { spans } = findCsvRows(bytes, bodyStart, columns.length, WHOLE);
  return { format: 'csv', rows: spans.length / 2, columns, header: { start, end: bodyStart }, spans };
}

/**
 * The rows of bytes that hold no header, from `from` on; blank lines that no row follows are left
 * for the next piece.
 */
export function findCsvRows(bytes: Uint8Array, from: number, columns: number, place: PiecePlace): FoundRows {
  const spans = openSpans(bytes.length);
  const cursor = openCursor(bytes, from, 0);
  cursor.linesBefore = place.linesBefore;
  cursor.goesOn = place.goesOn;
  let rows = 0;
  let end = from;
  while (cursor.pos < bytes.length) {
    cursor.row = place.rowsBefore + spans.count + 1;
    if (!readRow(cursor)) break;
    const blank = cursor.end === cursor.start;
    if (blank && columns > 1) continue;
    if (cursor.values !== columns) throw ragged(cursor, columns);
    pushSpan(spans, cursor.start, cursor.pos);
    if (blank) continue;
    rows = spans.count;
    end = cursor.pos;
  }
  return { spans: closeSpans(spans, place.rows ?? rows), end };
}

/** The index of a CSV table. */
export function indexCsv(bytes: Uint8Array): TableIndex {
  return indexCsvBody(bytes, readHeader(bytes));
}

function ragged(cursor: CsvCursor, columns: number): TableError {
  const few = cursor.values < columns;
  return csvFault(
    cursor,
    cursor.start,
    `has ${cursor.values} ${cursor.values === 1 ? 'value' : 'values'} where the header names ${columns} ${columns === 1 ? 'column' : 'columns'}; ` +
      (few
        ? 'write the missing values, empty ones too, between commas.'
        : 'put quotes around a value that holds a comma.') +
      hintOfRow(cursor.bytes.subarray(cursor.start, cursor.end), cursor.values, columns),
  );
}

/** The header line and the rows [from, to), byte for byte, without blank lines. */
export function sliceCsv(bytes: Uint8Array, index: TableIndex, from: number, to: number): Uint8Array<ArrayBuffer> {
  const { header, spans } = index;
  const rows = { bytes, spans, from, to };
  const writer = openWriter(header.end - header.start + sizeOf(rows));
  writeBytes(writer, bytes, header.start, header.end);
  writeCsvRows(writer, rows, index.columns?.length);
  return finishBytes(writer);
}

const EMPTY_VALUE = utf8('""');

/**
 * Appends rows of a table of so many columns, byte for byte, without the blank lines between them.
 */
export function writeCsvRows(writer: ByteWriter, rows: SomeRows, columns: number | undefined): void {
  if (columns !== 1) {
    writeSpans(writer, rows);
    return;
  }
  const { bytes, spans, to } = rows;
  let { from } = rows;
  for (let row = from; row < to; row += 1) {
    const first = bytes[startOf(spans, row)];
    if (first !== LF && first !== CR) continue;
    writeSpans(writer, { bytes, spans, from, to: row });
    writeAll(writer, EMPTY_VALUE);
    from = row;
  }
  writeSpans(writer, { bytes, spans, from, to });
}
