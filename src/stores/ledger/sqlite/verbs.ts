// Every verb of the port as a synchronous function over one connection, and the group commit that
// makes many of them one fsync.

import type { DatabaseSync } from 'node:sqlite';
import type { Viewer } from '../../../domain/access.ts';
import { StorageBroken } from '../../../domain/errors.ts';
import type { DeliveryId } from '../../../domain/delivery.ts';
import type { Progress } from '../../../domain/batch.ts';
import type { RunId } from '../../../domain/ids.ts';
import type { Duration, Instant } from '../../../domain/time.ts';
import type { BlobKey } from '../../../domain/payload.ts';
import type {
  Claim,
  ClaimRequest,
  Deployment,
  FinishedAttempt,
  FinishedDelivery,
  HostPlaces,
  NewRun,
  QueueFilter,
  RunFilter,
  Settlement,
} from '../ledger.ts';
import { AttemptLog } from './attempt-log.ts';
import { Audit } from './audit.ts';
import { CancelVerbs } from './cancel.ts';
import { Claims } from './claims.ts';
import { ClockJumps } from './clock-jumps.ts';
import { Counters } from './counters.ts';
import { DeploymentVerbs } from './deployments.ts';
import { type Failure, failureOf } from '../../sqlite/failures.ts';
import { Identities } from './identity.ts';
import { IntakeVerbs } from './intake.ts';
import { Outbox } from './outbox.ts';
import { OutcomeVerbs } from './outcomes.ts';
import { Reader } from './read.ts';
import { Retention } from './retention.ts';
import { Sweep } from './sweep.ts';

/** What one connection can do. */
export interface Store {
  readonly db: DatabaseSync;
  readonly verbs: Verbs;
  /**
   * Kept in memory between commits, so they are written before one and forgotten after a rollback.
   */
  readonly counters: Counters;
  /** How a transaction begins: one that only reads must not ask for the right to write. */
  readonly begin: 'BEGIN' | 'BEGIN IMMEDIATE';
}

/** Prepares every statement on a connection. */
export function openStore(db: DatabaseSync, access: 'write' | 'read'): Store {
  const counters = new Counters(db);
  return { db, verbs: prepareVerbs(db, counters), counters, begin: access === 'read' ? 'BEGIN' : 'BEGIN IMMEDIATE' };
}

/**
 * Every verb, by its name in the port; each takes the time it was asked at before its own
 * arguments.
 */
function prepareVerbs(db: DatabaseSync, counters: Counters) {
  const attempts = new AttemptLog(db);
  const outbox = new Outbox(db);
  const cancellation = new CancelVerbs(db, attempts, counters, outbox);
  const outcomes = new OutcomeVerbs(db, { attempts, counters, cancellation, outbox });
  const sweep = new Sweep(db, outcomes, { attempts, counters, cancellation, outbox });
  const deployments = new DeploymentVerbs(db, counters);
  const intake = new IntakeVerbs(db, counters);
  const claims = new Claims(db, attempts, counters);
  const retention = new Retention(db);
  const clockJumps = new ClockJumps(db);
  const reader = new Reader(db);
  const audit = new Audit(db);
  const identities = new Identities(db);
  return {
    deploy: (now: Instant, deployment: Deployment) => deployments.deploy(now, deployment),
    stage: (now: Instant, deployment: Deployment) => deployments.stage(now, deployment),
    settle: (_now: Instant, endpoint: string, version: number, settlement: Settlement) =>
      deployments.settle(endpoint, version, settlement),
    retire: (_now: Instant, endpoint: string) => deployments.retire(endpoint),
    deployments: () => deployments.list(),
    adopt: (_now: Instant, endpoint: string, version: number, served: readonly number[]) =>
      deployments.adopt(endpoint, version, served),
    enqueue: (now: Instant, runs: readonly NewRun[]) => intake.enqueue(now, runs),
    claim: (now: Instant, request: ClaimRequest) => claims.claim(now, request),
    renew: (now: Instant, held: readonly Claim[], lease: Duration) => claims.renew(now, held, lease),
    progress: (_now: Instant, held: Claim, progress: Progress) => claims.progress(held, progress),
    // A transaction that failed was undone: `again` is a first time here.
    finish: (now: Instant, finished: readonly FinishedAttempt[], _time?: 'first' | 'again') =>
      outcomes.finish(now, finished),
    cancel: (now: Instant, runId: RunId) => cancellation.cancel(now, runId),
    purge: (now: Instant, filter: QueueFilter) => cancellation.purge(now, filter),
    countQueued: (_now: Instant, filter: QueueFilter) => cancellation.countQueued(filter),
    reclaim: (now: Instant, owner: string) => sweep.reclaim(now, owner),
    expire: (now: Instant) => sweep.expire(now),
    collect: (now: Instant) => retention.collect(now),
    unreferenced: (_now: Instant, blobs: readonly BlobKey[]) => retention.unreferenced(blobs),
    claimDeliveries: (now: Instant, limit: number, lease: Duration, places?: HostPlaces) =>
      outbox.claim(now, limit, lease, places),
    claimDeliveriesTo: (now: Instant, free: Readonly<Record<string, number>>, lease: Duration) =>
      outbox.claimTo(now, free, lease),
    finishDeliveries: (now: Instant, finished: readonly FinishedDelivery[]) => outbox.finish(now, finished),
    redeliver: (now: Instant, runId: RunId, deliveryId: DeliveryId) => outbox.redeliver(now, runId, deliveryId),
    deliveries: (_now: Instant, runId: RunId) => outbox.deliveries(runId),
    run: (_now: Instant, runId: RunId, viewer?: Viewer) => reader.run(runId, viewer),
    details: (_now: Instant, runId: RunId, viewer?: Viewer) => reader.details(runId, viewer),
    runs: (_now: Instant, filter: RunFilter) => reader.runs(filter),
    attempts: (_now: Instant, runId: RunId) => reader.attempts(runId),
    payload: (_now: Instant, runId: RunId, role: 'input' | 'output') => reader.payload(runId, role),
    chunks: (_now: Instant, parentId: RunId) => reader.chunks(parentId),
    ahead: (_now: Instant, runId: RunId) => reader.ahead(runId),
    hasOpenRuns: (_now: Instant, endpoint: string, version: number) => reader.hasOpenRuns(endpoint, version),
    backlog: (_now: Instant, endpoint: string, version: number) => reader.backlog(endpoint, version),
    identity: () => identities.identity(),
    belongTo: (_now: Instant, folder: string, mark: string) => identities.belongTo(folder, mark),
    blobs: (_now: Instant, after: string, limit: number) => identities.blobs(after, limit),
    check: () => null,
    auditRecords: () => audit.records(),
    runCount: () => identities.runCount(),
    shift: (_now: Instant, by: Duration) => clockJumps.shift(by),
    settleTimes: (now: Instant) => clockJumps.settle(now),
    depths: () => {
      counters.writeBack();
      return reader.depths();
    },
    audit: () => {
      counters.writeBack();
      return audit.violations();
    },
  };
}

