// Columns from values: buffers as the format wants them. A value that a type does not hold exactly
// is refused, and never rounded.

import { finishBytes, openWriter, writeAll, writeText } from '../bytes.ts';
import { dateDays, timeCount, timestampCount } from './moments.ts';
import { decimalUnits, fitsInt, halfBits, integerOf, isDouble } from './numbers.ts';
import type { NumberArray } from './batch.ts';
import {
  type ArrowType,
  type DecimalType,
  type DictionaryType,
  type ListType,
  numberBits,
  type TextType,
  type TypeOf,
} from './types.ts';
import { Digits, type Value, valueOf } from './values.ts';

/** The buffers of a column; which of them there are is a matter of its type. */
export interface BuiltColumn {
  readonly length: number;
  readonly nullCount: number;
  readonly validity: Uint8Array;
  readonly values?: NumberArray;
  readonly offsets?: NumberArray;
  readonly sizes?: NumberArray;
  /** The buffers that views point into. */
  readonly data?: readonly Uint8Array[];
  readonly children?: readonly BuiltColumn[];
  /** The values that a dictionary column names. */
  readonly dictionary?: BuiltColumn;
}

/** Values of dictionaries by the id in their type, as JSON text. */
export type KnownDictionaries = ReadonlyMap<bigint, readonly string[]>;

/** Collects the values of one column. */
export abstract class Builder {
  length = 0;
  readonly #valid = new Bits();
  #nulls = 0;

  /** Appends a value; false where the type does not hold it exactly, and the builder is spent. */
  add(value: Value): boolean {
    if (value === null) {
      this.putNull();
      this.#nulls += 1;
    } else {
      if (!this.put(value)) return false;
      this.#valid.set(this.length);
    }
    this.length += 1;
    return true;
  }

  /** Fills up with nulls to so many values. */
  fill(length: number): void {
    while (this.length < length) this.add(null);
  }

  /** The buffers of everything that was added. */
  finish(): BuiltColumn {
    const validity = this.#nulls === 0 ? new Uint8Array(0) : this.#valid.finish(this.length);
    return { length: this.length, nullCount: this.#nulls, validity, ...this.buffers() };
  }

  protected abstract put(value: Exclude<Value, null>): boolean;
  protected abstract putNull(): void;
  protected abstract buffers(): Partial<BuiltColumn>;
}

/** A builder for a type. */
export function builderOf(type: ArrowType, dictionaries: KnownDictionaries): Builder {
  switch (type.kind) {
    case 'null':
      return new NullBuilder();
    case 'bool':
      return new BoolBuilder();
    case 'text':
      return type.layout === 'view' ? new ViewBuilder() : new TextBuilder(type);
    case 'list':
      return new ListBuilder(type, builderOf(type.item.type, dictionaries));
    case 'struct':
      return new StructBuilder(type, dictionaries);
    case 'decimal':
      return new DecimalBuilder(type);
    case 'dictionary':
      return new DictionaryBuilder(type, dictionaries);
    case 'int':
    case 'float':
    case 'date':
    case 'time':
    case 'timestamp':
    case 'duration':
      return new NumberBuilder(type);
  }
}

/** Bits that grow. */
class Bits {
  #bytes = new Uint8Array(8);

  set(at: number): void {
    const byte = at >> 3;
    if (byte >= this.#bytes.length) this.#bytes = grown(this.#bytes, byte + 1);
    this.#bytes[byte]! |= 1 << (at & 7);
  }

  finish(length: number): Uint8Array {
    const size = Math.ceil(length / 8);
    return size <= this.#bytes.length ? this.#bytes.slice(0, size) : grown(this.#bytes, size).slice(0, size);
  }
}

function grown(bytes: Uint8Array<ArrayBuffer>, sizeMin: number): Uint8Array<ArrayBuffer> {
  const larger = new Uint8Array(Math.max(bytes.length * 2, sizeMin));
  larger.set(bytes);
  return larger;
}

/** Numbers that grow in number. Each array takes numbers or bigints as its elements are. */
class Numbers {
  #array: NumberArray;
  #length = 0;

