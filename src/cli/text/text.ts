// Text for people: nothing that comes from elsewhere may steer the terminal.

import { cellsOf } from '../../client/progress/cells.ts';
import { type Output, plainLine } from '../../client/progress/terminal.ts';

export { coloursFor, type Output, plain, plainLine } from '../../client/progress/terminal.ts';

/**
 * JSON for a program. The control characters that JSON leaves as they are become escapes, which
 * says the same.
 */
export function jsonText(value: unknown): string {
  return `${harmlessJson(JSON.stringify(value, null, 2))}\n`;
}

/** The same on one line, for JSON Lines. */
export function jsonLine(value: unknown): string {
  return `${harmlessJson(JSON.stringify(value))}\n`;
}

/** JSON text from elsewhere, with the same care. */
export const harmlessJson = (json: string): string =>
  json.replaceAll(/[\u007f-\u009f]/g, (character) => `\\u00${character.charCodeAt(0).toString(16)}`);

/** Columns of text, each as wide as its widest cell; the last one is not padded. */
export function columns(rows: readonly (readonly string[])[]): string {
  const clean = rows.map((row) => row.map(plainLine));
  const widths = clean.reduce<number[]>(
    (widest, row) => row.map((cell, at) => Math.max(widest[at] ?? 0, cellsOf(cell))),
    [],
  );
  const lines = clean.map((row) =>
    row
      .map((cell, at) => (at === row.length - 1 ? cell : cell + ' '.repeat(widths[at]! - cellsOf(cell))))
      .join('  ')
      .trimEnd(),
  );
  return lines.map((line) => `${line}\n`).join('');
}

/** Writes all of it; resolves when it may be followed by the end of the process. */
export function write(output: Output, content: string | Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    output.write(content, (error) => (error === null || error === undefined ? resolve() : reject(error)));
  });
}
