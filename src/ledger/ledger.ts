// The port to whatever keeps the runs. Every method is one transaction, durable when its promise resolves; no transaction crosses this line.
// A driver is done when the conformance suite in test/ledger/ passes for it.

import type { BatchPlan, Progress, RowRange } from '../domain/batch.ts';
import type { RunError } from '../domain/errors.ts';
import type { RunId } from '../domain/ids.ts';
import type { Payload, PayloadFacts } from '../domain/payload.ts';
import type { RunKind, RunStatus } from '../domain/run.ts';
import type { Duration, Instant } from '../domain/time.ts';

/** A deployment as the ledger keeps it; another fingerprint makes a new version. */
export interface Deployment {
  readonly name: string;
  readonly fingerprint: string;
  /** Top-level runs that may be queued at once. */
  readonly queueLimit: number;
}

/** A run to be written down. */
export interface NewRun {
  readonly runId: RunId;
  readonly endpoint: string;
  readonly version: number;
  readonly kind: RunKind;
  readonly runName: string | null;
  readonly priority: number;
  /** Limit of one attempt; a batch hands it on to its chunks. */
  readonly timeout: Duration | null;
  /** How long it may wait; null for a chunk, which waits inside its parent. */
  readonly queueTtl: Duration | null;
  /** After how many counted attempts it fails when its worker is lost once more; null for a batch, which resumes however often. */
  readonly lostWorkersMax: number | null;
  /** JSON text of an object. */
  readonly metadata: string;
  /** Content type that the caller wants the output in, or null for the input's. */
  readonly accept: string | null;
  /** Null for a chunk, whose input is its rows of the parent's table. */
  readonly input: Payload | null;
  readonly batch: BatchPlan | null;
  readonly parent: { readonly claim: Claim; readonly rows: RowRange } | null;
  readonly idempotency: { readonly key: string; readonly fingerprint: string } | null;
}

/** What became of a run handed in. */
export type Enqueued =
  | { readonly result: 'enqueued'; readonly sequence: number; readonly ahead: number; readonly createdAt: Instant }
  /** The same idempotency key and the same request came before: this is its run. */
  | { readonly result: 'replayed'; readonly runId: RunId }
  /** The same idempotency key came before with another request. */
  | { readonly result: 'key-reused' }
  /** The endpoint's queue limit is reached; nothing was stored. */
  | { readonly result: 'queue-full'; readonly queued: number }
  /** The parent's claim is no longer valid, or these rows already have their chunk; nothing was stored. */
  | { readonly result: 'refused' };

/** The only right to write a run's outcome. `attempt` never goes down: it is what stops a late worker from writing over a new owner. */
export interface Claim {
  readonly runId: RunId;
  readonly attempt: number;
}

/** A place where a run can start now. */
export interface Slot {
  /** Null for a batch, which holds no replica. */
  readonly replica: string | null;
  /** How long the replica took to become ready, where this is its first run. */
  readonly coldStart: Duration | null;
}

/** What a dispatcher asks for: as many runs as it has slots, most urgent first. */
export interface ClaimRequest {
  readonly endpoint: string;
  /** `replica` takes calls and chunks, `engine` takes batches. */
  readonly lane: 'replica' | 'engine';
  readonly slots: readonly Slot[];
  /** Who holds the claims: one id per server process. */
  readonly owner: string;
  readonly lease: Duration;
}

/** A claimed run with what is needed to execute it. */
export interface ClaimedRun {
  readonly claim: Claim;
  readonly run: RunRecord;
  readonly slot: Slot;
  /** Attempts that count for the retry policy, this one included. */
  readonly countedAttempts: number;
  readonly input: Payload | null;
}

/** How an attempt ended. */
export type AttemptResult =
  | { readonly kind: 'succeeded'; readonly output: Payload }
  | { readonly kind: 'failed'; readonly error: RunError }
  | { readonly kind: 'retry'; readonly error: RunError; readonly delay: Duration }
  /** Handed back unfinished, as when the server stops: the attempt does not count. */
  | { readonly kind: 'released' };

/** The end of an attempt; `progress` is the last word on a batch's rows. */
export interface FinishedAttempt {
  readonly claim: Claim;
  readonly result: AttemptResult;
  readonly progress: Progress | null;
}

/** Whether an outcome was written; `'lost'` is a normal race (cancelled, expired, claimed anew) and changed nothing. */
export type Recorded = 'recorded' | 'lost';

/** What a cancel found. A cancel takes the run's children with it; `stopped` are all that were running. */
export type Cancelled =
  | { readonly result: 'cancelled'; readonly stopped: readonly Claim[] }
  | { readonly result: 'already-cancelled' }
  | { readonly result: 'ended' }
  | { readonly result: 'unknown' };

