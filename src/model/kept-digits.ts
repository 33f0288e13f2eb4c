// The digits of numbers that a model only hands through. A model is given doubles, and most
// decimals of more than 15 digits and integers beyond 2^53 are none: written again they would be
// other numbers, in a table whose column still says that it is exact.

import { plainBytes, QUOTE } from '../table/bytes.ts';
import { OPEN_BRACE, OPEN_BRACKET, openScan, scanObject } from '../table/json/scan.ts';
import { nameOf, openNames } from '../table/json/names.ts';
import { decodeRows, type Row } from '../table/rows.ts';
import type { TableFormat } from '../table/format.ts';
import { indexTable } from '../table/split.ts';
import { startOf } from '../table/spans.ts';
import { forEachRowText, textOf } from '../table/text-window.ts';
import { Digits, type Value, valueOf } from '../table/arrow/values.ts';

/**
 * What a text has in it where a number may be written otherwise than JavaScript would: an exponent,
 * a last zero, a negative zero, many digits.
 */
const MAY_CHANGE = /\d[eE][-+\d]|\.\d*0(?!\d)|(?<![\w.])-0|\d[\d.]{15}/;
const JSON_NUMBER = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][-+]?\d+)?$/;

/** A number that JSON.stringify writes with these very digits. */
const written = (text: string): unknown => (JSON as unknown as { rawJSON(text: string): unknown }).rawJSON(text);

/**
 * The rows that a model returned, to be written with the digits of the input: each number that is
 * the double next to the input's number in the same row and column has the input's digits, also
 * within lists and objects. All others are as they were.
 *
 * @param body the table that the model was given, as it came: the model may have changed its rows
 */
export function rowsWithDigits(outputs: readonly Row[], body: Uint8Array, format: TableFormat): readonly Row[] {
  if (!outputs.some(mayHoldNumbers) || !MAY_CHANGE.test(textIn(body))) return outputs;
  const kept = [...outputs];
  const keep = (row: number, column: string, given: Value): void => {
    const output = kept[row];
    if (!isRow(output) || !Object.hasOwn(output, column)) return;
    const value = withDigits(output[column], given);
    if (value === output[column]) return;
    // A copy, since a model may hold on to its rows.
    const copy = output === outputs[row] ? { ...output } : output;
    Object.defineProperty(copy, column, { value, enumerable: true, configurable: true, writable: true });
    kept[row] = copy;
  };
  if (format === 'csv') visitCsv(body, keep);
  else visitJson(body, format, keep);
  return kept;
}

/**
 * As `rowsWithDigits`, of a value and the JSON that it was made from: the same place stands for the
 * same row and column.
 */
export function valueWithDigits(output: unknown, body: Uint8Array): unknown {
  const text = textIn(body);
  return MAY_CHANGE.test(text) ? withDigits(output, valueOf(text.trim())) : output;
}

const textIn = (body: Uint8Array): string => new TextDecoder().decode(body);

const isRow = (row: unknown): row is Row => typeof row === 'object' && row !== null && !Array.isArray(row);

const mayHoldNumbers = (row: unknown): row is Row =>
  isRow(row) &&
  Object.values(row).some((value) => typeof value === 'number' || (typeof value === 'object' && value !== null));

type Keep = (row: number, column: string, given: Value) => void;

/** Values of CSV are text, which a model may have read as numbers. */
function visitCsv(body: Uint8Array, keep: Keep): void {
  for (const [row, record] of decodeRows(body, 'csv').entries()) {
    for (const [column, text] of Object.entries(record as Record<string, string>))
      if (MAY_CHANGE.test(text) && JSON_NUMBER.test(text)) keep(row, column, new Digits(text));
  }
}

function visitJson(body: Uint8Array, format: TableFormat, keep: Keep): void {
  const bytes = plainBytes(body);
  const names = openNames();
  const { spans } = indexTable(bytes, format);
  forEachRowText(bytes, spans, (row, window) => {
    scanObject(openScan(bytes), bytes.indexOf(OPEN_BRACE, startOf(spans, row)), 1, (member) => {
      // Nearly all values are texts, or numbers as JavaScript writes them, and are found out at
      // once.
      const first = bytes[member.valueStart];
      if (first === QUOTE) return;
      const text = textOf(window, member.valueStart, member.valueEnd);
      if (!MAY_CHANGE.test(text)) return;
      const isNested = first === OPEN_BRACE || first === OPEN_BRACKET;
      if (isNested || String(Number(text)) !== text) keep(row, nameOf(names, bytes, member), valueOf(text));
    });
  });
}

/** The value itself where there is nothing to keep. */
function withDigits(value: unknown, given: Value): unknown {
  if (given instanceof Digits) return typeof value === 'number' ? numberWithDigits(value, given.text) : value;
  if (Array.isArray(value) && Array.isArray(given)) {
    const items = given as readonly Value[];
    const kept = value.map((item: unknown, at) => (at < items.length ? withDigits(item, items[at]!) : item));
    return kept.every((item, at) => item === value[at]) ? (value as unknown) : kept;
  }
  if (!isPlain(value) || !(given instanceof Map)) return value;
  const members = given as ReadonlyMap<string, Value>;
  const kept = Object.entries(value).map(([name, member]) => {
    const before = members.get(name);
    return [name, before === undefined ? member : withDigits(member, before)] as const;
  });
  // Not by assignment, to which a member `__proto__` is none.
  return kept.every(([name, member]) => member === value[name]) ? value : Object.fromEntries(kept);
}

const numberWithDigits = (value: number, text: string): unknown =>
  Object.is(value, Number(text)) && String(value) !== text ? written(text) : value;

/** Not a Date, and nothing else that says by itself how it is written. */
function isPlain(value: unknown): value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return (prototype === Object.prototype || prototype === null) && !('toJSON' in value);
}