  constructor(array: NumberArray) {
    this.#array = array;
  }

  push(value: number | bigint): void {
    if (this.#length === this.#array.length) {
      const larger = new (this.#array.constructor as new (length: number) => NumberArray)(this.#length * 2);
      (larger as Float64Array).set(this.#array as Float64Array);
      this.#array = larger;
    }
    (this.#array as { [at: number]: number | bigint })[this.#length] = value;
    this.#length += 1;
  }

  finish(): NumberArray {
    return this.#array.slice(0, this.#length);
  }
}

const CAPACITY = 8;

class NullBuilder extends Builder {
  protected put = (): boolean => false;
  protected putNull = (): void => {};
  protected buffers = (): Partial<BuiltColumn> => ({});
}

class BoolBuilder extends Builder {
  readonly #bits = new Bits();

  protected put(value: Value): boolean {
    if (typeof value !== 'boolean') return false;
    if (value) this.#bits.set(this.length);
    return true;
  }

  protected putNull = (): void => {};
  protected buffers = (): Partial<BuiltColumn> => ({ values: this.#bits.finish(this.length) });
}

type NumberType = TypeOf<'int' | 'float' | 'date' | 'time' | 'timestamp' | 'duration'>;

class NumberBuilder extends Builder {
  readonly #values: Numbers;
  readonly #numberOf: (value: Value) => number | bigint | null;
  readonly #zero: number | bigint;

  constructor(type: NumberType) {
    super();
    const array = arrayOf(type);
    this.#zero = array[0]!;
    this.#values = new Numbers(array);
    this.#numberOf = numberReader(type);
  }

  protected put(value: Value): boolean {
    const number = this.#numberOf(value);
    if (number === null) return false;
    this.#values.push(number);
    return true;
  }

  protected putNull = (): void => this.#values.push(this.#zero);
  protected buffers = (): Partial<BuiltColumn> => ({ values: this.#values.finish() });
}

function arrayOf(type: NumberType): NumberArray {
  if (type.kind === 'int') {
    const makers = type.signed
      ? { 8: Int8Array, 16: Int16Array, 32: Int32Array, 64: BigInt64Array }
      : { 8: Uint8Array, 16: Uint16Array, 32: Uint32Array, 64: BigUint64Array };
    return new makers[type.bits](CAPACITY);
  }
  if (type.kind === 'float') return new { 16: Uint16Array, 32: Float32Array, 64: Float64Array }[type.bits](CAPACITY);
  return numberBits(type) === 32 ? new Int32Array(CAPACITY) : new BigInt64Array(CAPACITY);
}

/**
 * What turns a value into the number that stands for it; null where the type has none that is
 * exactly it.
 */
function numberReader(type: NumberType): (value: Value) => number | bigint | null {
  switch (type.kind) {
    case 'int':
      return (value) => intOf(value, type.bits, type.signed);
    case 'float':
      return (value) => (value instanceof Digits ? floatOf(value.text, type.bits) : null);
    case 'duration':
      return (value) => intOf(value, 64, true);
    case 'date':
      return (value) => (typeof value === 'string' ? dateOf(value, type.unit) : null);
    case 'time':
      return (value) => narrowed(typeof value === 'string' ? timeCount(value, type.unit) : null, numberBits(type));
    case 'timestamp':
      return (value) =>
        narrowed(typeof value === 'string' ? timestampCount(value, type.unit, type.zone !== null) : null, 64);
  }
}

function intOf(value: Value, bits: 8 | 16 | 32 | 64, signed: boolean): number | bigint | null {
  const integer = value instanceof Digits ? integerOf(value.text) : null;
  if (integer === null || !fitsInt(integer, bits, signed)) return null;
  return bits === 64 ? integer : Number(integer);
}

function floatOf(text: string, bits: 16 | 32 | 64): number | null {
  const value = Number(text);
  if (!Number.isFinite(value) || !isDouble(text, value)) return null;
  if (bits === 64) return value;
  if (bits === 16) return halfBits(value);
  const single = Math.fround(value);
  // The digits that a float32 is written with are fewer than those of the double that it is.
  return single === value || Number(single.toPrecision(9)) === value || hasShortDigits(single, value) ? single : null;
}

function hasShortDigits(single: number, value: number): boolean {
  return [6, 7, 8].some((digits) => Number(single.toPrecision(digits)) === value);
}

const DAY_MILLISECONDS = 86_400_000n;

function dateOf(text: string, unit: 'day' | 'millisecond'): number | bigint | null {
  const days = dateDays(text);
  if (unit === 'day') return narrowed(days, 32);
  return narrowed(days === null ? timestampCount(text, 'millisecond', false) : days * DAY_MILLISECONDS, 64);
}

function narrowed(count: bigint | null, bits: 32 | 64): number | bigint | null {
  if (count === null || !fitsInt(count, bits, true)) return null;
  return bits === 32 ? Number(count) : count;
}

class DecimalBuilder extends Builder {
  readonly #type: DecimalType;
  readonly #words: Numbers;
  readonly #limit: bigint;

  constructor(type: DecimalType) {
    super();
    this.#type = type;
    this.#words = new Numbers(type.bits === 32 ? new Int32Array(CAPACITY) : new BigUint64Array(CAPACITY));
    this.#limit = 10n ** BigInt(type.precision);
  }

  protected put(value: Value): boolean {
    const units = value instanceof Digits ? decimalUnits(value.text, this.#type.scale) : null;
    if (units === null || units >= this.#limit || -units >= this.#limit) return false;
    this.#push(units);
    return true;
  }

  protected putNull = (): void => this.#push(0n);
  protected buffers = (): Partial<BuiltColumn> => ({ values: this.#words.finish() });

  #push(units: bigint): void {
    const { bits } = this.#type;
    if (bits === 32) this.#words.push(Number(units));
    else for (let at = 0; at < bits; at += 64) this.#words.push(BigInt.asUintN(64, units >> BigInt(at)));
  }
}

class TextBuilder extends Builder {
  readonly #text = openWriter(64);
  readonly #ends: Numbers;
  readonly #isLarge: boolean;

  constructor({ layout }: TextType) {
    super();
    this.#isLarge = layout === 'large';
    this.#ends = new Numbers(this.#isLarge ? new BigInt64Array(CAPACITY) : new Int32Array(CAPACITY));
    this.#pushEnd();
  }

  protected put(value: Value): boolean {
    // Half of a surrogate pair has no UTF-8.
    if (typeof value !== 'string' || !value.isWellFormed()) return false;
    writeText(this.#text, value);
    this.#pushEnd();
    return true;
  }

  protected putNull = (): void => this.#pushEnd();
  protected buffers = (): Partial<BuiltColumn> => ({ offsets: this.#ends.finish(), values: finishBytes(this.#text) });

  #pushEnd(): void {
    this.#ends.push(this.#isLarge ? BigInt(this.#text.length) : this.#text.length);
  }
}

const VIEW_BYTES = 16;
const INLINE_BYTES_MAX = 12;

class ViewBuilder extends Builder {
  readonly #views = openWriter(VIEW_BYTES * CAPACITY);
  readonly #text = openWriter(64);

  protected put(value: Value): boolean {
    if (typeof value !== 'string' || !value.isWellFormed()) return false;
    const start = this.#text.length;
    writeText(this.#text, value);
    const size = this.#text.length - start;
    const view = new Uint8Array(VIEW_BYTES);
    const numbers = new DataView(view.buffer);
    numbers.setInt32(0, size, true);
    const inView = Math.min(size, size <= INLINE_BYTES_MAX ? INLINE_BYTES_MAX : 4);
    view.set(this.#text.bytes.subarray(start, start + inView), 4);
    if (size <= INLINE_BYTES_MAX) this.#text.length = start;
    else numbers.setInt32(12, start, true);
    this.#push(view);
    return true;
  }

  protected putNull = (): void => this.#push(new Uint8Array(VIEW_BYTES));

  protected buffers = (): Partial<BuiltColumn> => ({
    values: finishBytes(this.#views),
    data: this.#text.length === 0 ? [] : [finishBytes(this.#text)],
  });

  #push(view: Uint8Array): void {
    writeAll(this.#views, view);
  }
}

class ListBuilder extends Builder {
  readonly #type: ListType;
  readonly #item: Builder;
  /** Where lists end, from 0 on; where they start, for views. */
  readonly #offsets: Numbers;
  readonly #sizes: Numbers;
  readonly #isLarge: boolean;
  readonly #isView: boolean;

  constructor(type: ListType, item: Builder) {
    super();
    this.#type = type;
    this.#item = item;
    this.#isLarge = type.layout === 'large' || type.layout === 'large-view';
    this.#isView = type.layout === 'view' || type.layout === 'large-view';
    const numbers = () => new Numbers(this.#isLarge ? new BigInt64Array(CAPACITY) : new Int32Array(CAPACITY));
    [this.#offsets, this.#sizes] = [numbers(), numbers()];
    if (!this.#isView) this.#offsets.push(this.#count(0));
  }

  protected put(value: Value): boolean {
    if (!Array.isArray(value)) return false;
    const elements = value as readonly Value[];
    if (this.#type.layout === 'fixed' && elements.length !== this.#type.size) return false;
    const start = this.#item.length;
    if (!elements.every((element) => this.#item.add(element))) return false;
    this.#note(start);
    return true;
  }

  protected putNull(): void {
    const start = this.#item.length;
    if (this.#type.layout === 'fixed') this.#item.fill(start + this.#type.size);
    this.#note(start);
  }

  protected buffers(): Partial<BuiltColumn> {
    const children = [this.#item.finish()];
    if (this.#type.layout === 'fixed') return { children };
    const offsets = this.#offsets.finish();
    return this.#isView ? { offsets, sizes: this.#sizes.finish(), children } : { offsets, children };
  }

  #note(start: number): void {
    this.#offsets.push(this.#count(this.#isView ? start : this.#item.length));
    this.#sizes.push(this.#count(this.#item.length - start));
  }

  #count(count: number): number | bigint {
    return this.#isLarge ? BigInt(count) : count;
  }
}

class StructBuilder extends Builder {
  readonly #members: ReadonlyMap<string, Builder>;

  constructor({ fields }: TypeOf<'struct'>, dictionaries: KnownDictionaries) {
    super();
    this.#members = new Map(fields.map(({ name, type }) => [name, builderOf(type, dictionaries)]));
  }

  protected put(value: Value): boolean {
    if (!(value instanceof Map)) return false;
    const given = value as ReadonlyMap<string, Value>;
    for (const name of given.keys()) if (!this.#members.has(name)) return false;
    return [...this.#members].every(([name, member]) => member.add(given.get(name) ?? null));
  }

  protected putNull(): void {
    for (const member of this.#members.values()) member.add(null);
  }

  protected buffers = (): Partial<BuiltColumn> => ({
    children: [...this.#members.values()].map((member) => member.finish()),
  });
}

/**
 * Keeps the dictionary that the column came with, values that no row has included: an enumeration
 * is nothing else.
 */
class DictionaryBuilder extends Builder {
  readonly #keys: NumberBuilder;
  readonly #known: readonly string[];
  readonly #places: ReadonlyMap<string, number>;
  readonly #values: Builder;

  constructor({ id, index, values }: DictionaryType, dictionaries: KnownDictionaries) {
    super();
    this.#keys = new NumberBuilder(index);
    this.#known = dictionaries.get(id) ?? [];
    this.#places = new Map(this.#known.map((text, place) => [text, place]));
    this.#values = builderOf(values, dictionaries);
  }

  protected put(value: Value): boolean {
    const place = this.#places.get(value instanceof Digits ? value.text : JSON.stringify(value));
    return place !== undefined && this.#keys.add(new Digits(String(place)));
  }

  protected putNull(): void {
    this.#keys.add(null);
  }

  protected buffers(): Partial<BuiltColumn> {
    for (const text of this.#known) this.#values.add(valueOf(text));
    return { ...pick(this.#keys.finish()), dictionary: this.#values.finish() };
  }
}

const pick = ({ values }: BuiltColumn): Partial<BuiltColumn> => (values === undefined ? {} : { values });
