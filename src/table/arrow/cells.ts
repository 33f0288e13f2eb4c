// The values of a column of a batch as JSON text. Everything that is read was checked to lie inside
// of the batch.

import { TableError, shownName } from '../format.ts';
import type { BatchNode, BatchPieces } from './batch.ts';
import { BadFlatbuffer } from './flatbuffer.ts';
import { dateText, timestampText, timeText } from './moments.ts';
import { decimalText, float32Text, float64Text, halfOf } from './numbers.ts';
import {
  type ArrowType,
  type DecimalType,
  type DictionaryType,
  type IntType,
  type ListType,
  numberBits,
  type TextType,
  type TypeOf,
} from './types.ts';

/** Reads the value at a place of a batch as JSON text. Throws a CellFault for one that has none. */
export type CellText = (at: number) => string;

/**
 * Dictionaries by their id, as they stand at this place of the stream: their values as JSON text.
 */
export type Dictionaries = ReadonlyMap<bigint, readonly string[]>;

/** A value that has no JSON text; the caller that knows its row and its column says where it is. */
export class CellFault extends Error {
  override readonly name = 'CellFault';

  /** The error for who sent the table; rows count from 0 here. */
  at(row: number, column: string): TableError {
    return new TableError(`Row ${row + 1}, column ${shownName(column)}: the value ${this.message}`, {
      row: row + 1,
      column,
      cause: this,
    });
  }
}

/**
 * Longest text of one row, in characters: lists may point into each other, and few bytes could
 * stand for more than memory holds.
 */
const ROW_CHARS_MAX = 128 * 1_024 * 1_024;

/** A text with another after it. Throws a CellFault where a row would become too long. */
export function extended(text: string, more: string): string {
  if (text.length + more.length <= ROW_CHARS_MAX) return text + more;
  throw tooLong();
}

const tooLong = (cause?: unknown): CellFault =>
  new CellFault('makes the row longer than 128 MiB as JSON; send shorter ones.', { cause });

/** How the values of a batch's next column are read, of which it has one for each row. */
export function readColumn(parts: BatchPieces, type: ArrowType, dictionaries: Dictionaries): CellText {
  parts.beginColumn();
  return readCells(parts, type, parts.length, dictionaries);
}

/**
 * How the values of a column, or of the next part of one, are read. `lengthMin` is how many there
 * must be.
 */
function readCells(parts: BatchPieces, type: ArrowType, lengthMin: number, dictionaries: Dictionaries): CellText {
  const node = parts.node(lengthMin);
  if (type.kind === 'null') return () => 'null';
  const valid = parts.validity(node);
  const text = readValues(parts, type, node, dictionaries);
  return valid === null ? text : (at) => (isSet(valid, at) ? text(at) : 'null');
}

const isSet = (bits: Uint8Array, at: number): boolean => ((bits[at >> 3]! >> (at & 7)) & 1) === 1;

function readValues(
  parts: BatchPieces,
  type: Exclude<ArrowType, { kind: 'null' }>,
  node: BatchNode,
  dictionaries: Dictionaries,
): CellText {
  switch (type.kind) {
    case 'bool':
      return boolCells(parts, node);
    case 'int': {
      const values = intValues(parts, type, node.length);
      return (at) => String(values[at]);
    }
    case 'float':
      return floatCells(parts, type.bits, node);
    case 'decimal':
      return decimalCells(parts, type, node);
    case 'text':
      return type.layout === 'view' ? viewCells(parts, node) : textCells(parts, type, node);
    case 'date':
    case 'time':
    case 'timestamp':
    case 'duration':
      return momentCells(parts, type, node);
    case 'list':
      return listCells(parts, type, node, dictionaries);
    case 'struct':
      return structCells(parts, type, node, dictionaries);
    case 'dictionary':
      return dictionaryCells(parts, type, node, dictionaries);
  }
}

function boolCells(parts: BatchPieces, { length }: BatchNode): CellText {
  const bits = parts.numbers(Uint8Array, Math.ceil(length / 8));
  return (at) => (isSet(bits, at) ? 'true' : 'false');
}

