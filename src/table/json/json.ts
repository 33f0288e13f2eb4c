// JSON records: an array of objects, or {"instances": [...]} as prediction servers take it. What is
// written is always an array.
import {
  afterByteOrderMark,
  COMMA,
  finishBytes,
  lineAt,
  openWriter,
  startsWithBytes,
  utf8,
  writeByte,
} from '../bytes.ts';
import type { TableCodec, TableIndex } from '../codec.ts';
import { pointerStep, shownName, TableError } from '../format.ts';
import { type JsonFormat, JsonMerge } from './merge.ts';
import { nameOf, NameTwice, openNames } from './names.ts';
import { decodeJsonRows, encodeJsonRows, indexWithColumns, RECORDS, writeJsonRows } from './rows.ts';
import {
  CLOSE_BRACKET,
  fail,
  FAILED,
  OPEN_BRACE,
  OPEN_BRACKET,
  openScan,
  scanObject,
  scanValue,
  skipSpace,
  type JsonScan,
  type VisitMember,
} from './scan.ts';
import { closeSpans, openSpans, pushSpan, sizeOf, type Spans } from '../spans.ts';

const format: JsonFormat = { frame: RECORDS, index: indexJson };

/** JSON records, as the other formats are. */
export const jsonCodec: TableCodec = {
  index: (bytes) => indexWithColumns(bytes, indexJson),
  slice: sliceJson,
  decode: (bytes) => decodeJsonRows(bytes, indexJson(bytes, null)),
  encode: (rows, columns, where) => encodeJsonRows(rows, { columns, where }, RECORDS),
  merge: (facts) => new JsonMerge(facts, format),
};

/** Whether JSON is a table by its look: an array, or an object that names its rows `instances`. */
export function isJsonTable(bytes: Uint8Array): boolean {
  return bytes[firstInk(bytes)] === OPEN_BRACKET || namesInstances(bytes);
}

/**
 * Whether JSON is an object whose first name is `instances`; where it has another, it is something
 * else, or not a table.
 */
export function namesInstances(bytes: Uint8Array): boolean {
  const brace = firstInk(bytes);
  return bytes[brace] === OPEN_BRACE && startsWithBytes(bytes, firstInk(bytes, brace + 1), INSTANCES_NAME);
}

const firstInk = (bytes: Uint8Array, from = afterByteOrderMark(bytes)): number => skipSpace(openScan(bytes), from);

const INSTANCES = 'instances';
const INSTANCES_NAME = utf8(`"${INSTANCES}"`);
const WANTED = 'send an array of objects, [{"column": value, ...}, ...]';
// In {"instances": [{...}]} the row's object is level 1, as in an array, so the wrapping object is
// level -1.
const WRAPPER_DEPTH = -1;

function indexJson(bytes: Uint8Array, visit: VisitMember | null): TableIndex {
  const scan = openScan(bytes);
  const first = skipSpace(scan, afterByteOrderMark(bytes));
  if (first === bytes.length) throw new TableError(`The JSON table is empty; ${WANTED}, or [] for no rows.`);
  const wrapped = bytes[first] === OPEN_BRACE;
  const array = wrapped ? findInstances(scan, first) : first;
  const spans = openSpans(bytes.length);
  const end = scanRows(scan, array, spans, { visit, pointer: wrapped ? `/${INSTANCES}` : '' });
  const rest = end === FAILED ? FAILED : skipSpace(scan, end);
  if (rest === FAILED) throw notJson(scan);
  // After the array of a wrapper its closing brace is left, which was checked.
  if (!wrapped && rest < bytes.length) throw notJson(scan, rest);
  return { format: 'json', rows: spans.count, columns: null, header: { start: 0, end: 0 }, spans: closeSpans(spans) };
}

/** Where the array of {"instances": [...]} starts. */
function findInstances(scan: JsonScan, at: number): number {
  const names = openNames();
  const others: string[] = [];
  const found: number[] = [];
  const end = scanObject(scan, at, WRAPPER_DEPTH, (member) => {
    const name = nameOf(names, scan.bytes, member);
    if (name === INSTANCES) found.push(member.valueStart);
    else others.push(name);
  });
  if (end === FAILED) throw notJson(scan);
  const rest = skipSpace(scan, end);
  if (rest < scan.end) throw notJson(scan, rest);
  const [array, second] = found;
  if (array === undefined)
    throw new TableError(`The JSON table is an object without "${INSTANCES}"; ${WANTED}, or {"${INSTANCES}": [...]}.`);
  if (second !== undefined)
    throw new TableError(`The JSON table has "${INSTANCES}" more than once; send all rows in one array.`);
  const [other] = others;
  if (other !== undefined) {
    throw new TableError(
      `The JSON table has ${shownName(other)} beside "${INSTANCES}", which nothing would read; leave it out.`,
    );
  }
  return array;
}

interface RowReader {
  readonly visit: VisitMember | null;
  /** The JSON Pointer of the array. */
  readonly pointer: string;
}

function scanRows(scan: JsonScan, array: number, spans: Spans, reader: RowReader): number {
  const { bytes } = scan;
  if (bytes[array] !== OPEN_BRACKET) {
    if (scanValue(scan, array, 0) === FAILED) return FAILED;
    throw new TableError(`The JSON table is not an array; ${WANTED}.`, { pointer: reader.pointer });
  }
  let pos = skipSpace(scan, array + 1);
  if (bytes[pos] === CLOSE_BRACKET) return pos + 1;
  try {
    for (;;) {
      const end = bytes[pos] === OPEN_BRACE ? scanObject(scan, pos, 1, reader.visit) : scanValue(scan, pos, 1);
      if (end === FAILED) return FAILED;
      if (bytes[pos] !== OPEN_BRACE) throw notAnObject(spans.count, reader.pointer);
      pushSpan(spans, pos, end);
      pos = skipSpace(scan, end);
      if (bytes[pos] === CLOSE_BRACKET) return pos + 1;
      if (bytes[pos] !== COMMA) return fail(scan, pos, 'a comma or the closing bracket of the array is missing');
      pos = skipSpace(scan, pos + 1);
    }
  } catch (error) {
    throw error instanceof NameTwice ? nameTwice(error, spans.count, reader.pointer) : error;
  }
}

function nameTwice({ message, column }: NameTwice, position: number, pointer: string): TableError {
  const place = `${pointer}/${position}`;
  return new TableError(`Row ${position + 1} of the JSON table (${place}) ${message}`, {
    row: position + 1,
    column,
    pointer: place + pointerStep(column),
  });
}

function notAnObject(position: number, pointer: string): TableError {
  const place = `${pointer}/${position}`;
  return new TableError(
    `Row ${position + 1} of the JSON table (${place}) is not an object; write every row as {"column": value, ...}.`,
    {
      row: position + 1,
      pointer: place,
    },
  );
}

function notJson(scan: JsonScan, rest?: number): TableError {
  const at = rest ?? scan.faultAt;
  const line = lineAt(scan.bytes, at);
  const fault = rest === undefined ? scan.fault : 'something stands after the value';
  return new TableError(
    `The JSON table cannot be read: ${fault} (line ${line}, byte ${at + 1} of the table); ${WANTED}.`,
    { line },
  );
}

function sliceJson(bytes: Uint8Array, index: TableIndex, from: number, to: number): Uint8Array<ArrayBuffer> {
  const rows = { bytes, spans: index.spans, from, to };
  const writer = openWriter(sizeOf(rows) + 2);
  writeByte(writer, OPEN_BRACKET);
  writeJsonRows(writer, rows, RECORDS);
  writeByte(writer, CLOSE_BRACKET);
  return finishBytes(writer);
}
