// Columns of a table, without holding more of its rows than a slice of them.

import { Digits, type IndexedLines, type Value, visitCells } from './arrow/values.ts';
import { plainBytes } from './bytes.ts';
import type { TableFormat } from './format.ts';
import { decodeRows, type Row } from './rows.ts';
import { indexTable, sliceTable } from './split.ts';
import { ownValue } from './value-text.ts';

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
  /**
   * The values of some columns, each as long as the table; undefined where a row has none. A number
   * that no double is comes as its digits.
   */
  read(names: readonly string[]): unknown[][];
}

/** Rows that are decoded at a time. */
const SLICE_ROWS = 10_000;

/**
 * Opens a table.
 *
 * @throws TableError where it is not well formed, or its rows are no objects
 */
export function openColumns({ bytes: given, format }: TableBytes): ColumnTable {
  const bytes = plainBytes(given);
  const index = indexTable(bytes, format);
  function* slices(): Generator<Row[]> {
    for (let from = 0; from < index.rows; from += SLICE_ROWS)
      yield decodeRows(sliceTable(bytes, index, from, Math.min(index.rows, from + SLICE_ROWS)), format);
  }
  return {
    rows: index.rows,
    columns: index.columns ?? [],
    read(names) {
      if (format !== 'csv') return readJson({ bytes, index }, names);
      const columns: unknown[][] = names.map(() => []);
      if (names.length === 0) return columns;
      for (const rows of slices())
        for (const row of rows) for (const [at, name] of names.entries()) columns[at]!.push(ownValue(row, name));
      return columns;
    },
  };
}

function readJson(table: IndexedLines, names: readonly string[]): unknown[][] {
  const columns = new Map(names.map((name) => [name, Array.from<unknown>({ length: table.index.rows })]));
  visitCells(
    table,
    new Map([...columns].map(([name, column]) => [name, (value, row) => void (column[row] = plain(value))])),
  );
  return names.map((name) => columns.get(name)!);
}

/**
 * A value as JSON.parse makes it, but for numbers that would become others: two ids, or classes,
 * must not become one.
 */
function plain(value: Value): unknown {
  if (value instanceof Digits) return isKept(value.text) ? Number(value.text) : value.text;
  if (Array.isArray(value)) return (value as readonly Value[]).map(plain);
  if (!(value instanceof Map)) return value;
  const members = value as ReadonlyMap<string, Value>;
  return Object.fromEntries([...members].map(([name, member]) => [name, plain(member)]));
}

const WHOLE = /^-?\d+$/;

/** Whether a double keeps a number: whole ones with every digit, others as near as doubles are. */
function isKept(text: string): boolean {
  const number = Number(text);
  return WHOLE.test(text) ? Number.isSafeInteger(number) || String(number) === text : Number.isFinite(number);
}
