// Text out of byte ranges: decoding each value alone costs more than everything else, so rows are
// decoded some 64 KiB at a time.
import { endOf, startOf } from './spans.ts';

/** A decoded stretch of bytes; values are cut from it in order, front to back. */
export interface TextWindow {
  readonly bytes: Uint8Array;
  readonly start: number;
  readonly text: string;
  /** One byte a character, so byte offsets are character offsets. */
  readonly ascii: boolean;
  /** How far offsets were translated: the byte, and the character (a UTF-16 unit) it is. */
  byteAt: number;
  charAt: number;
}

// A byte order mark inside a table is a character like any other.
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** The text of bytes[start, end), which are known to be UTF-8. */
export function openWindow(bytes: Uint8Array, start: number, end: number): TextWindow {
  const text = decoder.decode(bytes.subarray(start, end));
  return { bytes, start, text, ascii: text.length === end - start, byteAt: start, charAt: 0 };
}

/**
 * The text of bytes[start, end) within the window. `start` must not lie before the end of the last
 * text taken.
 */
export function textOf(window: TextWindow, start: number, end: number): string {
  if (window.ascii) return window.text.slice(start - window.start, end - window.start);
  const first = charOffset(window, start);
  return window.text.slice(first, charOffset(window, end));
}

function charOffset(window: TextWindow, byte: number): number {
  let char = window.charAt;
  for (let i = window.byteAt; i < byte; i += 1) {
    const value = window.bytes[i] as number;
    // A tail byte adds nothing; four-byte characters are two UTF-16 units.
    if ((value & 0xc0) !== 0x80) char += value >= 0xf0 ? 2 : 1;
  }
  window.byteAt = byte;
  window.charAt = char;
  return char;
}

const WINDOW_BYTES = 65_536;

/** Calls `read` with every row and a window that holds its text. */
export function forEachRowText(
  bytes: Uint8Array,
  spans: Uint32Array,
  read: (row: number, window: TextWindow) => void,
): void {
  const rows = spans.length / 2;
  let row = 0;
  while (row < rows) {
    const start = startOf(spans, row);
    let next = row + 1;
    while (next < rows && endOf(spans, next) - start <= WINDOW_BYTES) next += 1;
    const window = openWindow(bytes, start, endOf(spans, next - 1));
    for (; row < next; row += 1) read(row, window);
  }
}
