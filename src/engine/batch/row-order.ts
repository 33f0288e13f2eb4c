// Whether a model gives its rows back in the order in which they came, told by the column that tells rows apart, where both tables have it.

import type { RunError } from '../../domain/errors.ts';
import { columnNamed } from '../../table/column-names.ts';
import { type TableFormat, tableFormatOf } from '../../table/format.ts';
import { decodeRows, type Row } from '../../table/rows.ts';
import { ownValue } from '../../table/value-text.ts';

/** A table of a chunk, as it was sent or answered. */
export interface ChunkTable {
  readonly bytes: Uint8Array;
  readonly contentType: string;
}

/**
 * What is wrong with an output whose rows are those that came, in another order; null for any other. Ids that the model writes anew, as one
 * that makes numbers of text, tell nothing.
 *
 * @param output a table that was checked, of as many rows as the input
 */
export function disorderIn(input: ChunkTable, output: ChunkTable, idColumn: string): RunError | null {
  const given = idsIn(input, idColumn);
  const answered = given === null ? null : idsIn(output, idColumn);
  if (given === null || answered === null) return null;
  const row = given.findIndex((id, k) => id !== answered[k]);
  if (row === -1 || given.toSorted().join('\n') !== answered.toSorted().join('\n')) return null;
  return {
    type: 'invalid-output',
    detail: `The model answered in another order: row ${row + 1} of the chunk has the ${idColumn} ${shown(answered[row]!)}, and came with ${shown(given[row]!)}; return rows in the order in which they are given.`,
  };
}

/** The ids as texts, each quoted, so that a table of text and one of JSON can be compared; null where there is no such column. */
function idsIn({ bytes, contentType }: ChunkTable, idColumn: string): string[] | null {
  const rows = decodeRows(bytes, tableFormatOf(contentType) as TableFormat);
  const column = columnNamed(Object.keys(rows[0] ?? {}), idColumn);
  return column === null ? null : rows.map((row) => textOf(row, column));
}

const textOf = (row: Row, column: string): string => {
  const value = ownValue(row, column) ?? null;
  return JSON.stringify(typeof value === 'string' ? value : JSON.stringify(value));
};

const SHOWN_MAX = 60;
const shown = (id: string): string => (id.length > SHOWN_MAX ? `${id.slice(0, SHOWN_MAX)}…` : id);
