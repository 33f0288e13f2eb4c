// The output of a batch, put together in order out of what its chunks answered, some of them at a
// time. Its columns are those of all, so each is looked at before the first is written; where they
// are small they are held meanwhile, else read a second time.

import { setImmediate as nextTurn } from 'node:timers/promises';
import { formatBytes } from '../../domain/bytes.ts';
import type { RunReader } from '../../stores/ledger/ledger.ts';
import { type ByteWriter, finishBytes, openWriter, utf8, writeAll, WriterFull } from '../../table/bytes.ts';
import { withoutUnfit } from '../../table/arrow/fits.ts';
import { arrowFrameOf, textFormatOf } from '../../table/border.ts';
import { convertTable } from '../../table/convert.ts';
import { emptyLikeness, emptyTable } from '../../table/empty.ts';
import { borderFormatOf, TableError, type TableFormat } from '../../table/format.ts';
import { bytesOf, type MergePart, openMerge, type TableMerge } from '../../table/merge.ts';
import { encodeRows } from '../../table/rows.ts';
import type { ArrowConverter } from './arrow-converter.ts';
import type { BatchTable } from './table.ts';
import type { Settled } from './chunk-plan.ts';
import type { Payloads } from '../payloads.ts';

/** Chunk outputs read together, so that they share a turn of the ledger. */
const READ_AT_ONCE = 64;
/** Bytes of chunk outputs that are held between the look at them and the writing. */
const HELD_BYTES_MAX = 32 * 1_024 * 1_024;
/**
 * Bytes of a part from which on others have their turn before the next is looked at: 64 parts of a
 * few megabytes would hold them up for seconds.
 */
const LONG_PART_BYTES = 64 * 1_024;
/** Bytes that are handed on at a time, at least. */
const WRITE_BYTES = 256 * 1_024;
/** Room for them and for the part that comes last, in bytes: what does not fit has to be moved. */
const WRITER_BYTES = 2 * WRITE_BYTES;

/**
 * How many times as long as all that it is put together from an output may be, where that is more
 * than any output may be. Rows take a few bytes for every column that they do not have, and those
 * of other chunks may be very many.
 */
const GROWTH_MAX = 4;

/** What an output is put together from. */
export interface OutputDeps {
  readonly ledger: RunReader;
  readonly payloads: Payloads;
  readonly arrow: ArrowConverter;
  readonly table: BatchTable;
  /** The content type that was asked for; null for that of the table. */
  readonly accept: string | null;
  /**
   * JSON Schema of a row that the model answers with, for the columns of a table that has none;
   * null where it is not known.
   */
  readonly row: object | null;
  /** Bytes that an output may have, however few its chunks have answered. */
  readonly outputBytes: number;
  /** Aborted when the batch must stop: nothing more is put together then. */
  readonly signal: AbortSignal;
}

/**
 * The bytes of an output as they are put together; those of an Arrow table once it is all there,
 * since its types are those of all its values.
 *
 * @param settled the ranges that are in it, in the order of rows
 * @throws TableError where they do not fit together, BlobDamaged, and the reason with which
 *   `signal` is aborted
 */
export async function* outputOf(deps: OutputDeps, settled: readonly Settled[]): AsyncGenerator<Uint8Array, void> {
  const { table, accept, row } = deps;
  const wanted = accept === null ? table.given : borderFormatOf(accept)!;
  const text = putTogether(deps, settled, textFormatOf(wanted));
  const like = settled.length === 0 ? emptyLikeness(row, table) : table.likeness;
  const frame = arrowFrameOf(accept ?? '');
  if (wanted === 'arrow') yield* inPieces(await deps.arrow.write(await gathered(text), like, deps.signal, frame));
  else if (accept === null && table.isInstances) yield* asPredictions(text);
  else yield* text;
}

/** All of it in one piece. */
async function gathered(text: AsyncIterable<Uint8Array>): Promise<Uint8Array<ArrayBuffer>> {
  const writer = openWriter(WRITER_BYTES);
  for await (const piece of text) writeAll(writer, piece);
  return finishBytes(writer);
}

/** Bytes some at a time: others have their turn while they are stored. */
function* inPieces(bytes: Uint8Array): Generator<Uint8Array, void> {
  for (let start = 0; start < bytes.length; start += WRITE_BYTES) yield bytes.subarray(start, start + WRITE_BYTES);
}

