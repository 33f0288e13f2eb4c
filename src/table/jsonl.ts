// JSON Lines: one object a line. Blank lines are ignored, lines end in LF or CRLF.
import { afterByteOrderMark, finishBytes, LF, lineAt, openWriter } from './bytes.ts';
import type { TableCodec, TableIndex } from './codec.ts';
import { TableError } from './format.ts';
import { mergeJson, type JsonFormat } from './json-merge.ts';
import { decodeJsonRows, encodeJsonRows, LINES } from './json-rows.ts';
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
} from './json-scan.ts';
import { closeSpans, openSpans, pushSpan, sizeOf, writeSpans } from './spans.ts';

const format: JsonFormat = { frame: LINES, index: indexJsonl };

/** JSON Lines, as the other formats are. */
export const jsonlCodec: TableCodec = {
  index: (bytes) => indexJsonl(bytes, null),
  slice: sliceJsonl,
  decode: (bytes) => decodeJsonRows(bytes, indexJsonl(bytes, null)),
  encode: (rows, columns) => encodeJsonRows(rows, columns, LINES),
  merge: (parts) => mergeJson(parts, format),
};

function indexJsonl(bytes: Uint8Array, visit: VisitMember | null): TableIndex {
  const spans = openSpans(bytes.length);
  const scan = openScan(bytes);
  let start = afterByteOrderMark(bytes);
  while (start < bytes.length) {
    const lineEnd = bytes.indexOf(LF, start);
    scan.end = lineEnd === -1 ? bytes.length : lineEnd + 1;
    const first = skipSpace(scan, start);
    if (first < scan.end) {
      if (scanLine(scan, first, visit) === FAILED) throw badLine(scan, start, spans.count + 1);
      pushSpan(spans, start, scan.end);
    }
    start = scan.end;
  }
  return { format: 'jsonl', rows: spans.count, columns: null, header: { start: 0, end: 0 }, spans: closeSpans(spans) };
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

function badLine(scan: JsonScan, start: number, row: number): TableError {
  const line = lineAt(scan.bytes, start);
  const where = scan.fault === NOT_AN_OBJECT ? '' : ` (byte ${scan.faultAt - start + 1} of the line)`;
  return new TableError(
    `Line ${line} cannot be read as a JSON object: ${scan.fault}${where}; write one object, {"column": value, ...}, on each line.`,
    {
      row,
      line,
    },
  );
}

function sliceJsonl(bytes: Uint8Array, index: TableIndex, from: number, to: number): Uint8Array<ArrayBuffer> {
  const rows = { bytes, spans: index.spans, from, to };
  const writer = openWriter(sizeOf(rows));
  writeSpans(writer, rows);
  return finishBytes(writer);
}
