// Values as text: what has no honest text form is an error with its row and column, never a null.
import { pointerStep, shownName, TableError } from './format.ts';

/** Which value is being written; rows count from 0 here, as in the array they come in. */
export interface ValuePlace {
  readonly row: number;
  readonly column: string;
}

/** A value as JSON: undefined is null, a bigint its digits, a typed array an array. */
export function jsonText(value: unknown, place: ValuePlace): string {
  switch (typeof value) {
    case 'string':
      return JSON.stringify(value);
    case 'number':
      return numberText(value, place);
    case 'boolean':
    case 'bigint':
      return String(value);
    case 'undefined':
      return 'null';
    case 'object':
      return value === null ? 'null' : nestedText(value, place);
    case 'function':
    case 'symbol':
      throw valueFault(
        place,
        `is a ${typeof value}, which has no text form; return a string, number, boolean, null, array or object.`,
      );
  }
}

/**
 * A value as a CSV field before quoting: null and undefined are empty, a string is itself, all else
 * is its JSON.
 */
export function plainText(value: unknown, place: ValuePlace): string {
  if (typeof value === 'string') return csvSafe(value, place);
  if (typeof value === 'number') return numberText(value, place);
  if (value === null || value === undefined) return '';
  const text = jsonText(value, place);
  // A Date, and all else that becomes a JSON string, is that string.
  return text.startsWith('"') ? csvSafe(JSON.parse(text) as string, place) : text;
}

function numberText(value: number, place: ValuePlace): string {
  if (!Number.isFinite(value)) throw notFinite(value, place);
  return String(value);
}

function notFinite(value: number, place: ValuePlace): TableError {
  return valueFault(
    place,
    `is ${value}, which would hide an error; return a finite number, or null or a string if you mean one.`,
  );
}

/**
 * Whether CSV can hold a text: UTF-8 has no half of a surrogate pair, and a NUL character ends a
 * text for many a reader.
 */
export const fitsCsv = (text: string): boolean => !text.includes('\0') && text.isWellFormed();

function csvSafe(text: string, place: ValuePlace): string {
  if (text.includes('\0'))
    throw valueFault(place, 'holds a NUL character, which CSV cannot; remove it or return JSON.');
  if (!text.isWellFormed()) {
    throw valueFault(
      place,
      'holds half of a surrogate pair, which UTF-8 cannot; repair it with toWellFormed() or return JSON.',
    );
  }
  return text;
}

function nestedText(value: object, place: ValuePlace): string {
  try {
    const text = JSON.stringify(value, function (this: unknown, key: string, member: unknown) {
      if (member === undefined && Array.isArray(this))
        throw valueFault(
          place,
          'holds undefined in an array, which JSON would write as null; return null if you mean it.',
        );
      return jsonMember(member, (this as Record<string, unknown>)[key], place);
    }) as string | undefined;
    if (text === undefined) throw valueFault(place, 'becomes undefined as JSON (its toJSON says so); return null.');
    return text;
  } catch (cause) {
    if (cause instanceof TableError) throw cause;
    throw valueFault(
      place,
      'cannot be written as JSON (it may refer to itself); return plain arrays and objects.',
      cause,
    );
  }
}

/**
 * What JSON.stringify would turn into null or {} without a word is refused. `before` is the member
 * before its toJSON.
 */
function jsonMember(member: unknown, before: unknown, place: ValuePlace): unknown {
  if (typeof member === 'number' && !Number.isFinite(member)) throw notFinite(member, place);
  if (typeof member === 'bigint' || typeof member === 'function' || typeof member === 'symbol') {
    throw valueFault(
      place,
      `holds a ${typeof member}, which has no JSON form; return strings, numbers, booleans, null, arrays and objects.`,
    );
  }
  if (member === null && before !== null)
    throw valueFault(place, 'holds a date that is not valid; return a valid one or null.');
  if (typeof member !== 'object' || member === null || Array.isArray(member)) return member;
  if (isTypedArray(member)) return Array.from(member);
  const lost = lostAsJson(member);
  if (lost !== null)
    throw valueFault(
      place,
      `holds a ${lost.kind}, which JSON would write ${lost.written}; await it, or turn it into an array or a plain object.`,
    );
  return member;
}

/**
 * Whether a value is one of the arrays of numbers; of each, JSON would make an object of their
 * places.
 */
export const isTypedArray = (value: object): value is Float64Array =>
  ArrayBuffer.isView(value) && !(value instanceof DataView);

/** What holds its content where JSON does not look, with or without other members. */
const HOLDERS: ReadonlySet<string> = new Set(['Map', 'Set', 'WeakMap', 'WeakSet', 'Promise', 'Error']);

/**
 * What an object is, and how JSON would write it, where that leaves out all that it holds: a Map, a
 * promise, nothing but getters. Null for any other.
 */
export function lostAsJson(value: object): { readonly kind: string; readonly written: string } | null {
  const prototype = Object.getPrototypeOf(value) as object | null;
  if (prototype === null) return null;
  const tag = Object.prototype.toString.call(value).slice('[object '.length, -1);
  // Plain, whether it was made in this realm or in another one.
  if (tag === 'Object' && Object.getPrototypeOf(prototype) === null) return null;
  const isEmpty = Object.keys(value).length === 0;
  if (!isEmpty && !HOLDERS.has(tag)) return null;
  const kind = tag === 'Object' ? `${classOf(value)} without members of its own` : tag;
  return { kind, written: isEmpty ? 'as {}' : 'without what it holds' };
}

function classOf(value: object): string {
  const { constructor } = value as { readonly constructor?: unknown };
  return typeof constructor === 'function' && constructor.name !== '' ? constructor.name : 'object';
}

/** An error about one value of rows given as objects. */
function valueFault(place: ValuePlace, fault: string, cause?: unknown): TableError {
  return new TableError(`Row ${place.row + 1}, column ${shownName(place.column)}: the value ${fault}`, {
    row: place.row + 1,
    column: place.column,
    pointer: `/rows/${place.row}${pointerStep(place.column)}`,
    cause,
  });
}

/**
 * Rows must be objects: an array or a bare value would lose its columns' names, and a Map or a
 * promise every column.
 */
export function checkRow(value: unknown, row: number): void {
  const kind = kindOfNoRow(value);
  if (kind === null) return;
  throw new TableError(`Row ${row + 1} is ${kind}; every row must be an object, {column: value, ...}.`, {
    row: row + 1,
    pointer: `/rows/${row}`,
  });
}

function kindOfNoRow(value: unknown): string | null {
  if (value === null) return 'null';
  if (typeof value !== 'object') return `a ${typeof value}`;
  if (Array.isArray(value) || ArrayBuffer.isView(value)) return 'an array';
  const lost = lostAsJson(value);
  if (lost === null) return null;
  return lost.kind === 'Promise' ? 'a Promise that nobody has awaited (await Promise.all(rows))' : `a ${lost.kind}`;
}

/** A row's own value: a column named `constructor` must not find the one every object inherits. */
export function ownValue(row: Readonly<Record<string, unknown>>, column: string): unknown {
  return Object.hasOwn(row, column) ? row[column] : undefined;
}
