// Cutting a table into chunks without touching a value: one pass finds every row, and slices copy
// bytes.
import { plainBytes } from './bytes.ts';
import type { TableIndex } from './codec.ts';
import type { TableFormat } from './format.ts';
import { codecOf } from './table.ts';

export type { TableIndex } from './codec.ts';

/**
 * Checks a table from its first byte to its last and finds its rows; a table that is not well
 * formed is a TableError.
 */
export function indexTable(bytes: Uint8Array, format: TableFormat): TableIndex {
  return codecOf(format).index(plainBytes(bytes));
}

/** How many rows a table has, after the same checks as `indexTable`. */
export function countRows(bytes: Uint8Array, format: TableFormat): number {
  return indexTable(bytes, format).rows;
}

/**
 * The rows [fromRow, toRow), counted from 0, as a table of the same format in memory of its own:
 * the header of a CSV table, and the bytes of the rows as they are. Blank lines between rows are
 * left out; JSON records come as an array.
 */
export function sliceTable(
  bytes: Uint8Array,
  index: TableIndex,
  fromRow: number,
  toRow: number,
): Uint8Array<ArrayBuffer> {
  if (!(fromRow >= 0 && fromRow <= toRow && toRow <= index.rows)) {
    throw new RangeError(`Rows ${fromRow} to ${toRow} are not in a table of ${index.rows} rows.`);
  }
  return codecOf(index.format).slice(plainBytes(bytes), index, fromRow, toRow);
}
