// What a row is known by: a digest of the values of its key columns, as they are sent.

import type { CacheKey } from './port.ts';
import { shownName, TableError } from '../table/format.ts';
import type { TextRow } from '../table/text-rows.ts';

/**
 * Characters of a key: 16 bytes. That two of 10^12 rows have the same one has a chance of about
 * 10^-15.
 */
const KEY_CHARACTERS = 32;
/** Raised when the same values would mean another key, or an answer another row. */
const FORM = 2;

/** The SHA-256 of every text, in hexadecimal: a browser makes them in another way than Node. */
export type Digest = (texts: readonly string[]) => readonly string[] | Promise<readonly string[]>;

/**
 * The keys of rows, in their order.
 *
 * @throws TableError for a row without one of the key columns
 */
export async function keysOf(
  rows: readonly TextRow[],
  keyColumns: readonly string[],
  digest: Digest,
): Promise<CacheKey[]> {
  const columns = `${JSON.stringify([FORM, keyColumns])}\n`;
  const texts = rows.map((row, at) => columns + keyColumns.map((column) => keyText(row, column, at)).join(','));
  return (await digest(texts)).map((one) => one.slice(0, KEY_CHARACTERS) as CacheKey);
}

function keyText(row: TextRow, column: string, at: number): string {
  const text = row.get(column);
  // Null is a value; what is not there may be a slip of the column's name, and then every row would
  // have the same key.
  if (text === undefined)
    throw new TableError(
      `Row ${at + 1} has no ${shownName(column)}, which is a key column of the cache; its columns are ${[...row.keys()].map(shownName).join(', ')}. Write null where there is no value.`,
      { row: at + 1, column },
    );
  // Programs escape the same text in several ways.
  return text.startsWith('"') && text.includes('\\') ? JSON.stringify(JSON.parse(text)) : text;
}
