// Which rows of a batch are done, which failed, and which are still to be handed out. Pure: it
// holds no run, only the state of each range.

import { halves, type RowProgress, type RowRange } from '../../domain/batch.ts';
import type { RunFailure } from '../../domain/errors.ts';
import type { RunId } from '../../domain/ids.ts';
import type { ChunkRecord } from '../../stores/ledger/ledger.ts';

/** A range whose fate is settled: the chunk that has its output, or why its rows have none. */
export type Settled = { readonly rows: RowRange } & ({ readonly chunk: RunId } | { readonly error: string });

/** Failures that one bad row can cause, so that a chunk is halved until the row stands alone. */
const CAUSED_BY_A_ROW: readonly RunFailure[] = [
  'model-error',
  'invalid-output',
  'replica-crashed',
  'out-of-memory',
  'run-timeout',
];

const rowsOf = ({ from, to }: RowRange): number => to - from;

/**
 * Whether the rows of a chunk that has ended are tried again in halves, so that its failure is not
 * the last word on them.
 */
export function isHalved({ rows, status, error }: Pick<ChunkRecord, 'rows' | 'status' | 'error'>): boolean {
  return status === 'failed' && rowsOf(rows) > 1 && error !== null && CAUSED_BY_A_ROW.includes(error.type);
}

const keyOf = ({ from, to }: RowRange): string => `${from}-${to}`;

/** The plan of one batch. */
export class ChunkPlan {
  readonly #total: number;
  readonly #settled: Settled[] = [];
  /** Ranges still to be handed out; the last is handed out first. */
  readonly #pending: RowRange[] = [];
  readonly #outstanding = new Set<string>();
  #done = 0;
  #failed = 0;

  /**
   * @param rows how many the table has
   * @param size rows per chunk
   * @param existing chunks that an earlier attempt at this batch has made already; what they did is
   *   not done again
   */
  constructor(rows: number, size: number, existing: readonly ChunkRecord[]) {
    this.#total = rows;
    const known = new Map(existing.map((chunk) => [keyOf(chunk.rows), chunk]));
    for (let from = 0; from < rows; from += size) this.#resume({ from, to: Math.min(rows, from + size) }, known);
    this.#pending.reverse();
  }

  /** Up to `limit` ranges to hand out now, in the order of rows. */
  next(limit: number): RowRange[] {
    const ranges = this.#pending.splice(Math.max(0, this.#pending.length - limit)).toReversed();
    for (const range of ranges) this.#outstanding.add(keyOf(range));
    return ranges;
  }

  get outstanding(): number {
    return this.#outstanding.size;
  }

  get complete(): boolean {
    return this.#done === this.#total;
  }

  get progress(): RowProgress {
    return { done: this.#done, total: this.#total, failed: this.#failed };
  }

  /** The first range that has no answer, or null while every settled row has one. */
  get firstFailure(): (RowRange & { readonly error: string }) | null {
    const failed = this.#settled.find((settled) => 'error' in settled);
    return failed !== undefined && 'error' in failed ? { ...failed.rows, error: failed.error } : null;
  }

  /**
   * Notes the end of a chunk. A chunk that failed with more than one row is halved, unless its
   * failure cannot come from a row.
   */
  ended(chunk: ChunkRecord): void {
    if (!this.#outstanding.delete(keyOf(chunk.rows))) return;
    const parts = this.#settle(chunk);
    this.#pending.push(...parts.toReversed());
  }

  /** Every settled range in the order of rows. */
  settledInOrder(): Settled[] {
    return this.#settled.toSorted((a, b) => a.rows.from - b.rows.from);
  }

  #resume(range: RowRange, known: ReadonlyMap<string, ChunkRecord>): void {
    const chunk = known.get(keyOf(range));
    if (chunk === undefined) this.#pending.push(range);
    else if (chunk.status === 'queued' || chunk.status === 'running') this.#outstanding.add(keyOf(range));
    else for (const half of this.#settle(chunk)) this.#resume(half, known);
  }

  /** Settles an ended chunk, or answers the halves to try in its place. */
  #settle(ended: ChunkRecord): readonly RowRange[] {
    const { runId, rows, status, error } = ended;
    if (status === 'succeeded') {
      this.#settled.push({ rows, chunk: runId });
      this.#done += rowsOf(rows);
      return [];
    }
    if (isHalved(ended)) return halves(rows);
    this.#settled.push({
      rows,
      error: error === null ? 'run-cancelled: The chunk was cancelled.' : `${error.type}: ${error.detail}`,
    });
    this.#done += rowsOf(rows);
    this.#failed += rowsOf(rows);
    return [];
  }
}
