// Numbers that a program only hands through. A program that reads them as doubles writes other
// numbers where they have more digits than a double: 75003283610278.62 for 75003283610278.63, 2^53
// for 2^53 + 1. Its rows have the input's digits then, as those of our own runners do.
//
// A program in a language with exact numbers may have computed the very number that others make of
// the input, 2^53 of 2^53 + 1 among them. It is known by the digits that no double is written with,
// and taken at its word.

import {
  afterByteOrderMark,
  COMMA,
  finishBytes,
  LF,
  openWriter,
  plainBytes,
  QUOTE,
  writeBytes,
} from '../table/bytes.ts';
import { type TableFormat, tableFormatOf } from '../table/format.ts';
import { type NameMemory, nameOf, openNames } from '../table/json/names.ts';
import {
  CLOSE_BRACKET,
  FAILED,
  type JsonScan,
  OPEN_BRACE,
  OPEN_BRACKET,
  openScan,
  scanObject,
  scanValue,
  skipSpace,
} from '../table/json/scan.ts';

/** What goes to a program, or comes from it. */
interface Content {
  readonly bytes: Uint8Array;
  readonly contentType: string;
}

/**
 * JSON with the input's digits for numbers that a program has only handed through; the same bytes
 * where there are none.
 */
export type KeepDigits = (output: Content) => Uint8Array;

/**
 * What gives the output of a program the digits of its input: each number that is the double next
 * to the input's, in the same row and column or the same place of a JSON value, also within lists
 * and objects of as many items. `predictions` are the rows of what came as `instances`. Null where
 * the input is neither JSON nor JSON Lines, or has no number that a double may not hold.
 *
 * It takes a millisecond for a megabyte without such a number, and about 2 µs for each of them.
 */
export function digitsOf(given: Content): KeepDigits | null {
  const format = jsonFormatOf(given.contentType);
  if (format === null) return null;
  const bytes = plainBytes(given.bytes);
  if (!hasLongNumber(bytes, 0, bytes.length)) return null;
  return (answered) => {
    const answer = jsonFormatOf(answered.contentType);
    return answer === null ? answered.bytes : withDigits({ bytes, format }, answered.bytes, answer);
  };
}

type JsonFormat = Exclude<TableFormat, 'csv'>;

function jsonFormatOf(contentType: string): JsonFormat | null {
  const format = tableFormatOf(contentType);
  return format === 'csv' ? null : format;
}

/**
 * Digits and points in a row in every number that a double may not hold, but those next to zero:
 * all of 15 digits come back as they were.
 */
const LONG = 16;

/**
 * Whether there is such a number in bytes[start, end). Looks at one byte of 16, since the digits
 * would stand on one of these.
 */
function hasLongNumber(bytes: Uint8Array, start: number, end: number): boolean {
  for (let at = start + LONG - 1; at < end; at += LONG) {
    let first = at;
    while (first >= start && isDigitOrPoint(bytes[first] as number)) first -= 1;
    let after = at;
    while (after < end && isDigitOrPoint(bytes[after] as number)) after += 1;
    if (after - first > LONG) return true;
  }
  return false;
}

const POINT = 0x2e;
const isDigit = (byte: number): boolean => byte >= 0x30 && byte <= 0x39;
const isDigitOrPoint = (byte: number): boolean => byte === POINT || isDigit(byte);

/** A number of the output, and the one of the input that it stands for. */
interface Handed {
  readonly start: number;
  readonly end: number;
  readonly isWhole: boolean;
  readonly givenStart: number;
  readonly givenEnd: number;
}

/** One JSON text of two that are compared. */
interface Side {
  readonly scan: JsonScan;
  readonly format: JsonFormat;
  /** By level, so that rows and what is in them do not push each other out. */
  readonly names: NameMemory[];
}

interface Comparison {
  readonly input: Side;
  readonly output: Side;
  readonly handed: Handed[];
  /**
   * Where all other numbers start that were answered for long ones: what they are written like
   * tells what the program computes with.
   */
  readonly others: number[];
}

/** Level of the whole value; rows, in an array or in the array of a wrapper, are level 1. */
const ROOT_DEPTH = -1;

