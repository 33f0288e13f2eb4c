// Runs that nobody ends: their server is gone, or they waited too long.

import type { DatabaseSync } from 'node:sqlite';
import type { RunError } from '../../../domain/errors.ts';
import type { RunId } from '../../../domain/ids.ts';
import type { Instant } from '../../../domain/time.ts';
import type { Swept } from '../ledger.ts';
import type { EndedRow } from './outbox.ts';
import type { OutcomeVerbs, OutcomeDeps } from './outcomes.ts';
import { Query } from '../../sqlite/query.ts';

/**
 * How many runs one sweep takes, so that it never keeps other callers waiting for long; the caller
 * sweeps again while there are more.
 */
const SWEEP_MAX = 1_000;

// The index is named, because for the order alone SQLite would walk through every run there is,
// once a second.
const LOST = `
  SELECT run_id, endpoint, attempt, counted_attempts, lost_workers_max,
    (SELECT p.run_id FROM runs p WHERE p.seq = r.parent_seq) AS parent_id
  FROM runs r INDEXED BY runs_leased
  WHERE status = 'running' AND (lease_until_ms <= $now OR owner <> $owner)
  ORDER BY seq
  LIMIT ${SWEEP_MAX}`;
const EXPIRE = `
  UPDATE runs SET status = 'failed', finished_at_ms = $now, kept_until_ms = $now + retention_ms, error_type = 'queue-expired',
    error_detail = 'The run waited for ' || (queue_ttl_ms / 1000.0) || ' s, its queue_ttl, and was not started.'
  WHERE seq IN (
    SELECT seq FROM runs WHERE status = 'queued' AND queue_deadline_ms <= $now
    ORDER BY queue_deadline_ms
    LIMIT ${SWEEP_MAX})
    AND status = 'queued'
  RETURNING seq, run_id, endpoint, callback_url, callback_events`;

interface Lost {
  run_id: string;
  endpoint: string;
  attempt: number;
  counted_attempts: number;
  lost_workers_max: number | null;
  parent_id: string | null;
}

/** Sweeps up. */
export class Sweep {
  readonly #lost;
  readonly #expire;
  readonly #outcomes: OutcomeVerbs;
  readonly #deps: OutcomeDeps;

  constructor(db: DatabaseSync, outcomes: OutcomeVerbs, deps: OutcomeDeps) {
    this.#lost = new Query<Lost>(db, LOST);
    this.#expire = new Query<EndedRow & { endpoint: string }>(db, EXPIRE);
    this.#outcomes = outcomes;
    this.#deps = deps;
  }

  /**
   * One server at a time has this file, so a claim of another owner is a dead one's, regardless
   * of its lease.
   */
  reclaim(now: Instant, owner: string): Swept[] {
    return this.#lost.all({ now, owner }).map((run) => {
      const claim = { runId: run.run_id as RunId, attempt: run.attempt };
      const error = lostWorker(run.counted_attempts);
      const isCause = run.lost_workers_max !== null && run.counted_attempts >= run.lost_workers_max;
      if (isCause) this.#outcomes.fail(now, claim, error, 'lost');
      else this.#outcomes.requeue(now, claim, null, { outcome: 'lost', error });
      const parentId = run.parent_id as RunId | null;
      return { runId: claim.runId, endpoint: run.endpoint, parentId, status: isCause ? 'failed' : 'queued' };
    });
  }

  expire(now: Instant): Swept[] {
    const expired = this.#expire.all({ now });
    return expired.map((run) => {
      const { seq, run_id: runId, endpoint } = run;
      this.#deps.counters.free(endpoint);
      this.#deps.outbox.ended(now, run, 'failed');
      this.#deps.cancellation.cancelChildren(now, seq);
      return { runId: runId as RunId, endpoint, parentId: null, status: 'failed' };
    });
  }
}

function lostWorker(attempts: number): RunError {
  const times = attempts === 1 ? 'once' : `${attempts} times`;
  return {
    type: 'replica-crashed',
    detail: `The server that ran it stopped in the middle; it was started ${times}.`,
  };
}
