// Text for people: nothing that comes from elsewhere may steer the terminal.

import { stripVTControlCharacters } from 'node:util';
import pc from 'picocolors';

/** What a command writes to: standard output or standard error. */
export type Output = Pick<NodeJS.WriteStream, 'isTTY' | 'columns' | 'write'>;

// C0 but tab and line feed, DEL, C1, and the marks that turn the direction of text around.
// oxlint-disable-next-line no-control-regex -- control characters are what this is about
const UNPRINTABLE = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu;

/** Text without escape sequences and control characters; tabs and line ends stay. */
export function plain(text: string): string {
  return stripVTControlCharacters(text.replaceAll('\r\n', '\n')).replaceAll(UNPRINTABLE, '');
}

/** The same on one line. */
export function plainLine(text: string): string {
  return plain(text)
    .replaceAll(/\s*\n\s*/g, ' ')
    .replaceAll('\t', ' ');
}

/** JSON for a program. The control characters that JSON leaves as they are become escapes, which says the same. */
export function jsonText(value: unknown): string {
  return withoutControls(JSON.stringify(value, null, 2));
}

/** The same on one line, for JSON Lines. */
export function jsonLine(value: unknown): string {
  return withoutControls(JSON.stringify(value));
}

const withoutControls = (json: string): string =>
  `${json.replaceAll(/[\u007f-\u009f]/g, (character) => `\\u00${character.charCodeAt(0).toString(16)}`)}\n`;

/** Columns of text, each as wide as its widest cell; the last one is not padded. */
export function columns(rows: readonly (readonly string[])[]): string {
  const clean = rows.map((row) => row.map(plainLine));
  const widths = clean.reduce<number[]>(
    (widest, row) => row.map((cell, at) => Math.max(widest[at] ?? 0, cell.length)),
    [],
  );
  const lines = clean.map((row) =>
    row
      .map((cell, at) => (at === row.length - 1 ? cell : cell.padEnd(widths[at]!)))
      .join('  ')
      .trimEnd(),
  );
  return lines.map((line) => `${line}\n`).join('');
}

/** Colours on a terminal, none anywhere else; NO_COLOR is minded. */
export function coloursFor(output: Pick<Output, 'isTTY'>): ReturnType<typeof pc.createColors> {
  return pc.createColors(output.isTTY && pc.isColorSupported);
}

/** Writes all of it; resolves when it may be followed by the end of the process. */
export function write(output: Output, content: string | Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    output.write(content, (error) => (error === null || error === undefined ? resolve() : reject(error)));
  });
}
