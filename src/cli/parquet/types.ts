// The types of Parquet columns as those of Arrow, and the other way round: what a Parquet file says
// of a column, and its values as JSON text.

import type { SchemaElement, SchemaTree, TimeUnit as ParquetUnit } from 'hyparquet';
import { CellFault } from '../../table/arrow/cells.ts';
import { columnFault } from '../../table/arrow/schema.ts';
import { dateText, timestampText, timeText } from '../../table/arrow/moments.ts';
import { decimalText, fitsInt, float32Text, float64Text, halfOf } from '../../table/arrow/numbers.ts';
import type { ArrowField, ArrowType, TimeUnit, TypeOf } from '../../table/arrow/types.ts';

/**
 * How the values of a column are written as JSON. Values are as the file holds them: numbers,
 * bigints, bytes, lists and objects of them.
 */
type ValueText = (value: unknown) => string;

/** A column that can be read. */
export interface ReadableColumn {
  readonly field: ArrowField;
  readonly text: ValueText;
}

const UNITS: Readonly<Record<ParquetUnit, TimeUnit>> = {
  MILLIS: 'millisecond',
  MICROS: 'microsecond',
  NANOS: 'nanosecond',
};

/**
 * What a column of a file is.
 *
 * @throws TableError for a column that has no honest form in JSON
 */
export function readableColumn(tree: SchemaTree, column = tree.element.name): ReadableColumn {
  const { element, children } = tree;
  const single = children.length > 0 ? nestedColumn(tree, column) : leafColumn(element, column);
  const isRepeated = element.repetition_type === 'REPEATED';
  const { type, text } = isRepeated ? listOf({ name: 'item', type: single.type }, single.text) : single;
  const nullable = element.repetition_type !== 'REQUIRED';
  const field = { name: element.name, type, nullable, notes: null };
  // What is repeated without being optional is never missing: it is empty.
  const missing = isRepeated ? '[]' : 'null';
  return { field, text: (value) => (value === null || value === undefined ? missing : text(value)) };
}

interface Readable {
  readonly type: ArrowType;
  readonly text: ValueText;
}

function nestedColumn({ element, children }: SchemaTree, column: string): Readable {
  const kind = element.converted_type ?? element.logical_type?.type;
  if (kind === 'LIST') {
    const repeated = children[0]!;
    // Three levels as the format wants them, or two as older programs wrote them.
    const item = readableColumn(repeated.children.length === 1 ? repeated.children[0]! : required(repeated), column);
    return listOf(item.field, item.text);
  }
  if (kind !== undefined)
    throw columnFault(column, `is ${kind}, which has no honest form in JSON; send a list of structs`);
  const members = children.map((child) => readableColumn(child, column));
  return {
    type: { kind: 'struct', fields: members.map(({ field }) => field) },
    text: (value) => {
      const given = value as Readonly<Record<string, unknown>>;
      const texts = members.map(({ field, text }) => `${JSON.stringify(field.name)}:${text(given[field.name])}`);
      return `{${texts.join(',')}}`;
    },
  };
}

const required = (tree: SchemaTree): SchemaTree => ({
  ...tree,
  element: { ...tree.element, repetition_type: 'REQUIRED' },
});

function listOf(item: Pick<ArrowField, 'name' | 'type'>, text: ValueText): Readable {
  const field = { name: 'item', type: item.type, nullable: true, notes: null };
  return {
    type: { kind: 'list', layout: 'small', size: 0, item: field },
    text: (value) =>
      `[${Array.from(value as ArrayLike<unknown>, (element) => (element === null || element === undefined ? 'null' : text(element))).join(',')}]`,
  };
}

function leafColumn(element: SchemaElement, column: string): Readable {
  const { converted_type: converted, logical_type: logical, type } = element;
  if (converted === 'DECIMAL' || logical?.type === 'DECIMAL') return decimalColumn(element);
  if (logical?.type === 'NULL') return { type: { kind: 'null' }, text: () => 'null' };
  if (converted === 'DATE' || logical?.type === 'DATE')
    return { type: { kind: 'date', unit: 'day' }, text: (value) => `"${dateText(BigInt(value as number))}"` };
  const time = timeOf(element);
  if (time !== null) return { type: time, text: momentText(time) };
  if (type === undefined || type === 'BYTE_ARRAY' || type === 'FIXED_LEN_BYTE_ARRAY')
    return bytesColumn(element, column);
  switch (type) {
    case 'BOOLEAN':
      return { type: { kind: 'bool' }, text: String };
    case 'INT32':
    case 'INT64':
      return intColumn(element);
    case 'INT96': {
      const moment = { kind: 'timestamp', unit: 'nanosecond', zone: null } as const;
      const text = momentText(moment);
      return { type: moment, text: (value) => text(inNanoseconds(value as bigint)) };
    }
    case 'FLOAT':
      return { type: { kind: 'float', bits: 32 }, text: (value) => float32Text(finite(value as number)) };
    case 'DOUBLE':
      return { type: { kind: 'float', bits: 64 }, text: (value) => float64Text(finite(value as number)) };
  }
}

