// A batch as its parts: every range of its rows whose fate is settled, those of before first, and
// then each as it ends.
//
// What has ended is read from the ledger at the beginning and once more at the end; between the two
// the ends are heard of, wherever they come about (watch.ts). A chunk that was cancelled is told of
// only where its batch went on without it: else its end is that of the batch.

import { type Clock, startTimer } from '../system/clock.ts';
import type { RunId } from '../domain/ids.ts';
import { isEnded } from '../domain/run.ts';
import { type Duration, elapsed } from '../domain/time.ts';
import type { ChunkRecord, RunReader, RunRecord } from '../stores/ledger/ledger.ts';
import { isHalved } from './batch/chunk-plan.ts';
import type { Watch } from './watch.ts';

/** Something that is told of a batch. */
export type PartEvent =
  /** These rows have their output, or never will; nothing else is told of them. */
  | { readonly kind: 'part'; readonly chunk: ChunkRecord }
  /** Every part was told. */
  | { readonly kind: 'end'; readonly run: RunRecord }
  /** Nothing has happened for as long as was asked. */
  | { readonly kind: 'silence' };

/** What it takes to tell the parts of a batch. */
export interface PartsOfBatch {
  readonly ledger: RunReader;
  readonly watch: Watch;
  readonly clock: Clock;
}

/** How a batch is followed. */
export interface FollowPartsOptions {
  /** How long nothing may happen before that is told. */
  readonly silence: Duration;
  /** Nobody follows any more: no end is told. */
  readonly signal: AbortSignal;
}

/**
 * Tells the parts of a batch; ends with its `end`, or without one where nobody follows any more or
 * a part is no longer kept.
 */
export async function* followParts(
  parts: PartsOfBatch,
  runId: RunId,
  { silence, signal }: FollowPartsOptions,
): AsyncGenerator<PartEvent, void> {
  const { ledger, clock } = parts;
  const ends = new Ends(parts, runId, signal);
  const told = new Set<RunId>();
  let rowsTold = 0;
  let toldAt = clock.steady();
  function* news(chunks: readonly ChunkRecord[], isWithCancelled: boolean): Generator<PartEvent, void> {
    for (const chunk of chunks) {
      if (told.has(chunk.runId) || !isSettled(chunk) || (chunk.status === 'cancelled' && !isWithCancelled)) continue;
      told.add(chunk.runId);
      rowsTold += chunk.rows.to - chunk.rows.from;
      yield { kind: 'part', chunk };
      toldAt = clock.steady();
    }
  }
  try {
    // Asked for after the ends are listened for, so that none falls between.
    if (isOver(await ledger.run(runId))) ends.batchHasEnded();
    let chunks: readonly ChunkRecord[] | null = null;
    while (!ends.ofBatch && !signal.aborted) {
      yield* news(chunks ?? (await ledger.chunks(runId)), false);
      chunks = await ends.next(silence);
      if (elapsed(toldAt, clock.steady()) < silence) continue;
      yield { kind: 'silence' };
      toldAt = clock.steady();
    }
    if (!ends.ofBatch) return;
    // In this order: what a batch has made of its chunks is there once it has ended.
    const run = await ledger.run(runId);
    yield* news(await ledger.chunks(runId), run?.status === 'succeeded');
    const isWhole = run?.status !== 'succeeded' || rowsTold === run.batch?.rows;
    if (run !== null && isWhole) yield { kind: 'end', run };
  } finally {
    ends.close();
  }
}

const isOver = (run: RunRecord | null): boolean => run === null || isEnded(run.status);

/** Whether every part of a batch can still be told; parts that ended first are deleted first. */
export async function hasAllParts(
  ledger: RunReader,
  { runId, status, batch, payloadsKept }: RunRecord,
): Promise<boolean> {
  if (status !== 'succeeded') return true;
  if (!payloadsKept) return false;
  const settled = (await ledger.chunks(runId)).filter(isSettled);
  return settled.reduce((sum, { rows }) => sum + rows.to - rows.from, 0) === batch?.rows;
}

/** Whether nothing more will come of the rows of a chunk than what has come of it. */
function isSettled(chunk: ChunkRecord): boolean {
  return isEnded(chunk.status) && !isHalved(chunk);
}

/** What is heard of a batch and its chunks, as something that can be waited for. */
class Ends {
  readonly #stop: readonly (() => void)[];
  readonly #signal: AbortSignal;
  #chunks: ChunkRecord[] = [];
  /** Whether a chunk has ended whose rows only the ledger knows. */
  #isUnclear = false;
  #ofBatch = false;
  #wake: () => void = () => {};

  constructor({ watch }: PartsOfBatch, runId: RunId, signal: AbortSignal) {
    this.#signal = signal;
    this.#stop = [
      watch.onChunkEnd(runId, ({ runId: chunkId, rows, status, error }) => {
        if (rows === null) this.#isUnclear = true;
        else this.#chunks.push({ runId: chunkId, rows, status, error });
        this.#wake();
      }),
      watch.onEnd(runId, () => this.batchHasEnded()),
    ];
    signal.addEventListener('abort', this.#onAbort, { once: true });
  }

  get ofBatch(): boolean {
    return this.#ofBatch;
  }

  batchHasEnded(): void {
    this.#ofBatch = true;
    this.#wake();
  }

  /**
   * The chunks that have ended since the last time, once there is one, or none when nothing was
   * heard for so long; null where all must be looked at.
   */
  async next(atMost: Duration): Promise<readonly ChunkRecord[] | null> {
    if (this.#chunks.length === 0 && !this.#isUnclear && !this.#ofBatch && !this.#signal.aborted) {
      await new Promise<void>((resolve) => {
        const stopTimer = startTimer(atMost, resolve);
        this.#wake = () => {
          stopTimer();
          resolve();
        };
      });
    }
    const chunks = this.#isUnclear ? null : this.#chunks.splice(0);
    this.#isUnclear = false;
    return chunks;
  }

  close(): void {
    for (const stop of this.#stop) stop();
    this.#signal.removeEventListener('abort', this.#onAbort);
  }

  readonly #onAbort = (): void => this.#wake();
}
