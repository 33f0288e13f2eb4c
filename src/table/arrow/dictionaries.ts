// The dictionaries of an Arrow table: values that are kept once and named by their number, in
// batches that stand before the rows that name them.

import { shownName, TableError } from '../format.ts';
import { openBatch } from './batch.ts';
import { CellFault, type CellText, type Dictionaries, readColumn } from './cells.ts';
import { columnFault } from './schema.ts';
import { type ArrowMessage, broken, wellFormed } from './stream.ts';
import type { ArrowSchema, ArrowType } from './types.ts';

/**
 * Longest text where nobody says another. All values are in memory at once, and a byte of them may
 * be six characters.
 */
const CHARS_MAX = 1_024 * 1_024 * 1_024;

/** What the values of each dictionary are, and the column that it is first used in. */
type DictionaryTypes = ReadonlyMap<bigint, { readonly type: ArrowType; readonly column: string }>;

/** The dictionaries as they stand where the table was read to. */
export class DictionaryReader {
  readonly #types: DictionaryTypes;
  readonly #charsMax: number;
  readonly #values = new Map<bigint, readonly string[]>();
  #chars = 0;

  /** @param charsMax longest text of all values together, in characters of JSON */
  constructor(schema: ArrowSchema, charsMax = CHARS_MAX) {
    this.#types = dictionaryTypes(schema);
    this.#charsMax = charsMax;
  }

  /** Their values as JSON text; the map changes as they are read. */
  get values(): Dictionaries {
    return this.#values;
  }

  /**
   * Reads a batch, which replaces the values before it or goes on where they end.
   *
   * @throws TableError
   */
  add({ header, body }: ArrowMessage): void {
    const known = wellFormed(
      () => ({ id: header.int64(0), data: header.table(1), extends: header.boolean(2) }),
      'a dictionary cannot be read',
    );
    const used = this.#types.get(known.id);
    // What was damaged may be a batch of rows, which would be lost unsaid.
    if (used === undefined) throw broken('it has a dictionary that none of its columns has');
    if (known.data === null) throw broken('it has a dictionary without values');
    const parts = openBatch(known.data, body);
    // Compressed or not: values that differ have a bit each at least.
    if (parts.length > body.length * 8 + 1) throw broken('it has a dictionary without values');
    const cells = wellFormed(
      () => readColumn(parts, used.type, new Map()),
      `the dictionary of column ${shownName(used.column)} cannot be read`,
    );
    const values = Array.from({ length: parts.length }, (_, at) => this.#value(cells, at, used.column));
    this.#values.set(known.id, known.extends ? [...(this.#values.get(known.id) ?? []), ...values] : values);
  }

  #value(cells: CellText, at: number, column: string): string {
    const value = valueText(cells, at, column);
    this.#chars += value.length;
    if (this.#chars <= this.#charsMax) return value;
    throw columnFault(
      column,
      `has a dictionary with which all of them are longer than ${this.#charsMax} characters of JSON; send several tables`,
    );
  }
}

function valueText(cells: CellText, at: number, column: string): string {
  try {
    return cells(at);
  } catch (error) {
    if (!(error instanceof CellFault)) throw error;
    throw new TableError(`Column ${shownName(column)}: a value of its dictionary ${error.message}`, {
      column,
      cause: error,
    });
  }
}

function dictionaryTypes(schema: ArrowSchema): DictionaryTypes {
  const types = new Map<bigint, { type: ArrowType; column: string }>();
  const visit = (type: ArrowType, column: string): void => {
    if (type.kind === 'dictionary') types.set(type.id, { type: type.values, column });
    if (type.kind === 'list') visit(type.item.type, column);
    if (type.kind === 'struct') for (const field of type.fields) visit(field.type, column);
  };
  for (const { name, type } of schema.fields) visit(type, name);
  return types;
}
