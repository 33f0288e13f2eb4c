// Runs that nobody ends: their server is gone, or they waited too long. Several servers may sweep at once; each takes what no other has.

import type { RunId } from '../../domain/ids.ts';
import type { RunKind, RunStatus } from '../../domain/run.ts';
import type { Swept } from '../ledger.ts';
import { cancelChildren } from './cancel.ts';
import type { Connections, Statement } from './connections.ts';
import { changePlaces } from './places.ts';

/** How many runs one sweep takes, so that its locks are held for a short time; the caller sweeps again while there are more. */
const SWEEP_MAX = 1_000;

const RECLAIM: Statement = {
  name: 'claimcheck_reclaim',
  text: `
  WITH
  clock AS MATERIALIZED (SELECT claimcheck.now_ms() AS now_ms),
  lost AS MATERIALIZED (
    SELECT r.seq, r.attempt, r.status, coalesce(r.counted_attempts >= r.lost_workers_max, FALSE) AS is_cause,
      'The server that ran it stopped in the middle; it was started '
        || CASE r.counted_attempts WHEN 1 THEN 'once' ELSE r.counted_attempts || ' times' END || '.' AS detail
    FROM claimcheck.runs r
    WHERE r.status = 'running' AND r.lease_until_ms <= (SELECT now_ms FROM clock)
    ORDER BY r.seq
    LIMIT ${SWEEP_MAX}
    FOR NO KEY UPDATE SKIP LOCKED),
  swept AS (
    UPDATE claimcheck.runs r SET
      status            = CASE WHEN l.is_cause THEN 'failed' ELSE 'queued' END,
      finished_at_ms    = CASE WHEN l.is_cause THEN clock.now_ms END,
      due_at_ms         = CASE WHEN l.is_cause THEN r.due_at_ms ELSE clock.now_ms END,
      queue_deadline_ms = CASE WHEN l.is_cause THEN r.queue_deadline_ms ELSE clock.now_ms + r.queue_ttl_ms END,
      owner             = NULL,
      lease_until_ms    = NULL,
      error_type        = CASE WHEN l.is_cause THEN 'replica-crashed' END,
      error_detail      = CASE WHEN l.is_cause THEN l.detail END
    FROM lost l CROSS JOIN clock
    WHERE r.seq = l.seq AND r.attempt = l.attempt AND r.status = l.status AND r.lease_until_ms <= clock.now_ms
    RETURNING r.seq, r.run_id, r.endpoint, r.kind, r.status, r.parent_seq, r.attempt, l.detail, clock.now_ms),
  ended AS (
    UPDATE claimcheck.attempts a SET
      finished_at_ms = s.now_ms, outcome = 'lost', error_type = 'replica-crashed', error_detail = s.detail
    FROM swept s
    WHERE a.run_seq = s.seq AND a.attempt = s.attempt AND a.outcome IS NULL)
  SELECT s.seq, s.run_id, s.endpoint, s.kind, s.status,
    (SELECT p.run_id FROM claimcheck.runs p WHERE p.seq = s.parent_seq) AS parent_id
  FROM swept s
  ORDER BY s.seq`,
};
const EXPIRE: Statement = {
  name: 'claimcheck_expire',
  text: `
  WITH
  clock AS MATERIALIZED (SELECT claimcheck.now_ms() AS now_ms),
  late AS MATERIALIZED (
    SELECT r.seq, r.attempt, r.status
    FROM claimcheck.runs r
    WHERE r.status = 'queued' AND r.queue_deadline_ms <= (SELECT now_ms FROM clock)
    ORDER BY r.queue_deadline_ms
    LIMIT ${SWEEP_MAX}
    FOR NO KEY UPDATE SKIP LOCKED)
  UPDATE claimcheck.runs r SET status = 'failed', finished_at_ms = clock.now_ms, error_type = 'queue-expired',
    error_detail = 'The run waited for ' || (r.queue_ttl_ms / 1000.0)::double precision || ' s, its queue_ttl, and was not started.'
  FROM late l CROSS JOIN clock
  WHERE r.seq = l.seq AND r.attempt = l.attempt AND r.status = l.status
  RETURNING r.seq, r.run_id, r.endpoint, r.kind, r.status, NULL AS parent_id`,
};

interface SweptRow {
  readonly seq: number;
  readonly run_id: string;
  readonly endpoint: string;
  readonly kind: RunKind;
  readonly status: RunStatus;
  readonly parent_id: string | null;
}

/** Sweeps up. */
export class Sweep {
  readonly #connections: Connections;

  constructor(connections: Connections) {
    this.#connections = connections;
  }

  /** Other servers may live, so a claim is lost when its lease has lapsed by the database's time, whoever its owner is. */
  async reclaim(): Promise<Swept[]> {
    return this.#sweep(RECLAIM, 'queued', 1);
  }

  async expire(): Promise<Swept[]> {
    return this.#sweep(EXPIRE, 'failed', -1);
  }

  /** `counted` is the status that a top-level run is swept to when it takes or frees a place of its queue. */
  #sweep(statement: Statement, counted: RunStatus, change: 1 | -1): Promise<Swept[]> {
    return this.#connections.transaction(async (writer) => {
      const rows = await writer.write<SweptRow>(statement, []);
      await cancelChildren(
        writer,
        rows.filter(({ status }) => status === 'failed'),
      );
      const moved = rows.filter(({ status, kind }) => status === counted && kind !== 'chunk');
      await changePlaces(
        writer,
        moved.map(({ endpoint }) => endpoint),
        change,
      );
      return rows.map(({ run_id: runId, endpoint, parent_id: parentId, status }) => ({
        runId: runId as RunId,
        endpoint,
        parentId: parentId as RunId | null,
        status,
      }));
    });
  }
}
