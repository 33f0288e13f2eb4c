// The port to the store of runs. Every method is one transaction, durable when its promise
// resolves; no transaction crosses this line. A driver is done when the conformance suite in
// test/stores/ledger/ passes for it.

import type { Viewer } from '../../domain/access.ts';
import type { BatchPlan, Progress, RowRange } from '../../domain/batch.ts';
import type { Callback, CallbackEvent, DeliveryId } from '../../domain/delivery.ts';
import type { RunError } from '../../domain/errors.ts';
import type { RunId } from '../../domain/ids.ts';
import type { BlobKey, Payload, PayloadFacts } from '../../domain/payload.ts';
import type { RunKind, RunStatus } from '../../domain/run.ts';
import type { Duration, Instant } from '../../domain/time.ts';

/** A deployment of an endpoint; another fingerprint is another version. */
export interface Deployment {
  readonly name: string;
  readonly fingerprint: string;
  /** The specification as JSON text: what a server that starts later needs to run it. */
  readonly spec: string;
  /** Whether a configuration names it, or somebody asked a server for it. */
  readonly source: 'config' | 'api';
  /** Top-level runs that may be queued at once. */
  readonly queueLimit: number;
  /**
   * Calls and chunks that may run at once over all servers, or null for as many as there are slots.
   */
  readonly concurrencyLimit: number | null;
}

/** Where a version stands: `superseded` took new runs once, `failed` never did. */
export type DeploymentState = 'starting' | 'active' | 'superseded' | 'failed';

/** A version of an endpoint as it stands. */
export interface DeploymentRecord extends Omit<Deployment, 'name' | 'queueLimit' | 'concurrencyLimit'> {
  readonly endpoint: string;
  readonly version: number;
  readonly state: DeploymentState;
  /** Why it has failed; null unless it has. */
  readonly reason: string | null;
  readonly deployedAt: Instant;
}

/** What a version that was starting has come to. */
export type Settlement = { readonly state: 'active' } | { readonly state: 'failed'; readonly reason: string };

/** The outcome of taking an endpoint away. */
export type Retired = 'retired' | 'in-use';

/** A run to be written down. */
export interface NewRun {
  readonly runId: RunId;
  readonly endpoint: string;
  readonly version: number;
  readonly kind: RunKind;
  /** Whose run it is: where runs of several tenants wait, they take turns. */
  readonly tenant: string;
  readonly runName: string | null;
  readonly priority: number;
  /** Limit of one attempt; a batch hands it on to its chunks. */
  readonly timeout: Duration | null;
  /** How long it may wait; null for a chunk, which waits inside its parent. */
  readonly queueTtl: Duration | null;
  /**
   * After how many counted attempts it fails when its worker is lost once more; null for a batch,
   * of which the engine decides.
   */
  readonly lostWorkersMax: number | null;
  /** JSON text of an object. */
  readonly metadata: string;
  /** Content type that the caller wants the output in, or null for the input's. */
  readonly accept: string | null;
  /** Null for a chunk, whose input is its rows of the parent's table. */
  readonly input: Payload | null;
  readonly batch: BatchPlan | null;
  readonly parent: { readonly claim: Claim; readonly rows: RowRange } | null;
  /** Scoped to the tenant; stands for this run for IDEMPOTENCY_KEY_KEPT. */
  readonly idempotency: { readonly key: string; readonly fingerprint: string } | null;
  /**
   * While a run of the same endpoint and tenant with the same key has not ended, no other is
   * stored.
   */
  readonly concurrencyKey: string | null;
  /** The ended run whose input this one tries again. */
  readonly retryOf: RunId | null;
  /** How long its input and output are kept after its end. */
  readonly retention: Duration;
  /** Who is told of its end, by a delivery written in the transaction that ends it. */
  readonly callback: Callback | null;
  /**
   * The trace that it belongs to: JSON text of the headers in which that travels; null where it has
   * none.
   */
  readonly trace: string | null;
}

