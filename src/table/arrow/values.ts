// The values of JSON Lines with nothing lost: numbers stay the text that they are until a type for
// them is known.
import type { TableIndex } from '../codec.ts';
import { nameOf, openNames } from '../json/names.ts';
import { OPEN_BRACE, openScan, scanObject } from '../json/scan.ts';
import { startOf } from '../spans.ts';
import { forEachRowText, textOf } from '../text-window.ts';

/** A number as it stands in JSON. */
export class Digits {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

/** A value of JSON; the members of an object in their order. */
export type Value = null | boolean | string | Digits | readonly Value[] | ReadonlyMap<string, Value>;

/** The value that a JSON text is; the text is known to be well formed. */
export function valueOf(text: string): Value {
  switch (text.charAt(0)) {
    case '"':
      return text.includes('\\') ? (JSON.parse(text) as string) : text.slice(1, -1);
    case 'n':
      return null;
    case 't':
      return true;
    case 'f':
      return false;
    case '[':
    case '{':
      return nested(JSON.parse(text, keepDigits));
    default:
      return new Digits(text);
  }
}

/**
 * Browsers of before 2025 do not say what stood there; then a number has the digits of its double.
 */
function keepDigits(_: string, value: unknown, context?: { readonly source?: string }): unknown {
  return typeof value === 'number' ? new Digits(context?.source ?? String(value)) : value;
}

function nested(value: unknown): Value {
  if (typeof value !== 'object' || value === null || value instanceof Digits) return value as Value;
  if (Array.isArray(value)) return value.map(nested);
  return new Map(Object.entries(value).map(([name, member]) => [name, nested(member)]));
}

/** JSON Lines that were read through once. */
export interface IndexedLines {
  readonly bytes: Uint8Array;
  readonly index: TableIndex;
}

/**
 * Told of the value of a column in a row; rows count from 0, and rows without the column are left
 * out.
 */
export type VisitCell = (value: Value, row: number) => void;

/** Reads the columns that somebody visits. */
export function visitCells({ bytes, index }: IndexedLines, visitors: ReadonlyMap<string, VisitCell>): void {
  if (visitors.size === 0) return;
  const names = openNames();
  forEachRowText(bytes, index.spans, (row, window) => {
    scanObject(openScan(bytes), bytes.indexOf(OPEN_BRACE, startOf(index.spans, row)), 1, (member) => {
      const visit = visitors.get(nameOf(names, bytes, member));
      visit?.(valueOf(textOf(window, member.valueStart, member.valueEnd)), row);
    });
  });
}