/** See `prepareVerbs`. */
export type Verbs = ReturnType<typeof prepareVerbs>;
/** The name of a verb. */
export type Verb = keyof Verbs;

/** One call of a verb, as it travels to the thread that has the connection. */
export interface Call {
  readonly verb: Verb;
  readonly now: Instant;
  readonly args: readonly unknown[];
}

/**
 * Verbs whose effect may be lost when the power is, and not otherwise: a claim, a longer lease, a
 * progress. What is not claimed any more is queued, which is what it would be after the next start
 * anyway; and the server that held the claim has lost its power too. A group of these alone is not
 * waited for by the disk, which leaves two waits in place of three between a submit and its
 * outcome.
 */
const MAY_BE_LOST: ReadonlySet<Verb> = new Set(['claim', 'renew', 'progress']);

/**
 * The outcome of a call; `full` is one that was undone because the disk has no room for it, `away`
 * because the file cannot be used now.
 */
export type Reply =
  | { readonly value: unknown }
  | { readonly error: string }
  | { readonly full: string }
  | { readonly away: string };

/**
 * Runs calls one after the other and commits them together. Where one of them throws, everything is
 * undone and each is run in a transaction of its own, so that it fails alone: that is rare, and a
 * savepoint around every call would cost a third of the time of an enqueue (7 of 22 µs, measured
 * when this was written).
 *
 * @throws an error after which the file cannot be trusted: nothing more may be asked of it
 */
export function commitTogether(store: Store, calls: readonly Call[]): Reply[] {
  try {
    const isSynced = calls.some(({ verb }) => !MAY_BE_LOST.has(verb));
    return inTransaction(store, isSynced, () => calls.map((call) => ({ value: run(store.verbs, call) })));
  } catch (error) {
    const failure = failureOf(error);
    if (failure === 'broken') throw error;
    if (calls.length === 1) return [replyOf(failure, error)];
    return calls.flatMap((call) => commitTogether(store, [call]));
  }
}

function replyOf(failure: Exclude<Failure, 'broken'>, error: unknown): Reply {
  const why = describe(error);
  return failure === 'bug' ? { error: why } : failure === 'full' ? { full: why } : { away: why };
}

/** One that is not synced becomes durable with the next one that is: a sync is of the whole log. */
function inTransaction<Result>({ db, counters, begin }: Store, isSynced: boolean, work: () => Result): Result {
  if (!isSynced) db.exec('PRAGMA synchronous = NORMAL');
  try {
    db.exec(begin);
    const result = work();
    counters.writeBack();
    db.exec('COMMIT');
    return result;
  } catch (error) {
    counters.forget();
    if (db.isTransaction) undo(db);
    throw error;
  } finally {
    if (!isSynced) db.exec('PRAGMA synchronous = FULL');
  }
}

/** What cannot be undone would be part of the next transaction. */
function undo(db: DatabaseSync): void {
  try {
    db.exec('ROLLBACK');
  } catch (cause) {
    throw new StorageBroken(`A transaction could not be undone: ${describe(cause)}`, { cause });
  }
}

function run(verbs: Verbs, { verb, now, args }: Call): unknown {
  return (verbs[verb] as (now: Instant, ...args: readonly unknown[]) => unknown)(now, ...args);
}

const describe = (error: unknown): string => (error instanceof Error ? (error.stack ?? error.message) : String(error));