function intValues(parts: BatchPieces, { bits, signed }: IntType, count: number) {
  switch (bits) {
    case 8:
      return parts.numbers<Int8Array | Uint8Array>(signed ? Int8Array : Uint8Array, count);
    case 16:
      return parts.numbers<Int16Array | Uint16Array>(signed ? Int16Array : Uint16Array, count);
    case 32:
      return parts.numbers<Int32Array | Uint32Array>(signed ? Int32Array : Uint32Array, count);
    case 64:
      return parts.numbers<BigInt64Array | BigUint64Array>(signed ? BigInt64Array : BigUint64Array, count);
  }
}

function floatCells(parts: BatchPieces, bits: 16 | 32 | 64, { length }: BatchNode): CellText {
  if (bits === 16) {
    const halves = parts.numbers(Uint16Array, length);
    return (at) => float64Text(finite(halfOf(halves[at]!)));
  }
  if (bits === 32) {
    const values = parts.numbers(Float32Array, length);
    return (at) => float32Text(finite(values[at]!));
  }
  const values = parts.numbers(Float64Array, length);
  return (at) => float64Text(finite(values[at]!));
}

function finite(value: number): number {
  if (Number.isFinite(value)) return value;
  throw new CellFault(`is ${value}, which would hide an error; send null where a value is missing.`);
}

function decimalCells(parts: BatchPieces, { bits, precision, scale }: DecimalType, { length }: BatchNode): CellText {
  const limit = 10n ** BigInt(precision);
  const text = (units: bigint): string => {
    if (units < limit && -units < limit) return decimalText(units, scale);
    // No type would hold it on the way back.
    throw new CellFault(
      `has more than the ${precision} digits of its column; write the column with a precision that holds it.`,
    );
  };
  if (bits === 32) {
    const values = parts.numbers(Int32Array, length);
    return (at) => text(BigInt(values[at]!));
  }
  const words = parts.numbers(BigUint64Array, (length * bits) / 64);
  const perValue = bits / 64;
  return (at) => {
    let units = 0n;
    for (let word = perValue - 1; word >= 0; word -= 1) units = (units << 64n) | words[at * perValue + word]!;
    return text(BigInt.asIntN(bits, units));
  };
}

function momentCells(
  parts: BatchPieces,
  type: TypeOf<'date' | 'time' | 'timestamp' | 'duration'>,
  { length }: BatchNode,
): CellText {
  const values = parts.numbers<Int32Array | BigInt64Array>(
    numberBits(type) === 32 ? Int32Array : BigInt64Array,
    length,
  );
  switch (type.kind) {
    case 'date':
      return type.unit === 'day'
        ? (at) => `"${dateText(BigInt(values[at]!))}"`
        : (at) => `"${dayText(BigInt(values[at]!))}"`;
    case 'time':
      return (at) => {
        const text = timeText(BigInt(values[at]!), type.unit);
        if (text === null) throw new CellFault('is a time of day that no day has; send one from 00:00:00 to 23:59:59.');
        return `"${text}"`;
      };
    case 'timestamp':
      return (at) => `"${timestampText(BigInt(values[at]!), type.unit, type.zone !== null)}"`;
    case 'duration':
      return (at) => String(values[at]);
  }
}

const DAY_MILLISECONDS = 86_400_000n;

/** Dates in milliseconds are whole days, but nothing keeps a program from writing others. */
function dayText(milliseconds: bigint): string {
  return milliseconds % DAY_MILLISECONDS === 0n
    ? dateText(milliseconds / DAY_MILLISECONDS)
    : timestampText(milliseconds, 'millisecond', false);
}

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

function quoted(bytes: Uint8Array): string {
  if (bytes.length > ROW_CHARS_MAX) throw tooLong();
  try {
    return JSON.stringify(decoder.decode(bytes));
  } catch (cause) {
    // What must be escaped is six times as long as JSON, and may be longer than any text can be.
    if (cause instanceof RangeError) throw tooLong(cause);
    if (!(cause instanceof TypeError)) throw cause;
    throw new CellFault('is text that is not UTF-8; write it as UTF-8.', { cause });
  }
}

function textCells(parts: BatchPieces, { layout }: TextType, { length }: BatchNode): CellText {
  const ends = offsetsOf(parts, layout === 'large', length);
  const bytes = parts.bytes();
  checkOffsets(ends, length, bytes.length);
  return (at) => quoted(bytes.subarray(Number(ends[at]), Number(ends[at + 1])));
}

const VIEW_BYTES = 16;
/** Texts up to this length stand in their view. */
const INLINE_BYTES_MAX = 12;

