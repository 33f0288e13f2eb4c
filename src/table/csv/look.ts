// What a table that came as CSV seems to be, where it is not what CSV is here (commas, a header
// line, UTF-8): it would be read as one column, or its first row as names, and nobody would be
// told.

import { LF, plainBytes } from '../bytes.ts';
import { type CsvHeader, readFirstHeader, valueText } from './header.ts';
import { openCursor, readRow } from './scan.ts';
import { isSeparatedByBlanks, otherSeparator, SEPARATED_BY_COMMAS, separatorBesideCommas } from './separators.ts';
import { TableError } from '../format.ts';
import { openWindow } from '../text-window.ts';

/** Rows that `checkLook` needs at most: the first ones may be blank. */
export const LOOKED_AT_ROWS = 8;

/**
 * A name that may make another line of a header: a remark, the separators of others, a number that
 * is no whole one.
 */
const ODD_NAME = /^#.*\s|^##|[;\t|]|^\s*[-+]?(?:\d*\.\d*|\d+[eE].*)\s*$|^\s*[-+]\d/;

/**
 * Whether names of columns, written without quotes, would be taken for something else than a
 * header, over any row.
 */
export const mayBeMistaken = (columns: readonly string[]): boolean =>
  columns.some((name) => ODD_NAME.test(name)) ||
  (columns.length === 1 && columns[0]!.includes(' ')) ||
  !areInOrder(columns.filter((name) => WHOLE.test(name)).map(Number));

/**
 * Refuses a table whose beginning is plainly no CSV with a header line. Names in quotes are taken
 * as they stand.
 *
 * @param start the header line, and the first rows where there are some
 * @throws TableError that says what the table seems to be, and what to do
 */
export function checkLook(start: Uint8Array, columns: readonly string[]): void {
  const end = start.indexOf(LF);
  const header = textOf(end === -1 ? start : start.subarray(0, end)).replace(/\r$/, '');
  if (header.includes('"')) return;
  const row = end === -1 ? null : firstRow(start, end + 1, columns.length);
  const fault =
    seemsComment(header, columns) ?? seemsSeparated(header, row?.line ?? '', columns) ?? seemsRow(columns, row);
  if (fault !== null) throw new TableError(fault, { line: 1 });
}

const textOf = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);

interface FirstRow {
  readonly line: string;
  /** None where it has another number of them than the header. */
  readonly values: readonly string[] | null;
}

/**
 * The first row that is not blank; null where there is none, and for one that cannot be read:
 * the reader of the table says so.
 */
function firstRow(start: Uint8Array, from: number, columns: number): FirstRow | null {
  const cursor = openCursor(start, from, columns);
  cursor.goesOn = true;
  try {
    while (cursor.pos < start.length) {
      if (!readRow(cursor)) return null;
      const line = textOf(start.subarray(cursor.start, cursor.end));
      if (line === '' || line === '""') continue;
      if (cursor.values !== columns) return { line, values: null };
      const window = openWindow(start, cursor.start, cursor.end);
      return { line, values: Array.from({ length: columns }, (_, k) => valueText(cursor, window, k)) };
    }
    return null;
  } catch (error) {
    if (error instanceof TableError) return null;
    throw error;
  }
}

/** `#chrom,start` is a header, and so may `#id` be; what is written behind a blank is a remark. */
function seemsComment(header: string, columns: readonly string[]): string | null {
  const isComment = /^#[#\s]/.test(header) || (columns.length === 1 && /^#.*\s/.test(header));
  return isComment
    ? 'The first line of the CSV table seems to be a comment, which CSV does not have; leave it out, since the header line must come first, or put the name into quotes if it is one.'
    : null;
}

function seemsSeparated(header: string, row: string, columns: readonly string[]): string | null {
  const isAlone = columns.length === 1;
  const other = isAlone ? otherSeparator(header) : separatorBesideCommas(header, row);
  const isInRow = !isAlone || row === '' || otherSeparator(row) === other;
  const separator = other !== null && isInRow ? other : isAlone && isSeparatedByBlanks(header, row) ? 'blanks' : null;
  return separator === null
    ? null
    : `The CSV table seems to be separated by ${separator}: its header line has them${isAlone ? ' and no comma' : ''}; ${SEPARATED_BY_COMMAS}, or put the name into quotes if it is one.`;
}

/**
 * Names that are numbers are years, quantiles or wavelengths, which go up or down, or they are no
 * names. In a row they stand where the row below has numbers as well, and a text beside them may be
 * the same in both.
 */
function seemsRow(names: readonly string[], row: FirstRow | null): string | null {
  const numbers = names.filter(isNumber);
  const [, ...others] = names;
  if (numbers.length === 0 || !(areOnlyFractions(names, numbers) || (row !== null && isLike(names, numbers, row))))
    return null;
  const which =
    numbers.length < names.length
      ? `${numbers.length} of its ${names.length} values ${numbers.length === 1 ? 'is a number' : 'are numbers'}, as in the line below`
      : others.length === 0
        ? 'its only value is a number'
        : `all of its ${names.length} values are numbers`;
  return `The first line of the CSV table seems to be a row and no header: ${which}. Put a line with the names of the columns in front, or quotes around names that are numbers.`;
}

