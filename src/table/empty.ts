// Tables without rows, with the columns that rows would have had: told by the JSON Schema of a row,
// where a model has one.

import { fieldOf } from './arrow/guess.ts';
import type { Likeness } from './arrow/from-lines.ts';
import type { ArrowType } from './arrow/types.ts';
import type { TableFormat } from './format.ts';
import { encodeRows } from './rows.ts';

const TYPES: Readonly<Record<string, ArrowType>> = {
  string: { kind: 'text', layout: 'small' },
  integer: { kind: 'int', bits: 64, signed: true },
  number: { kind: 'float', bits: 64 },
  boolean: { kind: 'bool' },
};

/**
 * A table without rows as text; in the JSON formats it shows no columns. Null for a schema that
 * names none.
 */
export function emptyTable(row: object | null, format: TableFormat): Uint8Array | null {
  const columns = propertiesOf(row).map(([name]) => name);
  return columns.length === 0 ? null : encodeRows([], format, columns);
}

/** What is known of the table that went in. */
export interface InputColumns {
  /** The types of an Arrow table; null for text. */
  readonly likeness: Likeness | null;
  readonly columns: readonly string[] | null;
}

/**
 * The Arrow types of a table without rows: those of the input where it has the column, else what
 * the schema says; the input's alone for a schema that names no column.
 */
export function emptyLikeness(row: object | null, { likeness: known, columns }: InputColumns): Likeness | null {
  const properties = propertiesOf(row);
  if (properties.length === 0) return known ?? likenessOfNames(columns ?? []);
  const fields = properties.map(
    ([name, schema]) => known?.schema.fields.find((field) => field.name === name) ?? fieldOf(name, typeOf(schema)),
  );
  return { schema: { fields, notes: null }, dictionaries: known?.dictionaries ?? new Map() };
}

/** Columns of which the names are all that is known. */
function likenessOfNames(columns: readonly string[]): Likeness | null {
  if (columns.length === 0) return null;
  return {
    schema: { fields: columns.map((name) => fieldOf(name, TYPES['string']!)), notes: null },
    dictionaries: new Map(),
  };
}

function propertiesOf(row: object | null): [string, unknown][] {
  const { properties } = (row ?? {}) as { readonly properties?: unknown };
  return typeof properties === 'object' && properties !== null ? Object.entries(properties) : [];
}

/** A property that may be null has the type that it has otherwise. */
function typeOf(schema: unknown): ArrowType {
  const { type } = (typeof schema === 'object' && schema !== null ? schema : {}) as { readonly type?: unknown };
  const [only, other] = [type].flat().filter((name) => name !== 'null');
  return (other === undefined && typeof only === 'string' ? TYPES[only] : undefined) ?? { kind: 'null' };
}