function finite(value: number): number {
  if (Number.isFinite(value)) return value;
  throw new CellFault(`is ${value}, which would hide an error; send null where a value is missing.`);
}

function intColumn({ type, converted_type: converted, logical_type: logical }: SchemaElement): Readable {
  const said = /^(U?)INT_(\d+)$/.exec(converted ?? '');
  const [bits, signed] =
    logical?.type === 'INTEGER'
      ? [logical.bitWidth, logical.isSigned]
      : said !== null
        ? [Number(said[2]), said[1] === '']
        : [type === 'INT64' ? 64 : 32, true];
  const width = bits as 8 | 16 | 32 | 64;
  return {
    type: { kind: 'int', bits: width, signed },
    text: (value) => {
      const integer = BigInt(value as number | bigint);
      return String(signed ? BigInt.asIntN(width, integer) : BigInt.asUintN(width, integer));
    },
  };
}

type Moment = TypeOf<'time' | 'timestamp'>;

function timeOf({ type, converted_type: converted, logical_type: logical }: SchemaElement): Moment | null {
  if (logical?.type === 'TIME') return { kind: 'time', unit: UNITS[logical.unit] };
  if (logical?.type === 'TIMESTAMP')
    return { kind: 'timestamp', unit: UNITS[logical.unit], zone: logical.isAdjustedToUTC ? 'UTC' : null };
  const unit = converted?.endsWith('MICROS') === true ? 'microsecond' : 'millisecond';
  if (converted === 'TIME_MILLIS' || converted === 'TIME_MICROS') return { kind: 'time', unit };
  if (type === 'INT64' && converted?.startsWith('TIMESTAMP_') === true) return { kind: 'timestamp', unit, zone: 'UTC' };
  return null;
}

function momentText(type: Moment): ValueText {
  if (type.kind === 'timestamp') return (value) => `"${timestampText(value as bigint, type.unit, type.zone !== null)}"`;
  return (value) => {
    const text = timeText(BigInt(value as number | bigint), type.unit);
    if (text === null) throw new CellFault('is a time of day that no day has.');
    return `"${text}"`;
  };
}

/** INT96 has room for more days than nanoseconds in 64 bits have, in which all others count. */
function inNanoseconds(moment: bigint): bigint {
  if (fitsInt(moment, 64, true)) return moment;
  throw new CellFault(
    'is a timestamp before 1677 or after 2262 in the old form INT96, which nanoseconds do not reach; write the column in microseconds (pandas: df.to_parquet(path, coerce_timestamps="us"); Spark: spark.sql.parquet.outputTimestampType=TIMESTAMP_MICROS).',
  );
}

function decimalColumn({ precision, scale, logical_type: logical }: SchemaElement): Readable {
  const [digits, places] =
    logical?.type === 'DECIMAL' ? [logical.precision, logical.scale] : [precision ?? 38, scale ?? 0];
  return {
    type: { kind: 'decimal', bits: digits > 38 ? 256 : 128, precision: digits, scale: places },
    text: (value) =>
      decimalText(value instanceof Uint8Array ? bigEndian(value) : BigInt(value as number | bigint), places),
  };
}

function bigEndian(bytes: Uint8Array): bigint {
  let units = 0n;
  for (const byte of bytes) units = (units << 8n) | BigInt(byte);
  return BigInt.asIntN(bytes.length * 8, units);
}

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
const TEXTS = ['UTF8', 'ENUM', 'JSON', 'STRING'];

function bytesColumn(
  { type, type_length: length, converted_type: converted, logical_type: logical }: SchemaElement,
  column: string,
): Readable {
  const said = logical?.type ?? converted ?? '';
  if (type === 'BYTE_ARRAY' && (TEXTS.includes(said) || TEXTS.includes(converted ?? '')))
    return { type: { kind: 'text', layout: 'small' }, text: utf8Text };
  if (said === 'FLOAT16' && length === 2)
    return {
      type: { kind: 'float', bits: 16 },
      text: (value) => {
        const [low, high] = value as Uint8Array;
        return float64Text(finite(halfOf(low! | (high! << 8))));
      },
    };
  if (said === 'UUID' && length === 16) return { type: { kind: 'text', layout: 'small' }, text: uuidText };
  const python = `df[${JSON.stringify(column)}]`;
  if (said === '' && type === 'BYTE_ARRAY')
    throw columnFault(
      column,
      `is binary: bytes that the file does not mark as text. If they are text, write them as such (pandas: ${python} = ${python}.str.decode("utf-8")), else as base64`,
    );
  const what = said === '' ? 'binary' : said;
  throw columnFault(
    column,
    `is ${what}, which JSON has no form for; write it as text, such as base64 (pandas: ${python} = ${python}.map(lambda value: base64.b64encode(value).decode()))`,
  );
}

function utf8Text(value: unknown): string {
  try {
    return JSON.stringify(decoder.decode(value as Uint8Array));
  } catch (cause) {
    throw new CellFault('is text that is not UTF-8; write it as UTF-8.', { cause });
  }
}

function uuidText(value: unknown): string {
  const hex = Array.from(value as Uint8Array, (byte) => byte.toString(16).padStart(2, '0')).join('');
  return `"${hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-')}"`;
}
