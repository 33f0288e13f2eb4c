// Whether bytes are JSON, and where they are not, in the words of an editor: line and column.

import { afterByteOrderMark, LF, lineAt } from '../bytes.ts';
import { FAILED, openScan, scanValue, skipSpace } from './scan.ts';

/**
 * What keeps bytes from being one JSON value, with the place, as the end of a sentence: `a value is
 * missing (line 1, column 10)`; null where nothing does. A byte order mark in front of it is none
 * of its text.
 *
 * @param depth level that the value has within another one: 1 for none
 */
export function jsonFaultIn(bytes: Uint8Array, depth = 1): string | null {
  const scan = openScan(bytes);
  const start = skipSpace(scan, afterByteOrderMark(bytes));
  if (start === bytes.length) return 'it is empty';
  const end = scanValue(scan, start, depth);
  if (end === FAILED) return `${scan.fault} (${placeOf(bytes, scan.faultAt)})`;
  const rest = skipSpace(scan, end);
  return rest < bytes.length ? `it goes on after its end (${placeOf(bytes, rest)})` : null;
}

/** Where a byte stands, as an editor counts: `line 1, column 10`. */
export function placeOf(bytes: Uint8Array, at: number): string {
  const lineStart = at === 0 ? 0 : bytes.lastIndexOf(LF, at - 1) + 1;
  const column = new TextDecoder().decode(bytes.subarray(lineStart, at)).length + 1;
  return `line ${lineAt(bytes, at)}, column ${column}`;
}
