// Writing CSV: quotes only where a value needs them.
import { openWriter, finishBytes, writeText } from '../bytes.ts';
import type { Row } from '../codec.ts';
import { checkNames } from './header.ts';
import { mayBeMistaken } from './look.ts';
import { TableError } from '../format.ts';
import { checkRow, ownValue, plainText } from '../value-text.ts';

const NEEDS_QUOTES = /[",\r\n]/;
/** What needs quotes, and what CSV cannot hold, or may not be able to. */
const NEEDS_A_LOOK = /[",\r\n\0\ud800-\udfff]/;
const SPACE_OR_LESS = 0x20;
const BYTE_ORDER_MARK = 0xfeff;

/**
 * A text as one CSV value. Besides commas, quotes and line ends, blanks at either side get quotes,
 * because some readers trim them, and so does a byte order mark in front, because in the first name
 * it would be taken for the file's.
 */
export function csvField(text: string): string {
  return text === '' || (!wouldBeTrimmed(text) && !NEEDS_QUOTES.test(text)) ? text : quoted(text);
}

const quoted = (text: string): string => `"${text.replaceAll('"', '""')}"`;

/** Whether some reader would take something off a text that is not empty. */
function wouldBeTrimmed(text: string): boolean {
  const first = text.charCodeAt(0);
  return first <= SPACE_OR_LESS || first === BYTE_ORDER_MARK || text.charCodeAt(text.length - 1) <= SPACE_OR_LESS;
}

/**
 * One line of a CSV table, without its line end. A lone empty value is written `""`: a blank line
 * would not be a row.
 */
export function csvLine(texts: readonly string[]): string {
  const line = texts.map(csvField).join(',');
  return line === '' ? '""' : line;
}

/**
 * The header line of a CSV table, without its line end. Names that a reader would take for values,
 * or for a line of another separator, get quotes.
 */
export const csvHeaderLine = (names: readonly string[]): string =>
  mayBeMistaken(names) ? names.map(quoted).join(',') : csvLine(names);

// Text is turned into bytes this many characters at a time: fewer cost calls, more cost memory.
const BATCH_CHARS = 32_768;

/**
 * Rows as a CSV table with LF line ends. Without `columns`, the header is the keys of all rows in
 * the order first seen.
 */
export function encodeCsv(rows: readonly Row[], columns: readonly string[] | null): Uint8Array<ArrayBuffer> {
  const names = columns ?? columnsOf(rows);
  if (names.length === 0 && rows.length === 0) return new Uint8Array(0);
  if (names.length === 0) throw noColumns();
  checkNames(names, null);
  const writer = openWriter(rows.length * names.length * 8);
  let text = `${csvHeaderLine(names)}\n`;
  for (const [row, record] of rows.entries()) {
    checkRow(record, row);
    text += `${rowLine(record, names, row)}\n`;
    if (text.length < BATCH_CHARS) continue;
    writeText(writer, text);
    text = '';
  }
  writeText(writer, text);
  return finishBytes(writer);
}

/**
 * As `csvLine`, of a row's own values. Nearly every value is text that stands as it is, which is
 * found out at once.
 */
function rowLine(record: Row, names: readonly string[], row: number): string {
  let line = '';
  for (let k = 0; k < names.length; k += 1) {
    const column = names[k]!;
    const value = ownValue(record, column);
    if (k > 0) line += ',';
    const standsAsItIs =
      typeof value === 'string' && value !== '' && !wouldBeTrimmed(value) && !NEEDS_A_LOOK.test(value);
    line += standsAsItIs ? value : csvField(plainText(value, { row, column }));
  }
  return line === '' ? '""' : line;
}

/** The error for rows a CSV table cannot hold, as it has no line for a row without values. */
export function noColumns(): TableError {
  return new TableError('The rows have no columns, so a CSV table cannot hold them; return at least one column.');
}

/** The keys of all rows, in the order first seen. */
function columnsOf(rows: readonly Row[]): string[] {
  const names = new Set<string>();
  for (const [row, record] of rows.entries()) {
    checkRow(record, row);
    for (const name of Object.keys(record)) names.add(name);
  }
  return [...names];
}
