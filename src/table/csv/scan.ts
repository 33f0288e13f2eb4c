// Reads CSV (RFC 4180) row by row out of bytes; everything that reads CSV reads it through here.
//
// Where programs read the same bytes alike, so does this: lines end in LF or CRLF, also mixed; a
// quote inside a value that does not start with one is text. Where they do not, the table is
// refused, since a row would shift or split in one of them: a carriage return alone, text after a
// closing quote, NUL, bytes that are not UTF-8.
import { COMMA, CR, LF, lineAt, NUL, QUOTE, utf8End } from '../bytes.ts';
import { SEPARATED_BY_COMMAS, separatorAt } from './separators.ts';
import { TableError } from '../format.ts';

/**
 * A place in a CSV table, and the row read last. Value k of it is bytes[valueStart, valueEnd),
 * quotes included.
 */
export interface CsvCursor {
  readonly bytes: Uint8Array;
  /** Where the next row starts. */
  pos: number;
  /** The data row about to be read, 1 for the first; 0 is the header. Only errors say it. */
  row: number;
  /** Lines of the table that stand before the bytes. Only errors say it. */
  linesBefore: number;
  /**
   * Whether the table goes on after the bytes. They end with a line feed then, which may stand
   * within quotes.
   */
  goesOn: boolean;
  /** The row read last: where it starts, and where it ends without its line end. */
  start: number;
  end: number;
  /** How many values it has; the ends of more than `bounds` has room for are not kept. */
  values: number;
  readonly bounds: Uint32Array;
}

/** A cursor that keeps the bounds of the first `values` values of a row. */
export function openCursor(bytes: Uint8Array, pos: number, values: number): CsvCursor {
  return {
    bytes,
    pos,
    row: 0,
    linesBefore: 0,
    goesOn: false,
    start: pos,
    end: pos,
    values: 0,
    bounds: values === 0 ? NO_BOUNDS : new Uint32Array(values),
  };
}

// Tables may be many and small, and an empty array costs as much to make as a full one.
const NO_BOUNDS = new Uint32Array(0);

/** Where value k of the row read last starts. */
export function valueStart(cursor: CsvCursor, k: number): number {
  return k === 0 ? cursor.start : (cursor.bounds[k - 1] as number) + 1;
}

/** Where value k of the row read last ends. */
export function valueEnd(cursor: CsvCursor, k: number): number {
  return cursor.bounds[k] as number;
}

// What a byte means outside quotes, and inside: most mean nothing, so one look-up a byte decides.
const TEXT = 0;
const STOP = 1;
const RETURN = 2;
const ZERO = 3;
const WIDE = 4;
const OUTSIDE = new Uint8Array(256).fill(WIDE, 0x80);
OUTSIDE[COMMA] = STOP;
OUTSIDE[LF] = STOP;
OUTSIDE[CR] = RETURN;
OUTSIDE[NUL] = ZERO;
const INSIDE = new Uint8Array(256).fill(WIDE, 0x80);
INSIDE[QUOTE] = STOP;
INSIDE[NUL] = ZERO;

/**
 * Reads the row at `cursor.pos`, which must lie before the end of the bytes. A blank line is a row
 * of one empty value. False where the row does not end within the bytes and the table goes on after
 * them: then nothing but `start` is known of it.
 */
export function readRow(cursor: CsvCursor): boolean {
  const { bytes, bounds } = cursor;
  const size = bytes.length;
  let at = cursor.pos;
  let values = 0;
  cursor.start = at;
  for (;;) {
    at = at < size && bytes[at] === QUOTE ? quotedEnd(cursor, at) : plainEnd(cursor, at);
    if (at === UNFINISHED) return false;
    if (values < bounds.length) bounds[values] = at;
    values += 1;
    if (at === size || bytes[at] !== COMMA) break;
    at += 1;
  }
  cursor.values = values;
  cursor.end = at;
  cursor.pos = at === size ? size : at + (bytes[at] === CR ? 2 : 1);
  return true;
}

/** Returned in place of an offset. */
const UNFINISHED = -1;

/** The comma, line end or end of bytes that ends a value which has no quotes around it. */
function plainEnd(cursor: CsvCursor, start: number): number {
  const { bytes } = cursor;
  const size = bytes.length;
  let at = start;
  while (at < size) {
    const kind = OUTSIDE[bytes[at] as number];
    if (kind === TEXT) {
      at += 1;
    } else if (kind === STOP || (kind === RETURN && bytes[at + 1] === LF)) {
      return at;
    } else {
      at = wideEnd(cursor, at);
    }
  }
  return size;
}

/**
 * The comma, line end or end of bytes after the closing quote of the value whose opening quote is
 * at `start`; or UNFINISHED.
 */
function quotedEnd(cursor: CsvCursor, start: number): number {
  const { bytes } = cursor;
  const size = bytes.length;
  let at = start + 1;
  while (at < size) {
    const kind = INSIDE[bytes[at] as number];
    if (kind === TEXT) {
      at += 1;
    } else if (kind !== STOP) {
      at = wideEnd(cursor, at);
    } else if (bytes[at + 1] === QUOTE) {
      at += 2;
    } else {
      return afterQuote(cursor, at + 1);
    }
  }
  if (cursor.goesOn) return UNFINISHED;
  const line = cursor.linesBefore + lineAt(bytes, start);
  throw new TableError(
    `The quote that opens on line ${line} (${shownRow(cursor)}) is never closed; ` +
      'close it, and write a quote inside a value as two quotes.',
    { row: cursor.row === 0 ? null : cursor.row, line },
  );
}

function afterQuote(cursor: CsvCursor, at: number): number {
  const next = cursor.bytes[at];
  if (next === undefined || next === COMMA || next === LF) return at;
  if (next === CR && cursor.bytes[at + 1] === LF) return at;
  if (next === CR) throw csvFault(cursor, at, LONE_RETURN);
  const separator = separatorAt(String.fromCharCode(next));
  throw csvFault(
    cursor,
    at,
    separator === null
      ? 'has text after a closing quote; write a quote inside a value as two quotes.'
      : `has text after a closing quote, and seems to be separated by ${separator}; ${SEPARATED_BY_COMMAS}.`,
  );
}

const LONE_RETURN =
  'holds a carriage return with no line feed after it; end lines with LF or CRLF, or put quotes around the value.';

/** The end of a character outside ASCII; throws for all that must not be in a table. */
function wideEnd(cursor: CsvCursor, at: number): number {
  const byte = cursor.bytes[at] as number;
  if (byte === NUL)
    throw csvFault(cursor, at, 'holds a NUL byte; save the table as UTF-8 text (it may be UTF-16 now).');
  if (byte === CR) throw csvFault(cursor, at, LONE_RETURN);
  const end = utf8End(cursor.bytes, at);
  if (end === -1)
    throw csvFault(cursor, at, 'is not valid UTF-8; save the table as UTF-8 (it may be Latin-1 or UTF-16 now).');
  return end;
}

/** An error about the row being read; `at` is the byte that is wrong. */
export function csvFault(cursor: CsvCursor, at: number, fault: string): TableError {
  const line = cursor.linesBefore + lineAt(cursor.bytes, at);
  const subject = cursor.row === 0 ? 'The header' : `Row ${cursor.row}`;
  return new TableError(`${subject} (line ${line}) ${fault}`, { row: cursor.row === 0 ? null : cursor.row, line });
}

function shownRow(cursor: CsvCursor): string {
  return cursor.row === 0 ? 'the header' : `row ${cursor.row}`;
}
