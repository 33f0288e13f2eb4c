// What a table that came as CSV seems to be, where it is not what CSV is here (commas, a header line, UTF-8): it would be read as one column, or its
// first row as names, and nobody would be told.

import { plainBytes } from './bytes.ts';
import { type CsvHeader, readFirstHeader } from './csv-header.ts';
import { TableError } from './format.ts';

/** Separators that other programs write, and what they are called. */
const SEPARATORS = [
  [';', 'semicolons'],
  ['\t', 'tabs'],
  ['|', 'vertical bars'],
] as const;

/** What to do about another separator. */
export const SEPARATED_BY_COMMAS = 'write it with commas and decimal points (pandas: df.to_csv(path, index=False))';

/** Which other separator a line has, where it has no quotes; null for none. */
export function otherSeparator(line: string): string | null {
  if (line.includes('"')) return null;
  return SEPARATORS.find(([separator]) => line.includes(separator))?.[1] ?? null;
}

/** Whether names of columns, written without quotes, would be taken for something else than a header. */
export const mayBeMistaken = (columns: readonly string[]): boolean =>
  separatorIn(columns) !== null || areNumbers(columns);

/** The other separator that the only name of a header has in it. */
const separatorIn = (columns: readonly string[]): string | null =>
  columns.length === 1 ? otherSeparator(columns[0]!) : null;

const areNumbers = (columns: readonly string[]): boolean =>
  columns.every((name) => NUMBER.test(name)) && !columns.every((name) => WHOLE.test(name));

/**
 * Refuses a table whose beginning is plainly no CSV with a header line. Names in quotes are taken as they stand.
 *
 * @param start the header line, and the first row where there is one
 * @throws TableError that says what the table seems to be, and what to do
 */
export function checkLook(start: Uint8Array, columns: readonly string[]): void {
  const [header = '', row = ''] = new TextDecoder().decode(start).split(/\r?\n/);
  if (header.includes('"')) return;
  const separator = separatorIn(columns);
  if (separator !== null && (row === '' || otherSeparator(row) === separator))
    throw new TableError(
      `The CSV table seems to be separated by ${separator}: its header line has them and no comma; ${SEPARATED_BY_COMMAS}, or put the name into quotes if it is one.`,
      { line: 1 },
    );
  if (areNumbers(columns))
    throw new TableError(
      `The first line of the CSV table seems to be a row and no header: ${columns.length === 1 ? 'its only value is a number' : `all of its ${columns.length} values are numbers`}. Put a line with the names of the columns in front, or quotes around names that are numbers.`,
      { line: 1 },
    );
}

/** How much of a table `checkBeginning` needs, in bytes: the header line and a row, where they are not very long. */
export const BEGINNING_BYTES = 64 * 1_024;

/**
 * As `checkLook`, of a table that nobody has read. A header that cannot be read is left to the reader of the table, who says so.
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

const NUMBER = /^\s*[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?\s*$/;
/** Names that pandas gives to columns that have none. */
const WHOLE = /^\d+$/;

/** What may be the matter with a row that has another number of values than the header, told by the row; empty where nothing is seen. */
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

/** Parameters of `text/csv` that say what this reader does not do; the words for the first, or null. */
export function unreadParameter(contentType: string): string | null {
  for (const parameter of contentType.split(';').slice(1)) {
    const [name = '', given = ''] = parameter.split('=', 2).map((part) => part.trim().toLowerCase());
    const value = given.replace(/^"(.*)"$/, '$1');
    if (name === 'header' && value === 'absent')
      return 'header=absent: a table needs a header line with the names of its columns, since rows are given to models by name. Put one in front';
    if (['delimiter', 'separator', 'sep'].includes(name) && value !== ',' && value !== 'comma')
      return `${name}=${given.slice(0, 20)}: values are separated by commas alone. Send the table with commas (pandas: df.to_csv(path, index=False))`;
    if (name === 'charset' && !['utf-8', 'utf8', 'us-ascii', 'ascii', ''].includes(value))
      return `charset=${given.slice(0, 40)}: tables are read in UTF-8 alone. Send it in UTF-8 (pandas: encoding="utf-8")`;
  }
  return null;
}