function withDigits(
  given: { bytes: Uint8Array; format: JsonFormat },
  answered: Uint8Array,
  format: JsonFormat,
): Uint8Array {
  const input = sideOf(given.bytes, given.format);
  const output = sideOf(plainBytes(answered), format);
  const comparison: Comparison = { input, output, handed: [], others: [] };
  if (!compareAll(comparison) || comparison.handed.length === 0) return answered;
  const exact = exactKinds(comparison);
  const kept = comparison.handed.filter(({ isWhole }) => !exact.has(isWhole));
  return kept.length === 0 ? answered : spliced(comparison, kept);
}

const sideOf = (bytes: Uint8Array, format: JsonFormat): Side => ({ scan: openScan(bytes), format, names: [] });

/** Whether both texts can be read, and have as many rows. */
function compareAll(comparison: Comparison): boolean {
  const { input, output } = comparison;
  const given = rootsOf(input);
  const answered = rootsOf(output);
  if (given === null || answered === null) return false;
  const isPair = isAlone(input, given) && isAlone(output, answered);
  const rows = isPair ? given : rowsOf(input, given);
  const others = isPair ? answered : rowsOf(output, answered);
  if (rows.length !== others.length) return false;
  for (const [at, row] of rows.entries()) compare(comparison, row, others[at] as number, isPair ? ROOT_DEPTH : 1);
  return true;
}

/**
 * Where the value starts, or that of each line; null where it is no JSON. Afterwards nothing that
 * is scanned can fail.
 */
function rootsOf({ scan, format }: Side): readonly number[] | null {
  const { bytes } = scan;
  const roots: number[] = [];
  let start = afterByteOrderMark(bytes);
  while (start < bytes.length) {
    const lineEnd = format === 'jsonl' ? bytes.indexOf(LF, start) : -1;
    scan.end = lineEnd === -1 ? bytes.length : lineEnd;
    const first = skipSpace(scan, start);
    if (first < scan.end) {
      const end = scanValue(scan, first, format === 'jsonl' ? 1 : ROOT_DEPTH);
      if (end === FAILED || skipSpace(scan, end) < scan.end) return null;
      roots.push(first);
    }
    start = scan.end + 1;
  }
  scan.end = bytes.length;
  return roots;
}

/** Whether it is a JSON value that is no array of rows; an object may have them in it. */
const isAlone = ({ scan, format }: Side, [root]: readonly number[]): boolean =>
  format === 'json' && root !== undefined && scan.bytes[root] !== OPEN_BRACKET;

const ROWS_NAMES: ReadonlySet<string> = new Set(['instances', 'predictions']);

/** The rows of a table: lines, the items of an array, or those of the array in a wrapper. */
function rowsOf(side: Side, roots: readonly number[]): readonly number[] {
  const [root] = roots;
  if (side.format === 'jsonl' || root === undefined) return roots;
  if (side.scan.bytes[root] !== OPEN_BRACE) return itemsOf(side, root, 1);
  const arrays: number[] = [];
  scanObject(side.scan, root, ROOT_DEPTH, (member) => {
    if (ROWS_NAMES.has(nameOf(namesAt(side, ROOT_DEPTH), side.scan.bytes, member))) arrays.push(member.valueStart);
  });
  return arrays.length === 1 ? itemsOf(side, arrays[0] as number, 1) : [];
}

const namesAt = ({ names }: Side, depth: number): NameMemory => (names[depth - ROOT_DEPTH] ??= openNames());

/** Where the items of an array start; none where it is no array. */
function itemsOf({ scan }: Side, array: number, depth: number): readonly number[] {
  const { bytes } = scan;
  const items: number[] = [];
  if (bytes[array] !== OPEN_BRACKET) return items;
  let at = skipSpace(scan, array + 1);
  while (bytes[at] !== CLOSE_BRACKET) {
    items.push(at);
    at = skipSpace(scan, scanValue(scan, at, depth));
    if (bytes[at] === COMMA) at = skipSpace(scan, at + 1);
  }
  return items;
}

/** Compares two values, told by where they start. */
function compare(comparison: Comparison, given: number, answered: number, depth: number): void {
  const { input, output } = comparison;
  const first = input.scan.bytes[given] as number;
  const other = output.scan.bytes[answered] as number;
  if (isNumber(first) && isNumber(other)) compareNumbers(comparison, given, answered);
  else if (first !== other) return;
  else if (first === OPEN_BRACE) compareMembers(comparison, given, answered, depth);
  else if (first === OPEN_BRACKET) {
    const items = itemsOf(input, given, depth + 1);
    const others = itemsOf(output, answered, depth + 1);
    if (items.length !== others.length) return;
    for (const [at, item] of items.entries()) compare(comparison, item, others[at] as number, depth + 1);
  }
}

