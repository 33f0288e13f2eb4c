// What every table format can do, and the shapes it does it with.
import type { ByteWriter } from './bytes.ts';
import type { TableFormat } from './format.ts';

/**
 * One row: column name → value. Rows of a CSV table hold strings alone, exactly as they stand in
 * the file.
 */
export type Row = Record<string, unknown>;

/**
 * Where everything is in the bytes of a table that was read through once and found to be well
 * formed.
 */
export interface TableIndex {
  readonly format: TableFormat;
  readonly rows: number;
  /**
   * The names in the header of a CSV table, in order; in the JSON formats those of all rows in the
   * order first met, null where nobody asked or there are none.
   */
  readonly columns: readonly string[] | null;
  /**
   * The header line of a CSV table, after any byte order mark and with its line end; empty in the
   * JSON formats.
   */
  readonly header: { readonly start: number; readonly end: number };
  /**
   * Two offsets a row, [start, end): row r stands at `spans[2 * r]` and `spans[2 * r + 1]`. Lines
   * include their line end.
   */
  readonly spans: Uint32Array;
}

/** Where bytes stand in a table that is read a piece at a time. */
export interface PiecePlace {
  readonly rowsBefore: number;
  readonly linesBefore: number;
  /** Whether the table goes on after them; they end with a line feed then. */
  readonly goesOn: boolean;
  /** How many rows are in them, where that is known: the last of them may be blank lines. */
  readonly rows: number | null;
}

/** The place of a whole table. */
export const WHOLE: PiecePlace = { rowsBefore: 0, linesBefore: 0, goesOn: false, rows: null };

/** The rows found in a piece. */
export interface FoundRows {
  /** As in `TableIndex`. */
  readonly spans: Uint32Array;
  /** Where the last of them ends; what comes after it belongs to the next piece. */
  readonly end: number;
}

/**
 * A stretch of a merged table: the rows a model gave, or the rows it failed on, with the reason.
 */
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

/**
 * Columns in the order of a table that is written whole: why rows failed stands behind everything
 * else, also where an early row names it.
 */
export const reasonsLast = (columns: readonly string[]): readonly string[] =>
  columns.includes(ERROR_COLUMN) ? [...columns.filter((name) => name !== ERROR_COLUMN), ERROR_COLUMN] : columns;

/**
 * How many columns a table may have: enough for any that is met in practice, and so few that a
 * megabyte of commas cannot fill the memory with names.
 */
export const COLUMNS_MAX = 1_000_000;

/**
 * Which of some columns a JSON row is written with: all, null where it has none, or its own in
 * their order.
 */
export type ColumnsWhere = 'in-every-row' | 'where-they-are';

/**
 * One table format. Every function throws a TableError for a table it cannot take without changing
 * a value.
 */
export interface TableCodec {
  index(bytes: Uint8Array): TableIndex;
  /** The rows [from, to) as a table of their own. */
  slice(bytes: Uint8Array, index: TableIndex, from: number, to: number): Uint8Array<ArrayBuffer>;
  decode(bytes: Uint8Array): Row[];
  /** `columns` null: every row's own. */
  encode(rows: readonly Row[], columns: readonly string[] | null, where: ColumnsWhere): Uint8Array<ArrayBuffer>;
  merge(facts: MergeFacts): TableMerge;
}

/** What must be known of the parts of a table before the first is looked at. */
export interface MergeFacts {
  readonly parts: number;
  /** Whether some of them are rows that failed. */
  readonly someFailed: boolean;
}

/**
 * Puts a table together out of parts that need not be held at once: each is looked at, in order,
 * before anything is written, since the columns are those of all; then what looking gave is called
 * for each, in order, between `begin` and `end`. A part that was released meanwhile is looked at
 * again.
 */
export interface TableMerge {
  /**
   * Checks a part, the inputs of failed ones in the merge's format too, and answers what appends
   * its rows.
   *
   * @param position its place among the parts, counted from 0
   */
  look(part: MergePart, position: number): (writer: ByteWriter) => void;
  /**
   * Appends what comes before the rows. Throws a WriterFull where it is plain that the writer does
   * not take all of them.
   */
  begin(writer: ByteWriter): void;
  /** Appends what comes after them. */
  end(writer: ByteWriter): void;
}
