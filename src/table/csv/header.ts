// The header line of a CSV table: names that are there, and each once.
import { afterByteOrderMark, CR, LF, lineAt, startsWithBytes } from '../bytes.ts';
import { COLUMNS_MAX } from '../codec.ts';
import { openCursor, readRow, valueEnd, valueStart, type CsvCursor } from './scan.ts';
import { shownName, TableError } from '../format.ts';
import { openWindow, textOf, type TextWindow } from '../text-window.ts';
import { fitsCsv } from '../value-text.ts';

/** The names of a CSV table, and where its header line stands. */
export interface CsvHeader {
  readonly columns: readonly string[];
  /** Where the header line starts, after all that comes before it. */
  readonly start: number;
  /** The header line without its line end. */
  readonly line: Uint8Array;
  /** Where the rows start, after the line end. */
  readonly bodyStart: number;
}

/**
 * Reads the header line, after byte order marks and blank lines. Where it is the same as `known`'s,
 * the names are taken over unread.
 */
export function readHeader(bytes: Uint8Array, known: CsvHeader | null = null): CsvHeader {
  return readFirstHeader(bytes, false, known)!;
}

/**
 * As `readHeader`, of the first bytes of a table: null where it goes on after them, and the header
 * is not whole yet.
 */
export function readFirstHeader(bytes: Uint8Array, goesOn: boolean, known: CsvHeader | null = null): CsvHeader | null {
  const start = skipToHeader(bytes);
  if (start === bytes.length) {
    if (goesOn) return null;
    throw new TableError('The CSV table is empty; it needs a header line with the names of its columns.');
  }
  if (known !== null && startsWithHeader(bytes, start, known)) {
    return {
      columns: known.columns,
      start,
      line: known.line,
      bodyStart: afterLineEnd(bytes, start + known.line.length),
    };
  }
  const counted = openCursor(bytes, start, 0);
  counted.goesOn = goesOn;
  if (!readRow(counted)) return null;
  if (counted.values > COLUMNS_MAX) {
    throw new TableError(`The header names ${counted.values} columns; send at most ${COLUMNS_MAX}.`);
  }
  const cursor = openCursor(bytes, start, counted.values);
  readRow(cursor);
  const columns = rowTexts(cursor, openWindow(bytes, cursor.start, cursor.end));
  checkNames(columns, lineAt(bytes, start));
  return { columns, start, line: bytes.subarray(start, cursor.end), bodyStart: cursor.pos };
}

function skipToHeader(bytes: Uint8Array): number {
  let at = afterByteOrderMark(bytes);
  for (;;) {
    if (bytes[at] === LF) at = afterByteOrderMark(bytes, at + 1);
    else if (bytes[at] === CR && bytes[at + 1] === LF) at = afterByteOrderMark(bytes, at + 2);
    else return at;
  }
}

function startsWithHeader(bytes: Uint8Array, start: number, known: CsvHeader): boolean {
  if (!startsWithBytes(bytes, start, known.line)) return false;
  const end = start + known.line.length;
  return end === bytes.length || bytes[end] === LF || (bytes[end] === CR && bytes[end + 1] === LF);
}

function afterLineEnd(bytes: Uint8Array, end: number): number {
  if (end === bytes.length) return end;
  return end + (bytes[end] === CR ? 2 : 1);
}

/** The values of the row read last, without their quotes. */
function rowTexts(cursor: CsvCursor, window: TextWindow): string[] {
  const texts: string[] = [];
  for (let k = 0; k < cursor.bounds.length; k += 1) texts.push(valueText(cursor, window, k));
  return texts;
}

/** Value k of the row read last, without its quotes. */
export function valueText(cursor: CsvCursor, window: TextWindow, k: number): string {
  const raw = textOf(window, valueStart(cursor, k), valueEnd(cursor, k));
  if (!raw.startsWith('"')) return raw;
  const inner = raw.slice(1, -1);
  return inner.includes('"') ? inner.replaceAll('""', '"') : inner;
}

/**
 * Names that are empty or there twice are a TableError: rows are objects, and one of two equal
 * names would be lost. So are names UTF-8 text cannot hold. `line` is the header's, or null where
 * there is no text yet.
 */
export function checkNames(columns: readonly string[], line: number | null): void {
  const seen = new Set<string>();
  const twice = new Set<string>();
  const empty: number[] = [];
  for (const [k, name] of columns.entries()) {
    if (name === '') empty.push(k + 1);
    else if (seen.has(name)) twice.add(name);
    seen.add(name);
    if (!fitsCsv(name)) {
      throw new TableError(
        `The name of column ${k + 1} holds a NUL character or half a surrogate pair; rename the column.`,
        { line, column: name },
      );
    }
  }
  if (/^sep=$/i.test(columns[0] ?? '') && columns.length === 2 && empty.length === 1)
    throw new TableError('The first line, "sep=,", is a word to Excel and no header; leave it out.', { line });
  if (empty.length > 0) {
    throw new TableError(
      `${empty.length === 1 ? 'Column' : 'Columns'} ${listed(empty.map(String))} of the header ${empty.length === 1 ? 'has' : 'have'} no name; ` +
        'give every column a name (an index column written by pandas is left out with index=False).',
      { line },
    );
  }
  const [name] = twice;
  if (name !== undefined) {
    throw new TableError(
      `The header names ${listed([...twice].map(shownName))} more than once; give every column a name of its own, or put a header line in front if this is a row.`,
      {
        line,
        column: name,
      },
    );
  }
}

const LISTED_MAX = 5;

function listed(words: readonly string[]): string {
  const shown = words.slice(0, LISTED_MAX).join(', ');
  return words.length > LISTED_MAX ? `${shown} and ${words.length - LISTED_MAX} more` : shown;
}