/** A run as it stands. */
export interface RunRecord {
  /** Order of arrival; rises with every run. */
  readonly sequence: number;
  readonly runId: RunId;
  readonly endpoint: string;
  readonly version: number;
  readonly kind: RunKind;
  readonly status: RunStatus;
  readonly runName: string | null;
  readonly priority: number;
  readonly attempt: number;
  readonly createdAt: Instant;
  /** When it may start; later than now only while a retry is delayed. */
  readonly dueAt: Instant;
  readonly startedAt: Instant | null;
  readonly finishedAt: Instant | null;
  readonly timeout: Duration | null;
  readonly queueTtl: Duration | null;
  /** JSON text of an object. */
  readonly metadata: string;
  readonly accept: string | null;
  readonly parentId: RunId | null;
  readonly rows: RowRange | null;
  readonly batch: BatchPlan | null;
  readonly progress: Progress | null;
  readonly input: PayloadFacts | null;
  readonly output: PayloadFacts | null;
  readonly error: RunError | null;
}

/** One try at executing a run. */
export interface AttemptRecord {
  readonly attempt: number;
  readonly replica: string | null;
  readonly coldStart: Duration | null;
  readonly startedAt: Instant;
  /** When the ledger took the attempt for over. */
  readonly finishedAt: Instant | null;
  /** When the replica really stopped working on it; later than `finishedAt` after a cancel. */
  readonly stoppedAt: Instant | null;
  readonly outcome: 'succeeded' | 'failed' | 'cancelled' | 'lost' | 'released' | null;
  readonly error: RunError | null;
}

/** Which runs to list, newest first. */
export interface RunFilter {
  readonly endpoint?: string;
  readonly status?: RunStatus;
  readonly runName?: string;
  /** Chunks of this run; unset lists top-level runs alone. */
  readonly parentId?: RunId;
  readonly createdAfter?: Instant;
  readonly createdBefore?: Instant;
  /** Only runs that arrived before this sequence number: where the last page ended. */
  readonly before?: number;
  readonly limit: number;
}

/** A chunk of a batch, as much as the merge needs. */
export interface ChunkRecord {
  readonly runId: RunId;
  readonly rows: RowRange;
  readonly status: RunStatus;
  readonly error: RunError | null;
}

/** Beyond this many, a backlog is not counted further: whoever asks wants to know how many replicas it keeps busy. */
export const BACKLOG_COUNT_MAX = 1_000;

/** How much waits and works at an endpoint. */
export interface EndpointDepth {
  readonly endpoint: string;
  /** Top-level runs that count for the queue limit. */
  readonly queued: number;
  /** Calls and chunks that wait for a replica, counted up to BACKLOG_COUNT_MAX. */
  readonly backlog: number;
  readonly running: number;
}

/** A run that the sweeper ended or put back, for those who wait for it. */
export interface Swept {
  readonly runId: RunId;
  readonly endpoint: string;
  readonly parentId: RunId | null;
  readonly status: RunStatus;
}

/** How the driver has been writing; `calls / commits` is the size of its groups, and every commit is one fsync of the log. */
export interface LedgerStats {
  readonly calls: number;
  readonly commits: number;
}

/** See the head of this file. */
export interface Ledger {
  /** Records a deployment and answers its version, which rises by one when the fingerprint changes. */
  deploy(deployment: Deployment): Promise<number>;
  /** Writes runs down; each one's result stands at its place. */
  enqueue(runs: readonly NewRun[]): Promise<Enqueued[]>;
  claim(request: ClaimRequest): Promise<ClaimedRun[]>;
  /** Extends leases; each claim's answer stands at its place. */
  renew(claims: readonly Claim[], lease: Duration): Promise<Recorded[]>;
  /** Writes a batch's progress while it runs. */
  progress(claim: Claim, progress: Progress): Promise<Recorded>;
  /** Ends attempts; an attempt whose outcome is `'lost'` only has its `stoppedAt` noted. */
  finish(attempts: readonly FinishedAttempt[]): Promise<Recorded[]>;
  cancel(runId: RunId): Promise<Cancelled>;
  /** Queues again, or fails, every running run whose owner is gone: its lease has lapsed, or (in a ledger with one server) it is not `owner`'s. */
  reclaim(owner: string): Promise<Swept[]>;
  /** Fails every queued run that has waited longer than its `queueTtl`. */
  expire(): Promise<Swept[]>;
  run(runId: RunId): Promise<RunRecord | null>;
  runs(filter: RunFilter): Promise<RunRecord[]>;
  attempts(runId: RunId): Promise<AttemptRecord[]>;
  payload(runId: RunId, role: 'input' | 'output'): Promise<Payload | null>;
  /** Every chunk of a batch, in the order of its rows. */
  chunks(parentId: RunId): Promise<ChunkRecord[]>;
  /** How many queued runs of its endpoint are more urgent than a run, counted up to BACKLOG_COUNT_MAX. */
  ahead(runId: RunId): Promise<number>;
  depths(): Promise<EndpointDepth[]>;
  stats(): LedgerStats;
  /** Waits for what was handed in, then lets go of the store. */
  close(): Promise<void>;
}
