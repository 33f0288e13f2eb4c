// The schema of an Arrow table, read from its message: the types that can be taken, and by name
// those that cannot.

import { shownName, TableError } from '../format.ts';
import { BadFlatbuffer, type FlatTable } from './flatbuffer.ts';
import { type ArrowMessage, broken, wellFormed } from './stream.ts';
import {
  type ArrowField,
  type ArrowSchema,
  type ArrowType,
  type DecimalType,
  type IntType,
  type ListType,
  type Notes,
  TIME_UNITS,
  type TimeUnit,
} from './types.ts';

/** Levels of lists and structs: one less than a JSON row may have, which is a level itself. */
const DEPTH_MAX = 60;
/**
 * A description of a field has 16 bytes and more, so this many bytes cannot describe more fields by
 * honest means.
 */
const BYTES_PER_FIELD = 8;

/**
 * Types by their number in the format (`Type` in Schema.fbs), where they have no honest form in
 * JSON, and what to do about it.
 */
const REFUSED: Readonly<Record<number, string>> = {
  4: 'binary, which JSON has no form for; send it as text, such as base64',
  11: 'an interval, which has no one form in JSON; send text',
  14: 'a union; send a column for each of its types',
  15: 'fixed-size binary, which JSON has no form for; send it as text, such as base64',
  17: 'a map; send a list of structs',
  19: 'large binary, which JSON has no form for; send it as text, such as base64',
  22: 'run-end encoded; send the column plain',
  23: 'binary, which JSON has no form for; send it as text, such as base64',
};

const LIST_LAYOUTS: Readonly<Record<number, ListType['layout']>> = {
  12: 'small',
  16: 'fixed',
  21: 'large',
  25: 'view',
  26: 'large-view',
};

/**
 * Reads a schema.
 *
 * @throws TableError for a column of a type that has no honest form in JSON or two columns of one
 *   name
 */
export function readSchema({ header, headerBytes }: ArrowMessage): ArrowSchema {
  return wellFormed(() => {
    if (header.int16(0) !== 0) throw broken('its numbers are big-endian; write it on a machine that is little-endian');
    const budget = { fields: Math.floor(headerBytes / BYTES_PER_FIELD) };
    const fields = header.tables(1).map((field) => readField(field, { budget, depth: 1, column: null }));
    checkUnique(fields, null);
    return { fields, notes: notesOf(header, 2) };
  }, 'its schema cannot be read');
}

/** Where in a schema a field stands, and how many may still come. */
interface FieldPlace {
  readonly budget: { fields: number };
  readonly depth: number;
  /** The column that it is a part of; null for the column itself. */
  readonly column: string | null;
}

function readField(table: FlatTable, place: FieldPlace): ArrowField {
  place.budget.fields -= 1;
  if (place.budget.fields < 0) throw new BadFlatbuffer('it has the same part in many places');
  const name = table.text(0) ?? '';
  const column = place.column ?? name;
  if (place.depth > DEPTH_MAX)
    throw columnFault(column, `has lists and structs that nest deeper than ${DEPTH_MAX} levels`);
  const children = table
    .tables(5)
    .map((child) => readField(child, { budget: place.budget, depth: place.depth + 1, column }));
  const type = readType(table, children, column);
  const encoded = table.table(4);
  return {
    name,
    type: encoded === null ? type : inDictionary(encoded, type, column),
    nullable: table.boolean(1),
    notes: notesOf(table, 6),
  };
}

