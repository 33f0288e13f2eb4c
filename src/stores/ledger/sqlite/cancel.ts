// Cancelling runs, and the chunks that go with them.

import type { DatabaseSync } from 'node:sqlite';
import type { RunId } from '../../../domain/ids.ts';
import type { RunKind, RunStatus } from '../../../domain/run.ts';
import type { Instant } from '../../../domain/time.ts';
import { type Cancelled, type Claim, PURGE_MAX, type Purged, type QueueFilter } from '../ledger.ts';
import type { AttemptLog } from './attempt-log.ts';
import type { EndedRow, Outbox } from './outbox.ts';
import type { Counters } from './counters.ts';
import { Query } from '../../sqlite/query.ts';
import { seenBy, viewerValues } from './viewer.ts';

const COLUMNS = 'seq, run_id, kind, endpoint, status, attempt, callback_url, callback_events';
const FIND = `SELECT ${COLUMNS} FROM runs WHERE run_id = $runId`;
const OPEN_CHILDREN = `SELECT ${COLUMNS} FROM runs WHERE parent_seq = $seq AND status IN ('queued', 'running')`;
const QUEUED = `
  FROM runs
  WHERE endpoint = $endpoint AND status = 'queued' AND parent_seq IS NULL
    AND ($createdBefore IS NULL OR created_at_ms < $createdBefore) AND ($runName IS NULL OR run_name = $runName)
    AND ${seenBy('runs')}`;
const FIND_QUEUED = `SELECT ${COLUMNS} ${QUEUED} ORDER BY seq LIMIT ${PURGE_MAX}`;
const COUNT_QUEUED = `SELECT count(*) AS queued ${QUEUED}`;
const CANCEL = `
  UPDATE runs SET status = 'cancelled', finished_at_ms = $now, kept_until_ms = $now + retention_ms, owner = NULL, lease_until_ms = NULL
  WHERE seq = $seq AND status IN ('queued', 'running')`;

interface Found extends EndedRow {
  kind: RunKind;
  endpoint: string;
  status: RunStatus;
  attempt: number;
}

/** Cancels runs. */
export class CancelVerbs {
  readonly #find;
  readonly #openChildren;
  readonly #findQueued;
  readonly #countQueued;
  readonly #cancel;
  readonly #attempts: AttemptLog;
  readonly #counters: Counters;
  readonly #outbox: Outbox;

  constructor(db: DatabaseSync, attempts: AttemptLog, counters: Counters, outbox: Outbox) {
    this.#find = new Query<Found>(db, FIND);
    this.#openChildren = new Query<Found>(db, OPEN_CHILDREN);
    this.#findQueued = new Query<Found>(db, FIND_QUEUED);
    this.#countQueued = new Query<{ queued: number }>(db, COUNT_QUEUED);
    this.#cancel = db.prepare(CANCEL);
    this.#attempts = attempts;
    this.#counters = counters;
    this.#outbox = outbox;
  }

  cancel(now: Instant, runId: RunId): Cancelled {
    const run = this.#find.first({ runId });
    if (run === undefined) return { result: 'unknown' };
    if (run.status === 'cancelled') return { result: 'already-cancelled' };
    if (run.status !== 'queued' && run.status !== 'running') return { result: 'ended' };
    return { result: 'cancelled', stopped: [...this.#cancelOne(now, run), ...this.cancelChildren(now, run.seq)] };
  }

  purge(now: Instant, filter: QueueFilter): Purged {
    const runs = this.#findQueued.all(valuesOf(filter));
    const stopped = runs.flatMap((run) => [...this.#cancelOne(now, run), ...this.cancelChildren(now, run.seq)]);
    return { cancelled: runs.map(({ run_id: runId }) => runId as RunId), stopped };
  }

  countQueued(filter: QueueFilter): number {
    return this.#countQueued.only(valuesOf(filter)).queued;
  }

  /** Cancels the chunks that are left of a run that has ended; answers those that were running. */
  cancelChildren(now: Instant, seq: number): Claim[] {
    const children = this.#openChildren.all({ seq });
    return children.flatMap((child) => this.#cancelOne(now, child));
  }

  #cancelOne(now: Instant, run: Found): Claim[] {
    this.#cancel.run({ now, seq: run.seq });
    this.#outbox.ended(now, run, 'cancelled');
    if (run.status === 'queued') {
      if (run.kind !== 'chunk') this.#counters.free(run.endpoint);
      return [];
    }
    this.#attempts.end(now, run.seq, run.attempt, { outcome: 'cancelled', error: null }, 'goes-on');
    return [{ runId: run.run_id as RunId, attempt: run.attempt }];
  }
}

const valuesOf = ({ viewer, endpoint, createdBefore, runName }: QueueFilter) => ({
  ...viewerValues(viewer),
  endpoint,
  createdBefore: createdBefore ?? null,
  runName: runName ?? null,
});
