// The types of Arrow columns, as far as they have an honest form in JSON. What has none is refused
// where a schema is read.

/** How a second is counted in times, timestamps and durations. */
export type TimeUnit = 'second' | 'millisecond' | 'microsecond' | 'nanosecond';

/** Units by their number in the format (`TimeUnit` in Schema.fbs). */
export const TIME_UNITS: readonly TimeUnit[] = ['second', 'millisecond', 'microsecond', 'nanosecond'];

/** Digits after the decimal point that a unit has. */
export const FRACTION_DIGITS: Readonly<Record<TimeUnit, number>> = {
  second: 0,
  millisecond: 3,
  microsecond: 6,
  nanosecond: 9,
};

/** A whole number of a width. */
export interface IntType {
  readonly kind: 'int';
  readonly bits: 8 | 16 | 32 | 64;
  readonly signed: boolean;
}

/** A fixed number of digits after the decimal point. */
export interface DecimalType {
  readonly kind: 'decimal';
  readonly bits: 32 | 64 | 128 | 256;
  readonly precision: number;
  readonly scale: number;
}

/** Text; the layouts differ in how it lies in memory alone. */
export interface TextType {
  readonly kind: 'text';
  readonly layout: 'small' | 'large' | 'view';
}

/** Lists of one type; `fixed` ones have `size` elements each. */
export interface ListType {
  readonly kind: 'list';
  readonly layout: 'small' | 'large' | 'view' | 'large-view' | 'fixed';
  readonly size: number;
  readonly item: ArrowField;
}

/** Values that are kept once and named by their number. */
export interface DictionaryType {
  readonly kind: 'dictionary';
  readonly id: bigint;
  readonly index: IntType;
  readonly ordered: boolean;
  readonly values: ArrowType;
}

/** A type of a column, or of what is in it. */
export type ArrowType =
  | { readonly kind: 'null' }
  | { readonly kind: 'bool' }
  | IntType
  | { readonly kind: 'float'; readonly bits: 16 | 32 | 64 }
  | DecimalType
  | TextType
  | { readonly kind: 'date'; readonly unit: 'day' | 'millisecond' }
  | { readonly kind: 'time'; readonly unit: TimeUnit }
  | { readonly kind: 'timestamp'; readonly unit: TimeUnit; readonly zone: string | null }
  | { readonly kind: 'duration'; readonly unit: TimeUnit }
  | ListType
  | { readonly kind: 'struct'; readonly fields: readonly ArrowField[] }
  | DictionaryType;

/** A type of a kind. */
export type TypeOf<Kind extends ArrowType['kind']> = Extract<ArrowType, { readonly kind: Kind }>;

/**
 * Notes that programs keep beside a column or a table (Polars the categories of an enumeration,
 * pandas its index).
 */
export type Notes = ReadonlyMap<string, string>;

/** A column, or a part of a nested one. */
export interface ArrowField {
  readonly name: string;
  readonly type: ArrowType;
  readonly nullable: boolean;
  readonly notes: Notes | null;
}

/** The columns of a table. */
export interface ArrowSchema {
  readonly fields: readonly ArrowField[];
  readonly notes: Notes | null;
}

/** Bits of the numbers that stand for values of these types. */
export function numberBits(type: TypeOf<'date' | 'time' | 'timestamp' | 'duration'>): 32 | 64 {
  if (type.kind === 'date') return type.unit === 'day' ? 32 : 64;
  if (type.kind === 'time') return type.unit === 'second' || type.unit === 'millisecond' ? 32 : 64;
  return 64;
}