function readType(table: FlatTable, children: readonly ArrowField[], column: string): ArrowType {
  const number = table.uint8(2);
  const type = table.table(3);
  const layout = LIST_LAYOUTS[number];
  if (layout !== undefined) return listOf(layout, layout === 'fixed' ? type?.int32(0) : 0, children);
  switch (number) {
    case 1:
      return { kind: 'null' };
    case 2:
      return intOf(type);
    case 3:
      return { kind: 'float', bits: oneOf([16, 32, 64] as const, type?.int16(0)) };
    case 5:
      return { kind: 'text', layout: 'small' };
    case 6:
      return { kind: 'bool' };
    case 7:
      return decimalOf(type);
    case 8:
      return { kind: 'date', unit: oneOf(['day', 'millisecond'] as const, type?.int16(0, 1)) };
    case 9:
      return { kind: 'time', unit: unitOf(type?.int16(0, 1)) };
    case 10:
      return { kind: 'timestamp', unit: unitOf(type?.int16(0)), zone: type?.text(1) || null };
    case 13:
      checkUnique(children, column);
      return { kind: 'struct', fields: children };
    case 18:
      return { kind: 'duration', unit: unitOf(type?.int16(0, 1)) };
    case 20:
      return { kind: 'text', layout: 'large' };
    case 24:
      return { kind: 'text', layout: 'view' };
    default:
      throw columnFault(column, `is ${REFUSED[number] ?? `of a type that is not known here (number ${number})`}`);
  }
}

function listOf(layout: ListType['layout'], size: number | undefined, children: readonly ArrowField[]): ListType {
  const [item, second] = children;
  if (item === undefined || second !== undefined) throw new BadFlatbuffer('it has a list that is not of one type');
  if (size === undefined || size < 0) throw new BadFlatbuffer('it has a list without a size');
  return { kind: 'list', layout, size, item };
}

function intOf(type: FlatTable | null): IntType {
  const bits = [8, 16, 32, 64].indexOf(type?.int32(0) ?? 0);
  return { kind: 'int', bits: oneOf([8, 16, 32, 64] as const, bits), signed: type?.boolean(1) ?? false };
}

function decimalOf(type: FlatTable | null): DecimalType {
  const bits = oneOf([32, 64, 128, 256] as const, [32, 64, 128, 256].indexOf(type?.int32(2, 128) ?? 0));
  const [precision, scale] = [type?.int32(0) ?? 0, type?.int32(1) ?? 0];
  // 76 digits are what 256 bits hold.
  if (precision < 1 || precision > 76 || Math.abs(scale) > 76)
    throw new BadFlatbuffer('it has a decimal of no precision');
  return { kind: 'decimal', bits, precision, scale };
}

function inDictionary(encoded: FlatTable, values: ArrowType, column: string): ArrowType {
  if (values.kind === 'list' || values.kind === 'struct' || values.kind === 'dictionary')
    throw columnFault(column, `has a dictionary of ${values.kind}s; send the column plain`);
  const index = encoded.table(1);
  return {
    kind: 'dictionary',
    id: encoded.int64(0),
    index: index === null ? { kind: 'int', bits: 32, signed: true } : intOf(index),
    ordered: encoded.boolean(2),
    values,
  };
}

const unitOf = (number: number | undefined): TimeUnit => oneOf(TIME_UNITS, number);

function oneOf<Choice>(choices: readonly Choice[], number: number | undefined): Choice {
  const choice = choices[number ?? -1];
  if (choice === undefined) throw new BadFlatbuffer('it has a type of no known width or unit');
  return choice;
}

function notesOf(table: FlatTable, field: number): Notes | null {
  const pairs = table.tables(field).map((pair) => [pair.text(0) ?? '', pair.text(1) ?? ''] as const);
  return pairs.length === 0 ? null : new Map(pairs);
}

/** Rows are objects, and one of two equal names would be lost. */
function checkUnique(fields: readonly ArrowField[], column: string | null): void {
  const seen = new Set<string>();
  for (const { name } of fields) {
    if (seen.has(name) && column !== null)
      throw columnFault(column, `has two members with the name ${shownName(name)}; give each a name of its own`);
    if (seen.has(name))
      throw new TableError(
        `The Arrow table has two columns with the name ${shownName(name)}; give every column a name of its own.`,
        { column: name },
      );
    seen.add(name);
  }
}

/** An error about a column as a whole. */
export function columnFault(column: string, fault: string): TableError {
  return new TableError(`The column ${shownName(column)} ${fault}.`, { column });
}
