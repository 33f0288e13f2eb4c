// What every table format can do, and the shapes it does it with.
import type { TableFormat } from './format.ts';

/** One row: column name → value. Rows of a CSV table hold strings alone, exactly as they stand in the file. */
export type Row = Record<string, unknown>;

/** Where everything is in the bytes of a table that was read through once and found to be well formed. */
export interface TableIndex {
  readonly format: TableFormat;
  readonly rows: number;
  /** The names in the header of a CSV table, in order; null in the JSON formats, where every row has its own. */
  readonly columns: readonly string[] | null;
  /** The header line of a CSV table, after any byte order mark and with its line end; empty in the JSON formats. */
  readonly header: { readonly start: number; readonly end: number };
  /** Two offsets a row, [start, end): row r stands at `spans[2 * r]` and `spans[2 * r + 1]`. Lines include their line end. */
  readonly spans: Uint32Array;
}

/** A stretch of a merged table: the rows a model gave, or the rows it failed on, with the reason. */
export type MergePart =
  | {
      readonly kind: 'rows';
      /** A table of the merge's format. */
      readonly bytes: Uint8Array;
      /** How many rows it must have. */
      readonly rows: number;
    }
  | {
      readonly kind: 'failed';
      /** The rows that failed, as a table of `inputFormat`. */
      readonly input: Uint8Array;
      readonly inputFormat: TableFormat;
      /** How many rows it must have. */
      readonly rows: number;
      /** The reason, for the `inference_error` column. */
      readonly error: string;
    };

/** The column that says why a row failed; no output may have one of its own. */
export const ERROR_COLUMN = 'inference_error';

/** One table format. Every function throws a TableError for a table it cannot take without changing a value. */
export interface TableCodec {
  index(bytes: Uint8Array): TableIndex;
  /** The rows [from, to) as a table of their own. */
  slice(bytes: Uint8Array, index: TableIndex, from: number, to: number): Uint8Array<ArrayBuffer>;
  decode(bytes: Uint8Array): Row[];
  /** `columns` null: every row's own. */
  encode(rows: readonly Row[], columns: readonly string[] | null): Uint8Array<ArrayBuffer>;
  /** The inputs of failed parts are in this codec's format too. */
  merge(parts: readonly MergePart[]): Uint8Array<ArrayBuffer>;
}
