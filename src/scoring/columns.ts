// Columns of a table, without holding more of its rows than a slice of them.

import type { TableFormat } from '../table/format.ts';
import { decodeRows, type Row } from '../table/rows.ts';
import { indexTable, sliceTable } from '../table/split.ts';
import { ownValue } from '../table/value-text.ts';

/** A table as it is stored. */
export interface TableBytes {
  readonly bytes: Uint8Array;
  readonly format: TableFormat;
}

/** A table whose columns can be had. */
export interface ColumnTable {
  readonly rows: number;
  /** Every column of any row, in the order first seen. */
  readonly columns: readonly string[];
  /** The values of some columns, each as long as the table; undefined where a row has none. */
  read(names: readonly string[]): unknown[][];
}

/** Rows that are decoded at a time. */
const SLICE_ROWS = 10_000;

/**
 * Opens a table.
 *
 * @throws TableError where it is not well formed, or its rows are no objects
 */
export function openColumns({ bytes, format }: TableBytes): ColumnTable {
  const index = indexTable(bytes, format);
  function* slices(): Generator<Row[]> {
    for (let from = 0; from < index.rows; from += SLICE_ROWS)
      yield decodeRows(sliceTable(bytes, index, from, Math.min(index.rows, from + SLICE_ROWS)), format);
  }
  return {
    rows: index.rows,
    columns: index.columns ?? [],
    read(names) {
      const columns: unknown[][] = names.map(() => []);
      if (names.length === 0) return columns;
      for (const rows of slices())
        for (const row of rows) for (const [at, name] of names.entries()) columns[at]!.push(ownValue(row, name));
      return columns;
    },
  };
}