const areOnlyFractions = (names: readonly string[], numbers: readonly string[]): boolean =>
  numbers.length === names.length && !numbers.every((name) => WHOLE.test(name));

function isLike(names: readonly string[], numbers: readonly string[], { values }: FirstRow): boolean {
  if (values === null || !names.every((name, k) => values[k] === '' || isNumber(name) === isNumber(values[k]!)))
    return false;
  if (names.some((name, k) => !isNumber(name) && name === values[k])) return true;
  return numbers.length === 1 ? !WHOLE.test(numbers[0]!) : !areInOrder(numbers.map(Number));
}

const areInOrder = (numbers: readonly number[]): boolean =>
  [1, -1].some((way) => numbers.every((number, k) => k === 0 || way * (number - numbers[k - 1]!) > 0));

const NUMBER = /^\s*[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?\s*$/;
/** Names that pandas gives to columns that have none, and those of years. */
const WHOLE = /^\d+$/;

const isNumber = (text: string): boolean => NUMBER.test(text);

/**
 * How much of a table `checkBeginning` needs, in bytes: the header line and a row, where they are
 * not very long.
 */
export const BEGINNING_BYTES = 64 * 1_024;

/**
 * As `checkLook`, of a table that nobody has read. A header that cannot be read is left to the
 * reader of the table, who says so.
 *
 * @param given its bytes, or `BEGINNING_BYTES` of them
 */
export function checkBeginning(given: Uint8Array): void {
  const beginning = plainBytes(given.subarray(0, BEGINNING_BYTES));
  const header = headerOrNull(beginning, given.length >= BEGINNING_BYTES);
  if (header !== null) checkLook(beginning.subarray(header.start), header.columns);
}

function headerOrNull(beginning: Uint8Array, goesOn: boolean): CsvHeader | null {
  try {
    return readFirstHeader(beginning, goesOn);
  } catch (error) {
    if (error instanceof TableError) return null;
    throw error;
  }
}

/**
 * What may be the matter with a row that has another number of values than the header, told by the
 * row; empty where nothing is seen.
 */
export function hintOfRow(line: Uint8Array, values: number, columns: number): string {
  const text = new TextDecoder().decode(line.subarray(0, LOOKED_AT));
  const separator = otherSeparator(text);
  if (separator !== null && (columns === 1 || values === 1))
    return ` It seems to be separated by ${separator}; ${SEPARATED_BY_COMMAS}.`;
  if (text.startsWith('#')) return ' It seems to be a comment, which CSV does not have; leave it out.';
  if (columns === 1 && values > 1)
    return ' If the first lines are a title or a comment, leave them out: the header line must come first.';
  if (values > columns && DECIMAL_COMMAS.test(text))
    return ' If its numbers have decimal commas, write them with points.';
  return '';
}

const LOOKED_AT = 4_096;
/** Two values that would be one number. */
const DECIMAL_COMMAS = /(?:^|,)-?\d+,\d+(?=,|$)/;

/**
 * Parameters of `text/csv` that say what this reader does not do; the words for the first, or null.
 */
export function unreadParameter(contentType: string): string | null {
  for (const { name, value } of parametersOf(contentType)) {
    const shown = `${name}=${value.slice(0, 40)}`;
    if (name === 'header' && value !== 'present')
      return `${shown}: a table needs a header line with the names of its columns, since rows are given to models by name. Put one in front, and say header=present or nothing`;
    if (['delimiter', 'separator', 'sep'].includes(name) && value !== ',' && value !== 'comma')
      return `${shown}: values are separated by commas alone. Send the table with commas (pandas: df.to_csv(path, index=False))`;
    if (['charset', 'encoding'].includes(name) && !['utf-8', 'utf8', 'us-ascii', 'ascii', ''].includes(value))
      return `${shown}: tables are read in UTF-8 alone. Send it in UTF-8 (pandas: encoding="utf-8")`;
    if (name === 'decimal' && value !== '.') return `${shown}: numbers have a decimal point. Write them with one`;
    if (['quote', 'quotechar'].includes(name) && value !== '"')
      return `${shown}: values are quoted with " alone. Write them so`;
  }
  return null;
}

/** A parameter, whose value may be in quotes that hold a semicolon. */
const PARAMETER = /;\s*([^\s;="]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^;]*))/g;

function* parametersOf(contentType: string): Generator<{ readonly name: string; readonly value: string }, void> {
  for (const [, name, quoted, plain] of contentType.toLowerCase().matchAll(PARAMETER))
    yield { name: name!, value: quoted?.replaceAll(/\\(.)/g, '$1') ?? plain!.trim() };
}