/** The outcome of handing a run in. */
export type Enqueued =
  | { readonly result: 'enqueued'; readonly sequence: number; readonly ahead: number; readonly createdAt: Instant }
  /** The same idempotency key and the same request came before: this is its run. */
  | { readonly result: 'replayed'; readonly runId: RunId }
  /** The same idempotency key came before with another request. */
  | { readonly result: 'key-reused' }
  /**
   * A run with the same concurrency key has not ended yet: this is it, and the new one's
   * idempotency key stands for it from now on.
   */
  | { readonly result: 'deduplicated'; readonly runId: RunId }
  /** The endpoint's queue limit is reached; nothing was stored. */
  | { readonly result: 'queue-full'; readonly queued: number }
  /**
   * The parent's claim is no longer valid, or these rows already have their chunk; nothing was
   * stored.
   */
  | { readonly result: 'refused' };

/**
 * The only right to write a run's outcome. `attempt` never goes down: it is what stops a late
 * worker from writing over a new owner.
 */
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
  /** Only runs of this version. */
  readonly version: number;
  /** `replica` takes calls and chunks, `engine` takes batches. */
  readonly lane: 'replica' | 'engine';
  readonly slots: readonly Slot[];
  /**
   * Whether nothing else runs on the replica of any slot, nor will until the claim has ended. A run
   * whose worker was lost is handed out only then, so that the blame falls on one run when the
   * worker is lost again. Without meaning for batches.
   */
  readonly alone: boolean;
  /** Who holds the claims: one id per server process. */
  readonly owner: string;
  readonly lease: Duration;
}

/** A claimed run with what is needed to execute it. */
export interface ClaimedRun {
  readonly claim: Claim;
  readonly run: RunRecord;
  readonly slot: Slot;
  /** Whether its worker was lost before, so that nothing else may run beside it. */
  readonly alone: boolean;
  /** Attempts that count for the retry policy, this one included. */
  readonly countedAttempts: number;
  readonly input: Payload | null;
  /**
   * The names of its texts that can no longer be read; absent where all can. Where they are its
   * callback's events, nobody is told of its end.
   */
  readonly damaged?: readonly string[];
}

/** How an attempt ended. */
export type AttemptResult =
  | { readonly kind: 'succeeded'; readonly output: Payload }
  | { readonly kind: 'failed'; readonly error: RunError }
  | { readonly kind: 'retry'; readonly error: RunError; readonly delay: Duration }
  /** Handed back unfinished, as when the server stops: the attempt does not count. */
  /**
   * Handed back unfinished, at once or (where trying again at once would be for nothing) after a
   * time.
   */
  | { readonly kind: 'released'; readonly delay?: Duration };

/**
 * The end of an attempt; `progress` is the last word on how far it has come, where there is one.
 */
export interface FinishedAttempt {
  readonly claim: Claim;
  readonly result: AttemptResult;
  readonly progress: Progress | null;
}

/**
 * Whether an outcome was written; `'lost'` is a normal race (cancelled, expired, claimed anew) and
 * changed nothing.
 */
export type Recorded = 'recorded' | 'lost';

/**
 * What a cancel found. A cancel takes the run's children with it; `stopped` are all that were
 * running.
 */
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
  readonly tenant: string;
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
  /**
   * Whether its input and output can still be had; false once its retention is over, and never true
   * again.
   */
  readonly payloadsKept: boolean;
  readonly error: RunError | null;
  readonly concurrencyKey: string | null;
  readonly retryOf: RunId | null;
  readonly retention: Duration;
  readonly callback: Callback | null;
  /** JSON text of headers, as `NewRun` has it. */
  readonly trace: string | null;
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

/** A run with what its readers want to know beside it, all as of one moment. */
export interface RunDetails {
  readonly run: RunRecord;
  readonly attempts: readonly AttemptRecord[];
  /** As `ahead` answers it; null for a run that is not queued. */
  readonly ahead: number | null;
  /**
   * The output's bytes where the ledger itself keeps them; null where there is none, or it lies in
   * the blob store.
   */
  readonly output: Uint8Array | null;
}