/** JSON records as they answer {"instances": […]}: prediction servers call them so. */
async function* asPredictions(records: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void> {
  yield utf8('{"predictions":');
  yield* records;
  yield utf8('}');
}

type Write = (writer: ByteWriter) => void;

async function* putTogether(
  deps: OutputDeps,
  settled: readonly Settled[],
  format: TableFormat,
): AsyncGenerator<Uint8Array, void> {
  if (settled.length === 0) {
    yield emptyTable(deps.row, format) ?? (await headerOf(deps.table, format));
    return;
  }
  const someFailed = settled.some((range) => 'error' in range);
  const merge = openMerge(format, { parts: settled.length, someFailed });
  const { held, bytes } = await lookAtAll(deps, settled, merge);
  const bytesMax = Math.max(deps.outputBytes, GROWTH_MAX * bytes);
  try {
    yield* written(deps, settled, { merge, held, bytesMax });
  } catch (error) {
    throw error instanceof WriterFull ? tooLong(bytes, bytesMax, error) : error;
  }
}

interface Looked {
  readonly merge: TableMerge;
  /** What writes the parts of some groups, by the place of their first. */
  readonly held: Map<number, readonly Write[]>;
  /** Bytes that the output may have. */
  readonly bytesMax: number;
}

async function* written(
  deps: OutputDeps,
  settled: readonly Settled[],
  { merge, held, bytesMax }: Looked,
): AsyncGenerator<Uint8Array, void> {
  let room = bytesMax;
  let writer = openWriter(WRITER_BYTES, room);
  merge.begin(writer);
  for (let start = 0; start < settled.length; start += READ_AT_ONCE) {
    deps.signal.throwIfAborted();
    for (const write of held.get(start) ?? (await lookAt(deps, settled, merge, start)).writes) {
      write(writer);
      if (writer.length < WRITE_BYTES) continue;
      room -= writer.length;
      yield finishBytes(writer);
      // Who takes them may hold them, and has nothing to wait for.
      await nextTurn();
      writer = openWriter(WRITER_BYTES, room);
    }
    held.delete(start);
  }
  merge.end(writer);
  yield finishBytes(writer);
}

function tooLong(bytes: number, bytesMax: number, cause: WriterFull): TableError {
  return new TableError(
    `together they are longer than ${formatBytes(bytesMax)}, though the chunks have answered ${formatBytes(bytes)}, since every row has all columns of all rows. Return the same columns in every row, or ask for application/jsonlines.`,
    { cause },
  );
}

/**
 * Looks at every part; what writes them is answered for the first groups, as many as may be held.
 */
async function lookAtAll(
  deps: OutputDeps,
  settled: readonly Settled[],
  merge: TableMerge,
): Promise<{ readonly held: Map<number, readonly Write[]>; readonly bytes: number }> {
  const held = new Map<number, readonly Write[]>();
  let bytes = 0;
  for (let start = 0; start < settled.length; start += READ_AT_ONCE) {
    const looked = await lookAt(deps, settled, merge, start);
    bytes += looked.bytes;
    if (bytes <= HELD_BYTES_MAX) held.set(start, looked.writes);
  }
  return { held, bytes };
}

/** Reads the parts of a group and looks at them. */
async function lookAt(
  deps: OutputDeps,
  settled: readonly Settled[],
  merge: TableMerge,
  start: number,
): Promise<{ readonly writes: readonly Write[]; readonly bytes: number }> {
  const group = settled.slice(start, start + READ_AT_ONCE);
  const read = await Promise.all(group.map((range) => readPart(deps, range)));
  const writes: Write[] = [];
  let bytes = 0;
  for (const [k, part] of read.entries()) {
    writes.push(merge.look(part, start + k));
    const partBytes = bytesOf(part).length;
    bytes += partBytes;
    if (partBytes >= LONG_PART_BYTES) await nextTurn();
  }
  return { writes, bytes };
}

async function readPart({ ledger, payloads, table, accept }: OutputDeps, settled: Settled): Promise<MergePart> {
  const rows = settled.rows.to - settled.rows.from;
  if ('error' in settled) {
    const input = await table.slice(settled.rows);
    const failed = { kind: 'failed', rows, error: settled.error } as const;
    // What made the row fail may be just what Arrow cannot hold.
    if (accept !== null && borderFormatOf(accept) === 'arrow' && table.format !== 'csv')
      return { ...failed, input: withoutUnfit(convertTable(input, table.format, 'jsonl')), inputFormat: 'jsonl' };
    return { ...failed, input, inputFormat: table.format };
  }
  const output = await ledger.payload(settled.chunk, 'output');
  return { kind: 'rows', bytes: await payloads.read(output!), rows };
}

/** A table without rows of which the model says no columns: the input's stand in their place. */
async function headerOf(table: BatchTable, format: TableFormat): Promise<Uint8Array> {
  if (format === table.format) return table.slice({ from: 0, to: 0 });
  return encodeRows([], format, table.columns ?? table.likeness?.schema.fields.map(({ name }) => name) ?? []);
}
