// Columns as Parquet files have them: the elements of a schema, and the values that go into a
// column.

import type { SchemaElement, TimeUnit as ParquetUnit } from 'hyparquet';
import { columnFault } from '../../table/arrow/schema.ts';
import { decimalUnits, integerOf } from '../../table/arrow/numbers.ts';
import { dateDays, timeCount, timestampCount } from '../../table/arrow/moments.ts';
import type { ArrowField, ArrowType, TimeUnit } from '../../table/arrow/types.ts';
import { TableError } from '../../table/format.ts';
import { type Digits, type Value } from '../../table/arrow/values.ts';

/** Parquet counts in milliseconds at the coarsest. */
const UNITS: Readonly<Record<TimeUnit, ParquetUnit>> = {
  second: 'MILLIS',
  millisecond: 'MILLIS',
  microsecond: 'MICROS',
  nanosecond: 'NANOS',
};

const unitOf = (unit: TimeUnit): TimeUnit => (unit === 'second' ? 'millisecond' : unit);

/**
 * The elements of a column, its own first.
 *
 * @throws TableError for a decimal without a whole part, which the format does not have
 */
export function elementsOf({ name, type }: ArrowField, column = name): SchemaElement[] {
  const base = { name, repetition_type: 'OPTIONAL' } as const;
  if (type.kind === 'list')
    return [
      { ...base, converted_type: 'LIST', logical_type: { type: 'LIST' }, num_children: 1 },
      { name: 'list', repetition_type: 'REPEATED', num_children: 1 },
      ...elementsOf({ ...type.item, name: 'element' }, column),
    ];
  if (type.kind === 'dictionary') return elementsOf({ name, type: type.values, nullable: true, notes: null }, column);
  if (type.kind !== 'struct') return [{ ...base, ...leafOf(type, column) }];
  if (type.fields.length === 0) throw columnFault(column, 'has objects without members, which Parquet cannot hold');
  return [{ ...base, num_children: type.fields.length }, ...type.fields.flatMap((field) => elementsOf(field, column))];
}

type Leaf = Exclude<ArrowType, { kind: 'list' | 'struct' | 'dictionary' }>;

function leafOf(type: Leaf, column: string): Omit<SchemaElement, 'name'> {
  switch (type.kind) {
    case 'null':
      return { type: 'INT32', logical_type: { type: 'NULL' } };
    case 'bool':
      return { type: 'BOOLEAN' };
    case 'int':
      return {
        type: type.bits === 64 ? 'INT64' : 'INT32',
        // And no logical type beside it: hyparquet-writer 0.17 writes that in a form that Polars
        // refuses the file for.
        converted_type: `${type.signed ? 'INT' : 'UINT'}_${type.bits}`,
      };
    case 'float':
      if (type.bits === 16) return { type: 'FIXED_LEN_BYTE_ARRAY', type_length: 2, logical_type: { type: 'FLOAT16' } };
      return { type: type.bits === 32 ? 'FLOAT' : 'DOUBLE' };
    case 'text':
      return { type: 'BYTE_ARRAY', converted_type: 'UTF8', logical_type: { type: 'STRING' } };
    case 'date':
      return { type: 'INT32', converted_type: 'DATE', logical_type: { type: 'DATE' } };
    case 'time': {
      const unit = UNITS[type.unit];
      return {
        type: unit === 'MILLIS' ? 'INT32' : 'INT64',
        logical_type: { type: 'TIME', isAdjustedToUTC: false, unit },
      };
    }
    case 'timestamp':
      return {
        type: 'INT64',
        logical_type: { type: 'TIMESTAMP', isAdjustedToUTC: type.zone !== null, unit: UNITS[type.unit] },
      };
    case 'duration':
      return { type: 'INT64', converted_type: 'INT_64' };
    case 'decimal': {
      const { precision, scale } = type;
      if (scale < 0 || scale > precision) throw columnFault(column, 'has decimals whose scale Parquet does not have');
      return {
        type: 'FIXED_LEN_BYTE_ARRAY',
        type_length: precision > 38 ? 32 : 16,
        converted_type: 'DECIMAL',
        logical_type: { type: 'DECIMAL', precision, scale },
        precision,
        scale,
      };
    }
  }
}

/** What makes a value of an Arrow table one for the file; it is known to be of the type. */
export function valueReader(type: ArrowType): (value: Value) => unknown {
  const read = presentReader(type);
  return (value) => (value === null ? null : read(value));
}

function presentReader(type: ArrowType): (value: Exclude<Value, null>) => unknown {
  switch (type.kind) {
    case 'null':
    case 'bool':
    case 'text':
      return (value) => value;
    case 'int':
      return (value) => integerIn(value, type.bits);
    case 'duration':
      return (value) => integerIn(value, 64);
    case 'float':
      return (value) => Number((value as Digits).text);
    case 'decimal':
      return (value) => decimalUnits((value as Digits).text, type.scale);
    case 'date':
      return (value) => daysOf(value as string);
    case 'time':
      return (value) => {
        const count = timeCount(value as string, unitOf(type.unit))!;
        return UNITS[type.unit] === 'MILLIS' ? Number(count) : count;
      };
    case 'timestamp':
      return (value) => timestampCount(value as string, unitOf(type.unit), type.zone !== null);
    case 'list': {
      const item = valueReader(type.item.type);
      return (value) => (value as readonly Value[]).map(item);
    }
    case 'struct': {
      const members = type.fields.map(({ name, type: member }) => [name, valueReader(member)] as const);
      return (value) =>
        Object.fromEntries(
          members.map(([name, member]) => [name, member((value as ReadonlyMap<string, Value>).get(name) ?? null)]),
        );
    }
    case 'dictionary':
      return presentReader(type.values);
  }
}

function daysOf(text: string): number {
  const days = dateDays(text);
  if (days !== null) return Number(days);
  throw new TableError(
    'The table has a date with a time of day, which dates in Parquet do not have; make it a timestamp.',
  );
}

function integerIn(value: Value, bits: 8 | 16 | 32 | 64): number | bigint {
  const integer = integerOf((value as Digits).text)!;
  return bits === 64 ? integer : Number(integer);
}