/** Which runs to list, newest first. */
export interface RunFilter {
  /** Only runs that somebody sees; unset lists everybody's. */
  readonly viewer?: Viewer;
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

/** How many runs one purge cancels, so that it never keeps other callers waiting for long. */
export const PURGE_MAX = 1_000;

/** How many runs one call hands to another version, for the same reason. */
export const ADOPT_MAX = 1_000;

/**
 * Beyond this many, a backlog is not counted further: it is asked for to know how many replicas it
 * keeps busy.
 */
export const BACKLOG_COUNT_MAX = 1_000;

/** How much waits and works at an endpoint. */
export interface EndpointDepth {
  readonly endpoint: string;
  /** Top-level runs that count for the queue limit. */
  readonly queued: number;
  /** Calls and chunks that wait for a replica, counted up to BACKLOG_COUNT_MAX. */
  readonly backlog: number;
  /**
   * Those of the backlog that have lost a worker and are handed out only to a replica which does
   * nothing else.
   */
  readonly alone: number;
  readonly running: number;
  /** When the run that waits longest arrived, or null where none waits. */
  readonly oldestQueuedAt: Instant | null;
}

/** What waits for the replicas of one version, counted up to BACKLOG_COUNT_MAX. */
export interface Backlog {
  /** Calls and chunks. */
  readonly waiting: number;
  /**
   * Those of them that have lost a worker and are handed out only to a replica which does nothing
   * else.
   */
  readonly alone: number;
}

/** A run that the sweeper ended or put back, for those who wait for it. */
export interface Swept {
  readonly runId: RunId;
  readonly endpoint: string;
  readonly parentId: RunId | null;
  readonly status: RunStatus;
}

/** Which queued top-level runs to cancel. */
export interface QueueFilter {
  /** Only runs that somebody sees; unset takes everybody's. */
  readonly viewer?: Viewer;
  readonly endpoint: string;
  /** Only runs that arrived before this instant. */
  readonly createdBefore?: Instant;
  readonly runName?: string;
}

/** What a purge has cancelled: queued runs, and those of their chunks that were running. */
export interface Purged {
  readonly cancelled: readonly RunId[];
  readonly stopped: readonly Claim[];
}

/**
 * What was collected: how many runs lost their payloads or were forgotten, blobs that nobody refers
 * to any more, and whose logs nobody is shown any more.
 */
export interface Collected {
  readonly runs: number;
  readonly blobs: readonly BlobKey[];
  readonly logs: readonly LogsOfRun[];
}

/** The logs of a run: a file for every attempt that wrote any. */
export interface LogsOfRun {
  readonly runId: RunId;
  readonly attempts: number;
}

/** The right to write the outcome of a delivery, for one attempt at it. */
export interface DeliveryClaim {
  readonly deliveryId: DeliveryId;
  readonly attempt: number;
}

/**
 * How many deliveries may be on their way to one host (`example.com:8080`), and where some are
 * already.
 */
export interface HostPlaces {
  readonly perHost: number;
  /** How many are, by host; none where a host is missing. */
  readonly taken: Readonly<Record<string, number>>;
}

/** A delivery that is to be attempted now. */
export interface ClaimedDelivery {
  readonly claim: DeliveryClaim;
  /**
   * Which attempt of its series this is, counted from 1: a series begins with the delivery, and
   * anew when somebody asks for it again.
   */
  readonly tries: number;
  readonly runId: RunId;
  readonly endpoint: string;
  readonly event: CallbackEvent;
  readonly url: string;
  readonly createdAt: Instant;
}

/** What an attempt at a delivery met with. */
export interface DeliveryAnswer {
  /** The receiver's HTTP status, or null where it did not answer. */
  readonly status: number | null;
  /** How long the receiver took. */
  readonly latency: Duration;
  /** What the receiver said or what went wrong, in one line. */
  readonly detail: string;
}

/**
 * How an attempt at a delivery ended. `abandoned` is one after which nobody tries again by itself.
 */
export type DeliveryResult = DeliveryAnswer &
  ({ readonly kind: 'delivered' | 'abandoned' } | { readonly kind: 'retry'; readonly delay: Duration });

/** The end of an attempt at a delivery. */
export interface FinishedDelivery {
  readonly claim: DeliveryClaim;
  readonly result: DeliveryResult;
}

/** One attempt at a delivery. */
export interface DeliveryAttemptRecord {
  readonly attempt: number;
  readonly startedAt: Instant;
  /**
   * Null while it is on its way, and for good where it was cut off: its server died, or the next
   * one did not wait for it.
   */
  readonly finishedAt: Instant | null;
  readonly answer: DeliveryAnswer | null;
}

/** A delivery as it stands. */
export interface DeliveryRecord {
  readonly deliveryId: DeliveryId;
  readonly event: CallbackEvent;
  readonly url: string;
  readonly attempt: number;
  readonly createdAt: Instant;
  /** When it is attempted next; without meaning once it has an outcome. */
  readonly dueAt: Instant;
  readonly outcome: 'delivered' | 'abandoned' | null;
  /** What the last attempt came to, or null before there was one. */
  readonly detail: string | null;
  /** Every attempt, in their order. */
  readonly attempts: readonly DeliveryAttemptRecord[];
}

/**
 * A promise that the tables break, and where; there is none unless there is a bug, or somebody else
 * wrote into the store.
 */
export interface Violation {
  /** The promise, as a sentence. */
  readonly promise: string;
  /** The run, the endpoint or the row that breaks it. */
  readonly where: string;
}

/**
 * What another server did that somebody here may be waiting for. It may be late, or never come:
 * one that waits asks the ledger as well.
 */
export type Hint =
  | { readonly kind: 'queued'; readonly endpoint: string }
  | { readonly kind: 'ended'; readonly runId: RunId; readonly parentId: RunId | null };

/**
 * How the driver has been writing; `calls / commits` is the size of its groups, and every commit is
 * one fsync of the log.
 */
export interface LedgerStats {
  readonly calls: number;
  readonly commits: number;
  /**
   * Outcomes that were refused because the claim was lost: every one of them would have written
   * over somebody else's.
   */
  readonly lost: number;
}

/**
 * What a ledger knows of itself and of the data folder that it belongs to;
 * `src/stores/belonging.ts` says what for.
 */
export interface Identity {
  /** Made with the ledger; never changes. */
  readonly ledger: string;
  /** The folder that it belongs to; null before its first. */
  readonly folder: string | null;
  /** Another one with every start and every stop of a server; null where `folder` is. */
  readonly mark: string | null;
  /** Whether another server works on it at this moment that says it has another folder. */
  readonly isElsewhere: boolean;
}

/** A blob that a run names. */
export interface NamedBlob {
  readonly key: BlobKey;
  readonly runId: RunId;
  readonly role: 'input' | 'output';
  readonly facts: PayloadFacts;
}

/** What is deployed: versions of endpoints. */
export interface DeploymentLedger {
  /**
   * Makes a deployment the active one, and answers the version that is active then: one that was
   * deployed before keeps its number, any other has the next. A configuration that was the last one
   * to be deployed already changes nothing, so that what was deployed through a server since then
   * stays.
   */
  deploy(deployment: Deployment): Promise<number>;
  /** Writes a deployment down without making it the active one, and answers its version. */
  stage(deployment: Deployment): Promise<number>;
  /** Makes a version that was staged the active one, or writes down why it could not be. */
  settle(endpoint: string, version: number, settlement: Settlement): Promise<void>;
  /**
   * Takes an endpoint away, so that it has no active version and takes no runs until it is deployed
   * again; what is known of its runs and versions stays. `'in-use'`, and nothing has changed, while
   * one of its runs has not ended.
   */
  retire(endpoint: string): Promise<Retired>;
  /** Every version of every endpoint, by endpoint and version. */
  deployments(): Promise<DeploymentRecord[]>;
  /**
   * Hands queued runs of other versions to this one, ADOPT_MAX at the most, and answers how many:
   * a caller that wants them all asks until it is fewer. Versions that are `served`, or of which
   * something runs, keep theirs.
   */
  adopt(endpoint: string, version: number, served: readonly number[]): Promise<number>;
}

/** What moves runs forward: they are written down, claimed, ended, cancelled and taken back. */
export interface QueueLedger {
  /** Writes runs down; each one's result stands at its place. */
  enqueue(runs: readonly NewRun[]): Promise<Enqueued[]>;
  claim(request: ClaimRequest): Promise<ClaimedRun[]>;
  /** Extends leases; each claim's answer stands at its place. */
  renew(claims: readonly Claim[], lease: Duration): Promise<Recorded[]>;
  /**
   * Writes a run's progress while it runs. What a call or a chunk has said is forgotten with its
   * next attempt; a batch goes on.
   */
  progress(claim: Claim, progress: Progress): Promise<Recorded>;
  /**
   * Ends attempts; an attempt whose outcome is `'lost'` only has its `stoppedAt` noted.
   *
   * @param time `'again'` where an earlier call failed and may have written them all the same: then
   *   what it wrote is `'recorded'`, too
   */
  finish(attempts: readonly FinishedAttempt[], time?: 'first' | 'again'): Promise<Recorded[]>;
  cancel(runId: RunId): Promise<Cancelled>;
  /**
   * Cancels queued runs, oldest first and PURGE_MAX at the most: a caller that wants them all asks
   * until none is left.
   */
  purge(filter: QueueFilter): Promise<Purged>;
  /** How many runs a purge would cancel. */
  countQueued(filter: QueueFilter): Promise<number>;
  /**
   * Queues again, or fails, every running run whose owner is gone: its lease has lapsed, or (in a
   * ledger with one server) it is not `owner`'s.
   */
  reclaim(owner: string): Promise<Swept[]>;
  /** Fails every queued run that has waited longer than its `queueTtl`. */
  expire(): Promise<Swept[]>;
}

/** What is kept no longer. */
export interface RetentionLedger {
  /**
   * Drops the inputs and outputs whose retention is over, forgets runs whose line is no longer kept
   * and idempotency keys that stand for nothing any more; a bounded number at a time. The blobs and
   * logs it answers are deleted by the caller, after this: a row never names a blob that is gone.
   */
  collect(): Promise<Collected>;
  /** Those of the blobs that no run names: left over from a write that never came to its end. */
  unreferenced(blobs: readonly BlobKey[]): Promise<BlobKey[]>;
}

/** Deliveries to those who asked to be told of a run's end. */
export interface DeliveryLedger {
  /**
   * Takes deliveries that are due, `limit` at the most; one whose claim has lapsed is due again.
   * Without `places` any number may go to one host. It need not find all that there is for it in
   * one call: a caller that wants everything asks until there is nothing.
   */
  claimDeliveries(limit: number, lease: Duration, places?: HostPlaces): Promise<ClaimedDelivery[]>;
  /**
   * Takes deliveries that are due for a few hosts (`example.com:8080`), for each as many as it has
   * places free, the longest due first. What is due for others is not even looked at, so it costs
   * no more where that is much.
   */
  claimDeliveriesTo(free: Readonly<Record<string, number>>, lease: Duration): Promise<ClaimedDelivery[]>;
  /**
   * Writes the outcomes of deliveries; each one's answer stands at its place. A claim from before a
   * redelivery is lost.
   */
  finishDeliveries(finished: readonly FinishedDelivery[]): Promise<Recorded[]>;
  /**
   * Makes a delivery due now, regardless of its outcome, and begins another series of attempts;
   * false where the run has no such delivery.
   */
  redeliver(runId: RunId, deliveryId: DeliveryId): Promise<boolean>;
}

/** What is known of runs. */
export interface RunReader {
  /**
   * With a viewer, a run that it does not see is null like one that is not there; without, it is
   * asked on nobody's behalf.
   */
  run(runId: RunId, viewer?: Viewer): Promise<RunRecord | null>;
  /** One call in place of four, to show a run; `viewer` as `run` has it. */
  details(runId: RunId, viewer?: Viewer): Promise<RunDetails | null>;
  runs(filter: RunFilter): Promise<RunRecord[]>;
  attempts(runId: RunId): Promise<AttemptRecord[]>;
  payload(runId: RunId, role: 'input' | 'output'): Promise<Payload | null>;
  /** Every chunk of a batch, in the order of its rows. */
  chunks(parentId: RunId): Promise<ChunkRecord[]>;
  deliveries(runId: RunId): Promise<DeliveryRecord[]>;
  /**
   * How many queued runs of its endpoint and version are more urgent than a run, counted up to
   * BACKLOG_COUNT_MAX.
   */
  ahead(runId: RunId): Promise<number>;
  depths(): Promise<EndpointDepth[]>;
  backlog(endpoint: string, version: number): Promise<Backlog>;
  /** Whether any run of a version, of any kind, has not ended. */
  hasOpenRuns(endpoint: string, version: number): Promise<boolean>;
}

/**
 * The store itself: whether it is there, whose it is, what it holds, and whether it keeps its
 * promises.
 */
export interface LedgerStore {
  /**
   * Whether other servers may write here too; then one that waits must ask again from time to time.
   */
  readonly isShared: boolean;
  /** What time it is for this ledger: where several servers share one, what its database says. */
  now(): Instant;
  /**
   * Asks the store whether it is there, without patience.
   *
   * @throws StorageUnavailable
   */
  check(): Promise<void>;
  stats(): LedgerStats;
  /** Calls `listener` with what other servers did; never in a ledger that has one server. */
  onHint(listener: (hint: Hint) => void): void;
  identity(): Promise<Identity>;
  /** Writes down which folder it belongs to from now on, and the mark that the folder has. */
  belongTo(folder: string, mark: string): Promise<void>;
  /** Does work that no other server of this ledger does meanwhile. */
  exclusively<Result>(work: () => Promise<Result>): Promise<Result>;
  /**
   * Writes all that was acknowledged into the ledger's file and leaves that as it is until told
   * otherwise, so that it can be copied; null for a ledger that is in no file. Everything goes on
   * meanwhile.
   */
  readonly holdFile: ((isHeld: boolean) => Promise<void>) | null;
  /** Blobs that runs name, `limit` at the most, in the order of their keys from behind one on. */
  blobs(after: string, limit: number): Promise<NamedBlob[]>;
  /** How many runs there are, chunks among them. */
  runCount(): Promise<number>;
  /** Checks every promise that the tables must keep; empty where all is well. */
  audit(): Promise<Violation[]>;
  /**
   * Checks what single records promise, and what the engine that writes them promises of them: that
   * there is such a version, that texts can be read.
   */
  auditRecords(): Promise<Violation[]>;
  /** Waits for what was handed in, then closes the store. */
  close(): Promise<void>;
}

/** See the head of this file. */
export interface Ledger
  extends DeploymentLedger, QueueLedger, RetentionLedger, DeliveryLedger, RunReader, LedgerStore {}

/**
 * The verbs of the port: each is one transaction of the store, and asked for with the time. The
 * rest is the driver's own.
 */
export const VERBS = [
  'deploy',
  'stage',
  'settle',
  'retire',
  'deployments',
  'adopt',
  'enqueue',
  'claim',
  'renew',
  'progress',
  'finish',
  'cancel',
  'purge',
  'countQueued',
  'reclaim',
  'expire',
  'collect',
  'unreferenced',
  'claimDeliveries',
  'claimDeliveriesTo',
  'finishDeliveries',
  'redeliver',
  'run',
  'details',
  'runs',
  'attempts',
  'payload',
  'chunks',
  'deliveries',
  'ahead',
  'depths',
  'backlog',
  'hasOpenRuns',
  'identity',
  'belongTo',
  'blobs',
  'runCount',
  'audit',
  'auditRecords',
] as const satisfies readonly (keyof Ledger)[];
