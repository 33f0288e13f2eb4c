// Columns that the caller spells otherwise than the endpoint does: a table with SMILES is taken
// where smiles is required, so the model is given smiles, which is what it looks for, and the
// caller is answered with SMILES.

import { columnNamed } from '../table/column-names.ts';
import { tableFormatOf } from '../table/format.ts';
import { columnsOrNull, renameColumns } from '../table/rename.ts';

/** What goes to a model, or comes from it. */
interface Content {
  readonly bytes: Uint8Array;
  readonly contentType: string;
}

/**
 * An input under the names that its endpoint declares, and what gives an output back under the
 * caller's.
 */
export interface Declared {
  readonly bytes: Uint8Array;
  readonly giveBack: (output: Content) => Uint8Array;
}

/**
 * The input under the declared names; null where it has them already, or is no table.
 *
 * @param columns those of the table that the input is a part of; null where they are to be found
 *   out
 */
export function asDeclared(
  { bytes, contentType }: Content,
  features: readonly string[],
  columns: readonly string[] | null,
): Declared | null {
  const format = tableFormatOf(contentType);
  if (features.length === 0 || format === null) return null;
  const given = columns ?? columnsOrNull(bytes, format) ?? [];
  const declared = new Map<string, string>();
  for (const feature of features) {
    const column = columnNamed(given, feature);
    if (column !== null && column !== feature) declared.set(column, feature);
  }
  if (declared.size === 0) return null;
  const callers = new Map([...declared].map(([column, feature]) => [feature, column]));
  return {
    bytes: renameColumns(bytes, format, declared),
    giveBack: (output) => renamedBack(output, callers),
  };
}

function renamedBack({ bytes, contentType }: Content, names: ReadonlyMap<string, string>): Uint8Array {
  const format = tableFormatOf(contentType);
  if (format === null || bytes.length === 0) return bytes;
  const answered = new Set(columnsOrNull(bytes, format));
  // A model that answers with both has given one of them another meaning.
  const free = [...names].filter(([feature, column]) => answered.has(feature) && !answered.has(column));
  return free.length === 0 ? bytes : renameColumns(bytes, format, new Map(free));
}
