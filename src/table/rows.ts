// Tables as rows: what a model's `predict` and the users of the SDK work with.
import { plainBytes } from './bytes.ts';
import type { ColumnsWhere, Row } from './codec.ts';
import type { TableFormat } from './format.ts';
import { codecOf } from './table.ts';

export type { Row } from './codec.ts';

/**
 * All rows of a table. Values of a CSV table are strings, exactly as they stand in the file; those
 * of the JSON formats are what JSON.parse makes of them. A table that is not well formed is a
 * TableError.
 */
export function decodeRows(bytes: Uint8Array, format: TableFormat): Row[] {
  return codecOf(format).decode(plainBytes(bytes));
}

/**
 * Rows as a table. `columns` picks the columns and their order, and a row without one has an empty
 * value or null there; left out, a CSV table has the keys of all rows in the order first seen, and
 * a JSON row has its own. NaN, infinities and everything else that would turn into null without a
 * word are a TableError with the row and the column.
 *
 * @param where `where-they-are`: `columns` say the order alone, and a JSON row has those of them
 *   that it has
 */
export function encodeRows(
  rows: readonly Row[],
  format: TableFormat,
  columns?: readonly string[],
  where: ColumnsWhere = 'in-every-row',
): Uint8Array<ArrayBuffer> {
  return codecOf(format).encode(rows, columns ?? null, where);
}
