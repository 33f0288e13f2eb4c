// Rows as the texts of their values. A number is its digits here: as a double, 2^53 + 1 would be
// another one.

import { finishBytes, openWriter, writeText } from './bytes.ts';
import { nameOf, openNames } from './json/names.ts';
import { OPEN_BRACE, openScan, scanObject } from './json/scan.ts';
import { startOf } from './spans.ts';
import { indexTable } from './split.ts';
import { checkRow, jsonText } from './value-text.ts';
import type { Row } from './rows.ts';
import { forEachRowText, textOf } from './text-window.ts';

/** One row: the JSON text of every value by its column. */
export type TextRow = ReadonlyMap<string, string>;

/**
 * Rows as they were given.
 *
 * @throws TableError for a row that is no object, and for a value that has no JSON form
 */
export function textRowsFrom(rows: readonly Row[]): TextRow[] {
  return rows.map((row, at) => {
    checkRow(row, at);
    const texts = new Map<string, string>();
    for (const column of Object.keys(row)) texts.set(column, jsonText(row[column], { row: at, column }));
    return texts;
  });
}

/** The same rows with JavaScript's values, as every reader of JSON makes them. */
export function rowsFrom(rows: readonly TextRow[]): Row[] {
  return rows.map((row) => JSON.parse(lineOf(row)) as Row);
}

/**
 * The rows of JSON Lines.
 *
 * @throws TableError for lines that cannot be read
 */
export function textRowsIn(lines: Uint8Array): TextRow[] {
  const { spans } = indexTable(lines, 'jsonl');
  const rows: TextRow[] = [];
  const names = openNames();
  forEachRowText(lines, spans, (at, window) => {
    const row = new Map<string, string>();
    scanObject(openScan(lines), lines.indexOf(OPEN_BRACE, startOf(spans, at)), 1, (member) => {
      row.set(nameOf(names, lines, member), textOf(window, member.valueStart, member.valueEnd));
    });
    rows.push(row);
  });
  return rows;
}

/**
 * Rows whose text is made into bytes together: one call for each costs more than the text, and all
 * of them may be more than a string holds.
 */
const WRITTEN_AT_ONCE = 256;

/** Rows as JSON Lines. */
export function linesOf(rows: readonly TextRow[]): Uint8Array {
  const writer = openWriter(rows.length * 64);
  for (let from = 0; from < rows.length; from += WRITTEN_AT_ONCE) {
    const some = rows.slice(from, from + WRITTEN_AT_ONCE);
    writeText(writer, some.map(lineOf).join(''));
  }
  return finishBytes(writer);
}

function lineOf(row: TextRow): string {
  let line = '{';
  for (const [column, text] of row) line += `${line === '{' ? '' : ','}${JSON.stringify(column)}:${text}`;
  return `${line}}\n`;
}
