// What the engine tells of its work as it goes, to be counted or written down. All of it
// is called on the path of every run: an observer returns at once, never throws, and makes as
// little for the collector as it can.

import type { RunError } from '../domain/errors.ts';
import type { RunId } from '../domain/ids.ts';
import type { EndedStatus, RunKind } from '../domain/run.ts';
import type { Duration } from '../domain/time.ts';
import type { AttemptResult, ClaimedRun, Recorded, RunRecord } from '../stores/ledger/ledger.ts';
import type { HeldClaim } from './leases.ts';

/**
 * How an attempt ended. `retried` failed, and its run is tried again; `released` was handed back
 * unfinished. The outcome of the last two was refused, because the run had been cancelled
 * meanwhile, or the claim was lost in another way.
 */
export const ATTEMPT_OUTCOMES = ['succeeded', 'failed', 'retried', 'released', 'cancelled', 'lost'] as const;
/** One of `ATTEMPT_OUTCOMES`. */
export type AttemptOutcome = (typeof ATTEMPT_OUTCOMES)[number];

/** A run as it is written down. */
export interface QueuedRun {
  readonly runId: RunId;
  readonly endpoint: string;
  readonly version: number;
  readonly kind: RunKind;
  readonly tenant: string;
  readonly trace: string | null;
}

/**
 * A run that has ended. What ended it may know only its id, its endpoint and whether it was a
 * chunk.
 */
export type EndedRun = Pick<RunRecord, 'runId' | 'endpoint' | 'parentId'> & Partial<RunRecord>;

/** See the head of this file. */
export interface RunObserver {
  /** A run was written down. */
  queued(run: QueuedRun): void;
  /**
   * A run was claimed, after it had waited so long since it arrived, or (a retry) since it was due.
   */
  started(claimed: ClaimedRun, waited: Duration): void;
  /** An attempt is over, so long after its claim; `error` is what it failed with, where it did. */
  attempted(claimed: ClaimedRun, outcome: AttemptOutcome, took: Duration, error: RunError | null): void;
  /**
   * A run has ended, and the ledger has it. Chunks that end with their batch are not told of one by
   * one.
   */
  ended(run: EndedRun, status: EndedStatus, error: RunError | null): void;
  /** A claim was taken back whose owner was gone: its run is queued again, or has ended. */
  reclaimed(run: EndedRun): void;
  /** A replica became ready, so long after its start. */
  replicaReady(endpoint: string, startedIn: Duration): void;
  /** A replica did not become ready. */
  replicaFailed(endpoint: string): void;
}

/** How an attempt ended, from what the ledger was told of it and what that said. */
export function outcomeOf({ kind }: AttemptResult, recorded: Recorded, { signal }: HeldClaim): AttemptOutcome {
  if (recorded === 'recorded') return kind === 'retry' ? 'retried' : kind;
  return signal.reason === 'cancelled' ? 'cancelled' : 'lost';
}

/** What a span says of an attempt. */
export const attemptAttributes = ({ run, claim, slot }: ClaimedRun) => ({
  'claimcheck.run_id': claim.runId,
  'claimcheck.attempt': claim.attempt,
  'claimcheck.endpoint': run.endpoint,
  'claimcheck.version': run.version,
  'claimcheck.kind': run.kind,
  ...(slot.replica === null ? {} : { 'claimcheck.replica': slot.replica }),
});

/** One observer in place of several, who are told in their order. */
export function observeWith(all: readonly RunObserver[]): RunObserver {
  return {
    queued: (run) => all.forEach((one) => one.queued(run)),
    started: (claimed, waited) => all.forEach((one) => one.started(claimed, waited)),
    attempted: (claimed, outcome, took, error) => all.forEach((one) => one.attempted(claimed, outcome, took, error)),
    ended: (run, status, error) => all.forEach((one) => one.ended(run, status, error)),
    reclaimed: (run) => all.forEach((one) => one.reclaimed(run)),
    replicaReady: (endpoint, startedIn) => all.forEach((one) => one.replicaReady(endpoint, startedIn)),
    replicaFailed: (endpoint) => all.forEach((one) => one.replicaFailed(endpoint)),
  };
}
