// Where rows stand in the bytes of a table: two offsets a row in one typed array, so a million rows
// cost eight megabytes.
import { TableError } from './format.ts';
import { writeBytes, type ByteWriter } from './bytes.ts';

/**
 * A list of [start, end) offsets that grows; row r is at `offsets[2 * r]` and `offsets[2 * r + 1]`.
 */
export interface Spans {
  offsets: Uint32Array;
  count: number;
}

// Offsets are 32 bits wide.
const TABLE_BYTES_MAX = 0xffff_ffff;

/** Offsets of a list that is kept for the next: 256 KiB, which most chunks need less than. */
const SPARE_OFFSETS = 65_536;

// A list grows by doubling, and is cut to its size in the end: of a chunk's bytes as many again
// would be allocated and released, and such memory makes V8 look through its whole heap every ten
// megabytes.
let spare: Uint32Array | null = null;

/** An empty list for a table of this many bytes; over 4 GiB is a TableError. */
export function openSpans(tableBytes: number): Spans {
  if (tableBytes > TABLE_BYTES_MAX) {
    throw new TableError(
      `The table has ${tableBytes} bytes; send at most ${TABLE_BYTES_MAX} at once, in several tables.`,
    );
  }
  const offsets = spare ?? new Uint32Array(SPARE_OFFSETS);
  spare = null;
  return { offsets, count: 0 };
}

/** Adds a row. */
export function pushSpan(spans: Spans, start: number, end: number): void {
  const slot = spans.count * 2;
  if (slot === spans.offsets.length) {
    const larger = new Uint32Array(slot * 2);
    larger.set(spans.offsets);
    spans.offsets = larger;
  }
  spans.offsets[slot] = start;
  spans.offsets[slot + 1] = end;
  spans.count += 1;
}

/** The first `count` rows, in an array of exactly that size. The list is spent. */
export function closeSpans(spans: Spans, count = spans.count): Uint32Array {
  const { offsets } = spans;
  if (offsets.length === SPARE_OFFSETS) spare = offsets;
  return offsets.slice(0, count * 2);
}

/** Where a row starts. */
export function startOf(spans: Uint32Array, row: number): number {
  return spans[row * 2] as number;
}

/** Where a row ends. */
export function endOf(spans: Uint32Array, row: number): number {
  return spans[row * 2 + 1] as number;
}

/**
 * The row after the last of those that follow each other from `row` on with exactly `gap` bytes
 * between two: they can be copied in one go.
 */
export function runEnd(spans: Uint32Array, row: number, to: number, gap: number): number {
  let next = row + 1;
  while (next < to && startOf(spans, next) - endOf(spans, next - 1) === gap) next += 1;
  return next;
}

/** The rows [from, to) of a table, counted from 0. */
export interface SomeRows {
  readonly bytes: Uint8Array;
  readonly spans: Uint32Array;
  readonly from: number;
  readonly to: number;
}

/** From the start of the first to the end of the last, in bytes. */
export function sizeOf({ spans, from, to }: SomeRows): number {
  return from < to ? endOf(spans, to - 1) - startOf(spans, from) : 0;
}

/** Appends the rows; what stands between them is left out. */
export function writeSpans(writer: ByteWriter, { bytes, spans, from, to }: SomeRows): void {
  let row = from;
  while (row < to) {
    const next = runEnd(spans, row, to, 0);
    writeBytes(writer, bytes, startOf(spans, row), endOf(spans, next - 1));
    row = next;
  }
}
