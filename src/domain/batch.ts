// A batch run's options, and the progress of any run; both are stored with the run.

import type { OnRowError } from './endpoint.ts';

/**
 * How a table is run: what was used is shown on the run. None of it changes the answer but
 * `onRowError`.
 */
export interface BatchOptions {
  /** Rows per chunk. */
  readonly size: number;
  /** Chunks outstanding at once. */
  readonly maxInFlight: number;
  readonly onRowError: OnRowError;
}

/** The options of a batch that was taken in, and how many rows its table has. */
export type BatchPlan = BatchOptions & { readonly rows: number };

/** Rows from `from` (counted from 0) up to, but not including, `to`. */
export interface RowRange {
  readonly from: number;
  readonly to: number;
}

/** How far a batch has come. `failed` are rows among `done` that have no answer. */
export interface RowProgress {
  readonly done: number;
  readonly total: number;
  readonly failed: number;
}

/** How far a call or a chunk says it has come, in steps of its own. */
export interface StepProgress {
  readonly done: number;
  /** Null where it does not know. */
  readonly total: number | null;
  /** What it says beside, or null. */
  readonly message: string | null;
}

/** How far a run of any kind has come. */
export type Progress = RowProgress | StepProgress;

/** The two halves of a range of at least two rows, the first one the shorter where they differ. */
export function halves(range: RowRange): readonly [RowRange, RowRange] {
  const middle = range.from + Math.floor((range.to - range.from) / 2);
  return [
    { from: range.from, to: middle },
    { from: middle, to: range.to },
  ];
}