function viewCells(parts: BatchPieces, { length }: BatchNode): CellText {
  const views = parts.numbers(Uint8Array, length * VIEW_BYTES);
  const buffers = parts.viewed();
  const view = new DataView(views.buffer, views.byteOffset, views.byteLength);
  return (at) => {
    const start = at * VIEW_BYTES;
    const size = view.getInt32(start, true);
    if (size >= 0 && size <= INLINE_BYTES_MAX) return quoted(views.subarray(start + 4, start + 4 + size));
    const buffer = buffers[view.getInt32(start + 8, true)];
    const offset = view.getInt32(start + 12, true);
    if (buffer === undefined || size < 0 || offset < 0 || offset + size > buffer.length)
      throw new CellFault('lies outside of the table; the stream is damaged.');
    return quoted(buffer.subarray(offset, offset + size));
  };
}

type Offsets = Int32Array | BigInt64Array;

function offsetsOf(parts: BatchPieces, large: boolean, length: number): Offsets {
  // Without values some programs write no offsets either.
  const count = length === 0 ? 0 : length + 1;
  return parts.numbers<Offsets>(large ? BigInt64Array : Int32Array, count);
}

/** Each value starts where the one before ends, and the last one ends before its bytes do. */
function checkOffsets(offsets: Offsets, length: number, end: number): void {
  if (length === 0) return;
  let before: number | bigint = 0;
  for (const offset of offsets) {
    if (offset < before) throw new BadFlatbuffer('its values end before they start');
    before = offset;
  }
  if (before > end) throw new BadFlatbuffer('its values end after its last byte');
}

function listCells(parts: BatchPieces, type: ListType, { length }: BatchNode, dictionaries: Dictionaries): CellText {
  const { layout, size, item } = type;
  if (layout === 'fixed') {
    const cells = readCells(parts, item.type, length * size, dictionaries);
    return (at) => arrayText(cells, at * size, at * size + size);
  }
  const large = layout === 'large' || layout === 'large-view';
  if (layout === 'small' || layout === 'large') {
    const ends = offsetsOf(parts, large, length);
    checkOffsets(ends, length, Number.MAX_SAFE_INTEGER);
    const cells = readCells(parts, item.type, Number(ends.at(-1) ?? 0), dictionaries);
    return (at) => arrayText(cells, Number(ends[at]), Number(ends[at + 1]));
  }
  const starts = parts.numbers<Offsets>(large ? BigInt64Array : Int32Array, length);
  const sizes = parts.numbers<Offsets>(large ? BigInt64Array : Int32Array, length);
  const cells = readCells(parts, item.type, lastOfViews(starts, sizes), dictionaries);
  return (at) => arrayText(cells, Number(starts[at]), Number(starts[at]) + Number(sizes[at]));
}

/** How many elements the lists of views reach into. */
function lastOfViews(starts: Offsets, sizes: Offsets): number {
  let last = 0;
  for (const [at, start] of starts.entries()) {
    const [first, size] = [Number(start), Number(sizes[at])];
    if (first < 0 || size < 0) throw new BadFlatbuffer('its values end before they start');
    last = Math.max(last, first + size);
  }
  return last;
}

function arrayText(cells: CellText, from: number, to: number): string {
  let text = '[';
  for (let at = from; at < to; at += 1) text = extended(text, at === from ? cells(at) : `,${cells(at)}`);
  return `${text}]`;
}

function structCells(
  parts: BatchPieces,
  { fields }: TypeOf<'struct'>,
  { length }: BatchNode,
  dictionaries: Dictionaries,
): CellText {
  const members = fields.map(({ name, type }, k) => ({
    label: `${k === 0 ? '' : ','}${JSON.stringify(name)}:`,
    cells: readCells(parts, type, length, dictionaries),
  }));
  return (at) => {
    let text = '{';
    for (const { label, cells } of members) text = extended(text, label + cells(at));
    return `${text}}`;
  };
}

function dictionaryCells(
  parts: BatchPieces,
  { id, index }: DictionaryType,
  { length }: BatchNode,
  dictionaries: Dictionaries,
): CellText {
  const keys = intValues(parts, index, length);
  const values = dictionaries.get(id) ?? [];
  return (at) => {
    const text = values[Number(keys[at])];
    if (text === undefined) throw new CellFault('is not in the dictionary of its column; the stream is damaged.');
    return text;
  };
}
