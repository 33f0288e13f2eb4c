// Cancelling runs, and the chunks that go with them.

import type { DatabaseSync } from 'node:sqlite';
import type { RunId } from '../../domain/ids.ts';
import type { RunKind, RunStatus } from '../../domain/run.ts';
import type { Instant } from '../../domain/time.ts';
import type { Cancelled, Claim } from '../ledger.ts';
import type { AttemptLog } from './attempt-log.ts';
import type { QueuePlaces } from './queue-places.ts';

const FIND = `SELECT seq, run_id, kind, endpoint, status, attempt FROM runs WHERE run_id = $runId`;
const OPEN_CHILDREN = `
  SELECT seq, run_id, kind, endpoint, status, attempt
  FROM runs WHERE parent_seq = $seq AND status IN ('queued', 'running')`;
const CANCEL = `
  UPDATE runs SET status = 'cancelled', finished_at_ms = $now, owner = NULL, lease_until_ms = NULL
  WHERE seq = $seq AND status IN ('queued', 'running')`;

interface Found {
  seq: number;
  run_id: string;
  kind: RunKind;
  endpoint: string;
  status: RunStatus;
  attempt: number;
}

/** Cancels runs. */
export class Cancellation {
  readonly #find;
  readonly #openChildren;
  readonly #cancel;
  readonly #attempts: AttemptLog;
  readonly #places: QueuePlaces;

  constructor(db: DatabaseSync, attempts: AttemptLog, places: QueuePlaces) {
    this.#find = db.prepare(FIND);
    this.#openChildren = db.prepare(OPEN_CHILDREN);
    this.#cancel = db.prepare(CANCEL);
    this.#attempts = attempts;
    this.#places = places;
  }

  cancel(now: Instant, runId: RunId): Cancelled {
    const run = this.#find.get({ runId }) as Found | undefined;
    if (run === undefined) return { result: 'unknown' };
    if (run.status === 'cancelled') return { result: 'already-cancelled' };
    if (run.status !== 'queued' && run.status !== 'running') return { result: 'ended' };
    return { result: 'cancelled', stopped: [...this.#cancelOne(now, run), ...this.cancelChildren(now, run.seq)] };
  }

  /** Cancels the chunks that are left of a run that has ended; answers those that were running. */
  cancelChildren(now: Instant, seq: number): Claim[] {
    const children = this.#openChildren.all({ seq }) as unknown as Found[];
    return children.flatMap((child) => this.#cancelOne(now, child));
  }

  #cancelOne(now: Instant, run: Found): Claim[] {
    this.#cancel.run({ now, seq: run.seq });
    if (run.status === 'queued') {
      if (run.kind !== 'chunk') this.#places.free(run.endpoint);
      return [];
    }
    this.#attempts.end(now, run.seq, run.attempt, { outcome: 'cancelled', error: null });
    return [{ runId: run.run_id as RunId, attempt: run.attempt }];
  }
}
