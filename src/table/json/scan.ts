// Checks JSON (RFC 8259) in bytes and finds where values end, without making them: numbers of any
// size stay what they are.
//
// Every function takes the offset of a first byte and gives the offset after the last, or FAILED
// with the reason in the scan.
import { BACKSLASH, COMMA, CR, LF, QUOTE, SPACE, TAB, utf8End } from '../bytes.ts';

/** Bytes [.., end) being checked, and what was found wrong with them. */
export interface JsonScan {
  readonly bytes: Uint8Array;
  end: number;
  readonly member: Member;
  /** What is wrong; empty while nothing is. */
  fault: string;
  faultAt: number;
}

/** A scan of all bytes. */
export function openScan(bytes: Uint8Array): JsonScan {
  const member = { position: 0, nameStart: 0, nameEnd: 0, valueStart: 0, valueEnd: 0 };
  return { bytes, end: bytes.length, member, fault: '', faultAt: -1 };
}

/** Returned in place of an offset. */
export const FAILED = -1;

/**
 * Levels of objects and arrays in a row, the row's own object included.
 * Rows of tables are flat or nearly so, and readers with a stack per level must be safe with what
 * is passed on to them.
 */
export const DEPTH_MAX = 64;

/** A member of an object: its name, with the quotes, and its value as byte ranges. */
export interface Member {
  /** 0 for the first of the object. */
  position: number;
  nameStart: number;
  nameEnd: number;
  valueStart: number;
  valueEnd: number;
}

/**
 * Told of each member of an object. The member is only good during the call: the next one is
 * written over it.
 */
export type VisitMember = (member: Readonly<Member>) => void;

export const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;
export const OPEN_BRACKET = 0x5b;
export const CLOSE_BRACKET = 0x5d;
const COLON = 0x3a;
const MINUS = 0x2d;
const PLUS = 0x2b;
const DOT = 0x2e;
const ZERO = 0x30;
const NINE = 0x39;

/** Notes what is wrong. */
export function fail(scan: JsonScan, at: number, fault: string): typeof FAILED {
  scan.fault = fault;
  scan.faultAt = at;
  return FAILED;
}

/** After spaces, tabs and line ends. */
export function skipSpace(scan: JsonScan, from: number): number {
  const { bytes, end } = scan;
  let at = from;
  while (at < end) {
    const byte = bytes[at];
    if (byte !== SPACE && byte !== LF && byte !== CR && byte !== TAB) break;
    at += 1;
  }
  return at;
}

/** Any value; `depth` is the level it would have if it is an object or an array. */
export function scanValue(scan: JsonScan, at: number, depth: number): number {
  if (at >= scan.end) return fail(scan, at, 'a value is missing at the end');
  const byte = scan.bytes[at] as number;
  if (byte === QUOTE) return scanString(scan, at);
  if (byte === MINUS || (byte >= ZERO && byte <= NINE)) return scanNumber(scan, at);
  if (byte === OPEN_BRACE) return scanObject(scan, at, depth, null);
  if (byte === OPEN_BRACKET) return scanArray(scan, at, depth);
  return scanWord(scan, at);
}

/** The object that starts at `at`. */
export function scanObject(scan: JsonScan, at: number, depth: number, visit: VisitMember | null): number {
  if (depth > DEPTH_MAX) return fail(scan, at, `objects and arrays nest deeper than ${DEPTH_MAX} levels`);
  let pos = skipSpace(scan, at + 1);
  if (pos < scan.end && scan.bytes[pos] === CLOSE_BRACE) return pos + 1;
  for (let position = 0; ; position += 1) {
    const nameStart = pos;
    if (pos >= scan.end || scan.bytes[pos] !== QUOTE)
      return fail(scan, pos, 'the name of a member, in double quotes, is missing');
    const nameEnd = scanString(scan, pos);
    if (nameEnd === FAILED) return FAILED;
    pos = skipSpace(scan, nameEnd);
    if (pos >= scan.end || scan.bytes[pos] !== COLON) return fail(scan, pos, 'the colon after a name is missing');
    const valueStart = skipSpace(scan, pos + 1);
    const valueEnd = scanValue(scan, valueStart, depth + 1);
    if (valueEnd === FAILED) return FAILED;
    if (visit !== null) {
      scan.member.position = position;
      scan.member.nameStart = nameStart;
      scan.member.nameEnd = nameEnd;
      scan.member.valueStart = valueStart;
      scan.member.valueEnd = valueEnd;
      visit(scan.member);
    }
    pos = skipSpace(scan, valueEnd);
    const byte = pos < scan.end ? scan.bytes[pos] : undefined;
    if (byte === CLOSE_BRACE) return pos + 1;
    if (byte !== COMMA) return fail(scan, pos, 'a comma or the closing brace of an object is missing');
    pos = skipSpace(scan, pos + 1);
  }
}

