// Values of JSON that no Arrow column of any type holds: texts with half of a surrogate
// pair, which have no UTF-8, and numbers beyond any double. A row is told of them when it is
// answered, so that it alone is marked; found out at the end, one value would end the table.

import { finishBytes, openWriter, plainBytes, writeBytes, writeText } from '../bytes.ts';
import { pointerStep, shownName, TableError } from '../format.ts';
import { nameOf, openNames } from '../json/names.ts';
import { OPEN_BRACE, openScan, scanObject } from '../json/scan.ts';
import { endOf, startOf } from '../spans.ts';
import { indexTable } from '../split.ts';
import { forEachRowText, textOf } from '../text-window.ts';
import { Digits, type Value, valueOf } from './values.ts';

/**
 * What a text has in it where it may hold such a value: the escape of a surrogate, an exponent of
 * three digits, or more digits than a smaller one makes up for.
 */
const MAY_NOT_FIT = /\\u[dD][89a-fA-F]|\d[eE]\+?\d{3}|\d[\d.]{200}/;

/** Why a value fits no column; null where it does. */
function unfitness(value: Value): string | null {
  if (typeof value === 'string') return textUnfitness(value);
  if (value instanceof Digits)
    return Number.isFinite(Number(value.text))
      ? null
      : 'is a number that no float holds; return a smaller one, or text';
  if (Array.isArray(value)) return firstOf(value as readonly Value[], unfitness);
  if (!(value instanceof Map)) return null;
  const members = value as ReadonlyMap<string, Value>;
  return firstOf([...members.keys()], textUnfitness) ?? firstOf([...members.values()], unfitness);
}

/** As `unfitness`, of a text, or of a name. */
export const textUnfitness = (text: string): string | null =>
  text.isWellFormed()
    ? null
    : 'holds half of a surrogate pair, which UTF-8 cannot; repair it (JavaScript: toWellFormed(), Python: encode and decode with errors="replace") or ask for JSON';

function firstOf<Item>(items: readonly Item[], fault: (item: Item) => string | null): string | null {
  for (const item of items) {
    const found = fault(item);
    if (found !== null) return found;
  }
  return null;
}

/**
 * Checks rows that are to be a part of an Arrow table. Throws a TableError for the first value, or
 * name, that fits no column.
 */
export function checkFits(lines: Uint8Array): void {
  const bytes = plainBytes(lines);
  if (mayNotFit(bytes))
    forEachCell(bytes, ({ name, value, row }) => {
      const inName = textUnfitness(name);
      const fault = inName === null ? unfitness(value()) : `has a name that ${inName}`;
      if (fault !== null) throw unfit(row, name, fault);
    });
}

/** The error for a value; rows count from 0. */
export function unfit(row: number, column: string, fault: string): TableError {
  return new TableError(`Row ${row + 1}, column ${shownName(column)}: the value ${fault}.`, {
    row: row + 1,
    column,
    pointer: `/rows/${row}${pointerStep(column)}`,
  });
}

/**
 * Rows that have failed, as they can stand in an Arrow table: values that fit no column are null,
 * and names that none has are left out.
 */
export function withoutUnfit(lines: Uint8Array): Uint8Array {
  const bytes = plainBytes(lines);
  if (!mayNotFit(bytes)) return bytes;
  const { rows, spans } = indexTable(bytes, 'jsonl');
  const kept: string[][] = Array.from({ length: rows }, () => []);
  const changed = new Set<number>();
  forEachCell(bytes, ({ name, text, value, row }) => {
    const fits = unfitness(value()) === null;
    const isNamed = textUnfitness(name) === null;
    if (!fits || !isNamed) changed.add(row);
    if (isNamed) kept[row]!.push(`${JSON.stringify(name)}:${fits ? text : 'null'}`);
  });
  const writer = openWriter(bytes.length);
  for (const [row, members] of kept.entries()) {
    if (changed.has(row)) writeText(writer, `{${members.join(',')}}\n`);
    else writeBytes(writer, bytes, startOf(spans, row), endOf(spans, row));
  }
  return finishBytes(writer);
}

const mayNotFit = (bytes: Uint8Array): boolean => MAY_NOT_FIT.test(new TextDecoder().decode(bytes));

interface Cell {
  readonly row: number;
  readonly name: string;
  readonly text: string;
  readonly value: () => Value;
}

function forEachCell(bytes: Uint8Array, visit: (cell: Cell) => void): void {
  const names = openNames();
  const { spans } = indexTable(bytes, 'jsonl');
  forEachRowText(bytes, spans, (row, window) => {
    scanObject(openScan(bytes), bytes.indexOf(OPEN_BRACE, startOf(spans, row)), 1, (member) => {
      const text = textOf(window, member.valueStart, member.valueEnd);
      visit({ row, name: nameOf(names, bytes, member), text, value: () => valueOf(text) });
    });
  });
}