const MINUS = 0x2d;
const isNumber = (first: number): boolean => first === MINUS || isDigit(first);

function compareMembers(comparison: Comparison, given: number, answered: number, depth: number): void {
  const { input, output } = comparison;
  const { bytes } = input.scan;
  const members = new Map<string, number>();
  scanObject(input.scan, given, depth, (member) => {
    const { valueStart, valueEnd } = member;
    if (bytes[valueStart] !== QUOTE && hasLongNumber(bytes, valueStart, valueEnd))
      members.set(nameOf(namesAt(input, depth), bytes, member), valueStart);
  });
  if (members.size === 0) return;
  scanObject(output.scan, answered, depth, (member) => {
    const name = nameOf(namesAt(output, depth), output.scan.bytes, member);
    const isRows = depth === ROOT_DEPTH && name === 'predictions';
    const before = members.get(name) ?? (isRows ? members.get('instances') : undefined);
    if (before !== undefined) compare(comparison, before, member.valueStart, depth + 1);
  });
}

function compareNumbers({ input, output, handed, others }: Comparison, given: number, answered: number): void {
  const givenEnd = scanValue(input.scan, given, 0);
  if (!hasLongNumber(input.scan.bytes, given, givenEnd)) return;
  const end = scanValue(output.scan, answered, 0);
  const before = digitsIn(input.scan.bytes, given, givenEnd);
  const text = digitsIn(output.scan.bytes, answered, end);
  // A zero keeps the sign that the program gave it.
  if (
    before !== text &&
    Object.is(Number(before), Number(text)) &&
    isOfDouble(text) &&
    valueOf(before) !== valueOf(text)
  )
    handed.push({ start: answered, end, isWhole: isWhole(text), givenStart: given, givenEnd });
  else others.push(answered);
}

/**
 * Whether the program writes whole numbers (`true`) that no double is written as, and whether
 * fractions (`false`).
 */
function exactKinds({ output: { scan }, others }: Comparison): ReadonlySet<boolean> {
  const exact = new Set<boolean>();
  for (const start of others) {
    const text = digitsIn(scan.bytes, start, scanValue(scan, start, 0));
    if (!exact.has(isWhole(text)) && !isOfDouble(text)) exact.add(isWhole(text));
  }
  return exact;
}

const isWhole = (digits: string): boolean => !/[.eE]/.test(digits);

const digitsIn = (bytes: Uint8Array, start: number, end: number): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start).toString('latin1');

/**
 * Whether a double is written so: with the fewest digits, with the 17 that always suffice, or a
 * whole one with all of them.
 */
function isOfDouble(text: string): boolean {
  const double = Number(text);
  if (!Number.isFinite(double)) return false;
  const shortest = String(double);
  if (text === shortest) return true;
  const value = valueOf(text);
  return (
    value === valueOf(shortest) ||
    value === valueOf(double.toPrecision(17)) ||
    (Number.isInteger(double) && value === valueOf(String(BigInt(double))))
  );
}

const NUMBER = /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([-+]?\d+))?$/;

/**
 * The one form that all spellings of a number have: its digits without zeros around them, and the
 * power of ten before the first.
 */
function valueOf(text: string): string {
  const [, sign = '', whole = '', fraction = '', exponent = '0'] = NUMBER.exec(text) ?? [];
  const digits = whole + fraction;
  let first = 0;
  while (digits[first] === '0') first += 1;
  if (first === digits.length) return '0';
  let end = digits.length;
  while (digits[end - 1] === '0') end -= 1;
  return `${sign}${digits.slice(first, end)}e${Number(exponent) + whole.length - first}`;
}

function spliced({ input, output }: Comparison, handed: readonly Handed[]): Uint8Array {
  const { bytes } = output.scan;
  const writer = openWriter(bytes.length + handed.length * 8);
  let written = 0;
  for (const { start, end, givenStart, givenEnd } of handed) {
    writeBytes(writer, bytes, written, start);
    writeBytes(writer, input.scan.bytes, givenStart, givenEnd);
    written = end;
  }
  writeBytes(writer, bytes, written, bytes.length);
  return finishBytes(writer);
}