function scanArray(scan: JsonScan, at: number, depth: number): number {
  if (depth > DEPTH_MAX) return fail(scan, at, `objects and arrays nest deeper than ${DEPTH_MAX} levels`);
  let pos = skipSpace(scan, at + 1);
  if (pos < scan.end && scan.bytes[pos] === CLOSE_BRACKET) return pos + 1;
  for (;;) {
    pos = scanValue(scan, pos, depth + 1);
    if (pos === FAILED) return FAILED;
    pos = skipSpace(scan, pos);
    const byte = pos < scan.end ? scan.bytes[pos] : undefined;
    if (byte === CLOSE_BRACKET) return pos + 1;
    if (byte !== COMMA) return fail(scan, pos, 'a comma or the closing bracket of an array is missing');
    pos = skipSpace(scan, pos + 1);
  }
}

/** The string whose opening quote is at `start`. */
function scanString(scan: JsonScan, start: number): number {
  const { bytes, end } = scan;
  let at = start + 1;
  while (at < end) {
    const byte = bytes[at] as number;
    if (byte === QUOTE) return at + 1;
    if (byte < SPACE)
      return fail(scan, at, 'a control character in a string is not escaped, or the string is not closed');
    if (byte === BACKSLASH) at = escapeEnd(scan, at);
    else if (byte < 0x80) at += 1;
    else at = wideEnd(scan, at);
    if (at === FAILED) return FAILED;
  }
  return fail(scan, start, 'a string is not closed');
}

function wideEnd(scan: JsonScan, at: number): number {
  const end = utf8End(scan.bytes, at);
  return end === -1 ? fail(scan, at, 'the text is not UTF-8') : end;
}

const ESCAPES: ReadonlySet<number> = new Set(Array.from('"\\/bfnrt', (letter) => letter.charCodeAt(0)));
const LOWER_U = 0x75;
const HEX_DIGITS = 4;

function escapeEnd(scan: JsonScan, at: number): number {
  const letter = scan.bytes[at + 1];
  if (letter !== undefined && ESCAPES.has(letter)) return at + 2;
  if (letter !== LOWER_U) return fail(scan, at, 'an escape in a string is not one that JSON has');
  for (let i = 0; i < HEX_DIGITS; i += 1) {
    if (!isHex(scan.bytes[at + 2 + i]))
      return fail(scan, at, 'a \\u escape in a string has not four hexadecimal digits');
  }
  return at + 2 + HEX_DIGITS;
}

function isHex(byte: number | undefined): boolean {
  if (byte === undefined) return false;
  const lower = byte | 0x20;
  return isDigit(byte) || (lower >= 0x61 && lower <= 0x66);
}

function isDigit(byte: number | undefined): boolean {
  return byte !== undefined && byte >= ZERO && byte <= NINE;
}

function scanNumber(scan: JsonScan, start: number): number {
  const { bytes } = scan;
  let at = bytes[start] === MINUS ? start + 1 : start;
  const whole = at;
  at = digitsEnd(scan, at);
  if (at === whole) return notValue(scan, start);
  if (bytes[whole] === ZERO && at > whole + 1)
    return fail(scan, start, 'a number starts with a zero it must not have; quote it if it is text');
  if (at < scan.end && bytes[at] === DOT) {
    const fraction = at + 1;
    at = digitsEnd(scan, fraction);
    if (at === fraction) return fail(scan, start, 'a number has no digit after its decimal point');
  }
  if (at < scan.end && ((bytes[at] as number) | 0x20) === 0x65) {
    const sign = bytes[at + 1];
    const exponent = at + (sign === PLUS || sign === MINUS ? 2 : 1);
    at = digitsEnd(scan, exponent);
    if (at === exponent) return fail(scan, start, 'a number has no digit in its exponent');
  }
  return at;
}

function digitsEnd(scan: JsonScan, from: number): number {
  const { bytes, end } = scan;
  let at = from;
  while (at < end && (bytes[at] as number) >= ZERO && (bytes[at] as number) <= NINE) at += 1;
  return at;
}

const LOWER_T = 0x74;
const LOWER_F = 0x66;
const NOT_JSON = ['NaN', 'Infinity', '-Infinity'];

function scanWord(scan: JsonScan, at: number): number {
  const first = scan.bytes[at];
  const word = first === LOWER_T ? 'true' : first === LOWER_F ? 'false' : 'null';
  return startsWith(scan, at, word) ? at + word.length : notValue(scan, at);
}

/** The commonest ways a Python model writes what is no JSON get a reason of their own. */
function notValue(scan: JsonScan, at: number): typeof FAILED {
  const word = NOT_JSON.find((candidate) => startsWith(scan, at, candidate));
  return fail(
    scan,
    at,
    word === undefined ? 'a character stands where a value should' : `${word} is not JSON; write null or a string`,
  );
}

function startsWith(scan: JsonScan, at: number, word: string): boolean {
  if (at + word.length > scan.end) return false;
  for (let i = 0; i < word.length; i += 1) if (scan.bytes[at + i] !== word.charCodeAt(i)) return false;
  return true;
}
