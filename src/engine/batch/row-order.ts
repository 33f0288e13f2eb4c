// Whether a model gives its rows back in the order in which they came, told by the column that
// tells rows apart, where both tables have it.

import type { RunError } from '../../domain/errors.ts';
import { columnNamed } from '../../table/column-names.ts';
import { openColumns } from '../../table/columns.ts';
import { type TableFormat, tableFormatOf } from '../../table/format.ts';

/** A table of a chunk, as it was sent or answered. */
export interface ChunkTable {
  readonly bytes: Uint8Array;
  readonly contentType: string;
}

/**
 * What is wrong with an output whose rows are those that came, in another order; null for any
 * other. Ids that the model writes anew, as one that makes numbers of text, tell nothing.
 *
 * @param output a table that was checked, of as many rows as the input
 */
export function disorderIn(input: ChunkTable, output: ChunkTable, idColumn: string): RunError | null {
  const given = idsIn(input, idColumn);
  const answered = given === null ? null : idsIn(output, idColumn);
  if (given === null || answered === null) return null;
  const row =
    firstMoved(given.map(textOf), answered.map(textOf)) ?? firstMoved(given.map(asDouble), answered.map(asDouble));
  if (row === null) return null;
  return {
    type: 'invalid-output',
    detail: `The model answered in another order: row ${row + 1} of the chunk has the ${idColumn} ${shown(textOf(answered[row]))}, and came with ${shown(textOf(given[row]))}; return rows in the order in which they are given.`,
  };
}

/**
 * The first place that has another id; null where all are in their places, or they are not the same
 * ones.
 */
function firstMoved(given: readonly string[], answered: readonly string[]): number | null {
  const at = given.findIndex((id, k) => id !== answered[k]);
  return at === -1 || given.toSorted().join('\n') !== answered.toSorted().join('\n') ? null : at;
}

/**
 * The ids, whole numbers beyond 2^53 among them with every digit; null where there is no such
 * column.
 */
function idsIn({ bytes, contentType }: ChunkTable, idColumn: string): readonly unknown[] | null {
  const table = openColumns({ bytes, format: tableFormatOf(contentType) as TableFormat });
  const column = columnNamed(table.columns, idColumn);
  return column === null ? null : table.read([column])[0]!;
}

/** An id as a quoted text, so that a table of text and one of JSON can be compared. */
const textOf = (id: unknown): string => JSON.stringify(typeof id === 'string' ? id : JSON.stringify(id ?? null));

/**
 * The same, as a model in TypeScript knows it, where numbers are doubles: what it has moved has
 * lost its last digits.
 */
const asDouble = (id: unknown): string => textOf(typeof id === 'string' && LONG.test(id) ? Number(id) : id);

const LONG = /^-?\d{16,}$/;

const SHOWN_MAX = 60;
const shown = (id: string): string => (id.length > SHOWN_MAX ? `${id.slice(0, SHOWN_MAX)}…` : id);
