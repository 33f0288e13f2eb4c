// JSON Lines: one object a line. Blank lines are ignored, lines end in LF or CRLF.
import { afterByteOrderMark, finishBytes, LF, lineAt, openWriter } from '../bytes.ts';
import { type FoundRows, type PiecePlace, type TableCodec, type TableIndex, WHOLE } from '../codec.ts';
import { TableError } from '../format.ts';
import { type JsonFormat, JsonMerge } from './merge.ts';
import { NameTwice } from './names.ts';
import { decodeJsonRows, encodeJsonRows, indexWithColumns, LINES } from './rows.ts';
import {
  FAILED,
  fail,
  OPEN_BRACE,
  openScan,
  scanObject,
  scanValue,
  skipSpace,
  type JsonScan,
  type VisitMember,
} from './scan.ts';
import { closeSpans, openSpans, pushSpan, sizeOf, writeSpans } from '../spans.ts';

const format: JsonFormat = { frame: LINES, index: indexJsonl };

/** JSON Lines, as the other formats are. */
export const jsonlCodec: TableCodec = {
  index: (bytes) => indexWithColumns(bytes, indexJsonl),
  slice: sliceJsonl,
  decode: (bytes) => decodeJsonRows(bytes, indexJsonl(bytes, null)),
  encode: (rows, columns, where) => encodeJsonRows(rows, { columns, where }, LINES),
  merge: (facts) => new JsonMerge(facts, format),
};

function indexJsonl(bytes: Uint8Array, visit: VisitMember | null): TableIndex {
  const { spans } = findLines(bytes, visit, WHOLE);
  return { format: 'jsonl', rows: spans.length / 2, columns: null, header: { start: 0, end: 0 }, spans };
}

/** The rows of a piece of a table; with `visit`, every member of them. */
export function findLines(bytes: Uint8Array, visit: VisitMember | null, place: PiecePlace): FoundRows {
  const spans = openSpans(bytes.length);
  const scan = openScan(bytes);
  let start = place.linesBefore === 0 ? afterByteOrderMark(bytes) : 0;
  try {
    while (start < bytes.length) {
      const lineEnd = bytes.indexOf(LF, start);
      scan.end = lineEnd === -1 ? bytes.length : lineEnd + 1;
      const first = skipSpace(scan, start);
      const isFilled = first < scan.end;
      if (isFilled && scanLine(scan, first, visit) === FAILED)
        throw badLine(scan, start, placeOfLine(scan, start, spans.count + 1, place));
      if (isFilled) pushSpan(spans, start, scan.end);
      start = scan.end;
    }
  } catch (error) {
    throw error instanceof NameTwice ? nameTwice(error, placeOfLine(scan, start, spans.count + 1, place)) : error;
  }
  return { spans: closeSpans(spans), end: bytes.length };
}

const NOT_AN_OBJECT = 'it is not an object';

function scanLine(scan: JsonScan, first: number, visit: VisitMember | null): number {
  const object = scan.bytes[first] === OPEN_BRACE;
  const end = object ? scanObject(scan, first, 1, visit) : scanValue(scan, first, 1);
  if (end === FAILED) return FAILED;
  const rest = skipSpace(scan, end);
  if (rest < scan.end) return fail(scan, rest, 'something stands after the value');
  return object ? end : fail(scan, first, NOT_AN_OBJECT);
}

/** Where in the whole table a line is wrong. */
interface LinePlace {
  readonly row: number;
  readonly line: number;
}

const placeOfLine = (scan: JsonScan, start: number, rowHere: number, place: PiecePlace): LinePlace => ({
  row: place.rowsBefore + rowHere,
  line: place.linesBefore + lineAt(scan.bytes, start),
});

function nameTwice({ message, column }: NameTwice, { row, line }: LinePlace): TableError {
  return new TableError(`Row ${row} (line ${line}) ${message}`, { row, line, column });
}

function badLine(scan: JsonScan, start: number, { row, line }: LinePlace): TableError {
  const where = scan.fault === NOT_AN_OBJECT ? '' : ` (byte ${scan.faultAt - start + 1} of the line)`;
  return new TableError(
    `Line ${line} cannot be read as a JSON object: ${scan.fault}${where}; write one object, {"column": value, ...}, on each line.`,
    { row, line },
  );
}

function sliceJsonl(bytes: Uint8Array, index: TableIndex, from: number, to: number): Uint8Array<ArrayBuffer> {
  const rows = { bytes, spans: index.spans, from, to };
  const writer = openWriter(sizeOf(rows));
  writeSpans(writer, rows);
  return finishBytes(writer);
}
