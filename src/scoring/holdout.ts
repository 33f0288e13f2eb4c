// The rows of evaluation data that a model was not trained on, and a choice of them. Pure.

import { openColumns, type TableBytes } from '../table/columns.ts';
import { columnNamed, listed, missingFrom } from '../table/column-names.ts';
import { type MergePart, mergeTables } from '../table/merge.ts';
import { indexTable, sliceTable } from '../table/split.ts';

/** The column that says whether a model was trained on a row; without it, none was. */
const TRAINING = 'training';

/** What evaluation data must have. */
export interface Needs {
  readonly target: string | null;
  readonly idColumn: string | null;
  readonly features: readonly string[];
}

/** Evaluation data, and which of its rows are held out. */
export interface Holdout {
  readonly table: TableBytes;
  /** Counted from 0, in their order. */
  readonly rows: readonly number[];
}

/**
 * Finds the rows that are held out; or says in a sentence what is wrong.
 *
 * @throws TableError for a table that cannot be read
 */
export function holdoutOf(table: TableBytes, { target, idColumn, features }: Needs): Holdout | { mistake: string } {
  const opened = openColumns(table);
  const { rows, columns } = opened;
  const has = listed(columns);
  if (rows === 0) return { mistake: 'has no rows' };
  if (target !== null && columnNamed(columns, target) === null)
    return { mistake: `has no column ${JSON.stringify(target)}, which is the endpoint's target; it has ${has}` };
  if (idColumn !== null && columnNamed(columns, idColumn) === null)
    return { mistake: `has no column ${JSON.stringify(idColumn)}, which is the endpoint's idColumn; it has ${has}` };
  const missing = missingFrom(columns, features);
  if (missing.length > 0) return { mistake: `lacks ${listed(missing)} of the endpoint's features; it has ${has}` };
  const training = columnNamed(columns, TRAINING);
  if (training === null) return { table, rows: [...Array(rows).keys()] };
  const flags = opened.read([training])[0]!.map(flagOf);
  const odd = flags.indexOf(null);
  if (odd >= 0)
    return { mistake: `says neither true nor false in the column ${JSON.stringify(training)} of row ${odd + 1}` };
  const heldOut = flags.flatMap((flag, row) => (flag === false ? [row] : []));
  if (heldOut.length > 0) return { table, rows: heldOut };
  return { mistake: `holds no row out: ${JSON.stringify(training)} is true in every row` };
}

/** As JSON, pandas and people write it. */
function flagOf(value: unknown): boolean | null {
  const text = String(value).trim().toLowerCase();
  if (text === 'true' || text === '1') return true;
  return text === 'false' || text === '0' ? false : null;
}

/**
 * So many of the rows that are held out, as a table of the same format, byte for byte: spread
 * evenly from the first one on, so that a file that is sorted by class gives rows of each, and the
 * same ones every time. All of them where there are no more.
 */
export function sampleOf({ table, rows }: Holdout, count: number): Uint8Array {
  const { bytes, format } = table;
  const chosen =
    count >= rows.length
      ? rows
      : Array.from({ length: count }, (_, place) => rows[Math.floor((place * rows.length) / count)]!);
  const index = indexTable(bytes, format);
  const parts = chosen.map((row): MergePart => ({
    kind: 'rows',
    bytes: sliceTable(bytes, index, row, row + 1),
    rows: 1,
  }));
  return mergeTables(parts, format);
}
