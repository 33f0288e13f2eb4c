// Runs that nobody ends: their server is gone, or they waited too long. Several servers may sweep
// at once; each takes what no other has.

import type { RunId } from '../../../domain/ids.ts';
import type { RunKind, RunStatus } from '../../../domain/run.ts';
import type { Swept } from '../ledger.ts';
import { cancelChildren } from './cancel.ts';
import type { Connections, Statement } from '../../postgres/connections.ts';
import { ending, withoutOutput } from './endings.ts';
import type { Hints } from './hints.ts';
import { changePlaces } from './places.ts';
import { vacuumWhereWorthIt } from './vacuum.ts';

/**
 * How many runs one sweep takes, so that its locks are held for a short time; the caller sweeps
 * again while there are more.
 */
const SWEEP_MAX = 1_000;

const RECLAIM: Statement = {
  name: 'claimcheck_reclaim',
  text: `
  WITH
  clock AS MATERIALIZED (SELECT claimcheck.now_ms() AS now_ms),
  lost AS MATERIALIZED (
    SELECT r.seq, r.run_id, r.endpoint, r.kind, r.attempt, r.parent_seq, coalesce(r.counted_attempts >= r.lost_workers_max, FALSE) AS is_cause,
      'The server that ran it stopped in the middle; it was started '
        || CASE r.counted_attempts WHEN 1 THEN 'once' ELSE r.counted_attempts || ' times' END || '.' AS detail
    FROM claimcheck.open_runs r
    WHERE r.status = 'running' AND r.lease_until_ms <= (SELECT now_ms FROM clock)
    ORDER BY r.seq
    LIMIT ${SWEEP_MAX}
    FOR UPDATE SKIP LOCKED),
  ${ending('lost', 'f.is_cause', { ...withoutOutput, status: `'failed'`, error_type: `'replica-crashed'`, error_detail: 'f.detail' })},
  requeued AS (
    UPDATE claimcheck.open_runs r SET
      status = 'queued', due_at_ms = clock.now_ms, queue_deadline_ms = clock.now_ms + r.queue_ttl_ms, alone = r.kind <> 'batch',
      owner = NULL, lease_until_ms = NULL
    FROM lost f CROSS JOIN clock
    WHERE r.seq = f.seq AND NOT f.is_cause),
  noted AS (
    UPDATE claimcheck.attempts a SET
      finished_at_ms = clock.now_ms, outcome = 'lost', error_type = 'replica-crashed', error_detail = f.detail
    FROM lost f CROSS JOIN clock
    WHERE a.run_seq = f.seq AND a.attempt = f.attempt AND a.outcome IS NULL),
  ${changePlaces(`SELECT endpoint, count(*)::integer AS places FROM lost WHERE NOT is_cause AND kind <> 'chunk' GROUP BY endpoint`)}
  SELECT f.seq, f.run_id, f.endpoint, f.kind, CASE WHEN f.is_cause THEN 'failed' ELSE 'queued' END AS status,
    (SELECT p.run_id FROM claimcheck.open_runs p WHERE p.seq = f.parent_seq) AS parent_id
  FROM lost f
  ORDER BY f.seq`,
};
const EXPIRE: Statement = {
  name: 'claimcheck_expire',
  text: `
  WITH
  clock AS MATERIALIZED (SELECT claimcheck.now_ms() AS now_ms),
  late AS MATERIALIZED (
    SELECT r.seq, r.run_id, r.endpoint, r.kind
    FROM claimcheck.open_runs r
    WHERE r.status = 'queued' AND r.queue_deadline_ms <= (SELECT now_ms FROM clock)
    ORDER BY r.queue_deadline_ms
    LIMIT ${SWEEP_MAX}
    FOR UPDATE SKIP LOCKED),
  ${ending('late', 'TRUE', {
    ...withoutOutput,
    status: `'failed'`,
    error_type: `'queue-expired'`,
    error_detail: `'The run waited for ' || (r.queue_ttl_ms / 1000.0)::double precision || ' s, its queue_ttl, and was not started.'`,
  })},
  ${changePlaces(`SELECT endpoint, -count(*)::integer AS places FROM late WHERE kind <> 'chunk' GROUP BY endpoint`)}
  SELECT f.seq, f.run_id, f.endpoint, f.kind, 'failed' AS status, NULL AS parent_id FROM late f`,
};

/**
 * How long what runs may go on without being renewed once the clock was set, and what waits to be
 * tried again is due at once.
 */
const LEASE_ANEW_MS = 30_000;
// Every server that sees it writes this, and may write it after another.
const CLOCK_SET: readonly Statement[] = [
  {
    name: 'claimcheck_clock_set_runs',
    text: `
    UPDATE claimcheck.open_runs r SET
      lease_until_ms = CASE r.status WHEN 'running' THEN clock.now_ms + ${LEASE_ANEW_MS} END,
      due_at_ms = CASE r.status WHEN 'queued' THEN least(r.due_at_ms, clock.now_ms) ELSE r.due_at_ms END,
      queue_deadline_ms = CASE r.status WHEN 'queued' THEN clock.now_ms + r.queue_ttl_ms ELSE r.queue_deadline_ms END
    FROM (SELECT claimcheck.now_ms() AS now_ms) clock
    WHERE r.status IN ('queued', 'running')`,
  },
  {
    name: 'claimcheck_clock_set_deliveries',
    text: `
    UPDATE claimcheck.deliveries d SET due_at_ms = least(d.due_at_ms, clock.now_ms)
    FROM (SELECT claimcheck.now_ms() AS now_ms) clock
    WHERE d.outcome IS NULL`,
  },
];

interface SweptRow {
  readonly seq: number;
  readonly run_id: RunId;
  readonly endpoint: string;
  readonly kind: RunKind;
  readonly status: RunStatus;
  readonly parent_id: RunId | null;
}

/** Sweeps up. */
export class Sweep {
  readonly #connections: Connections;
  readonly #hints: Hints;

  constructor(connections: Connections, hints: Hints) {
    this.#connections = connections;
    this.#hints = hints;
  }

  /**
   * Other servers may live, so a claim is lost when its lease has lapsed by the database's time,
   * regardless of its owner.
   */
  async reclaim(): Promise<Swept[]> {
    // Before the sweep: should it fail, nothing was swept that nobody hears of.
    await vacuumWhereWorthIt(this.#connections);
    return this.#sweep(RECLAIM);
  }

  /**
   * The database's clock was set: every lease and every wait begins anew, so that nothing lapses,
   * ends or waits for it.
   */
  async clockSet(): Promise<void> {
    await this.#connections.transaction(async (writer) => {
      for (const statement of CLOCK_SET) await writer.write(statement, []);
    });
  }

  expire(): Promise<Swept[]> {
    return this.#sweep(EXPIRE);
  }

  async #sweep(statement: Statement): Promise<Swept[]> {
    const { swept, children } = await this.#connections.transaction(async (writer) => {
      const swept = await writer.write<SweptRow>(statement, []);
      const ended = swept.filter(({ status }) => status === 'failed');
      return { swept, children: await cancelChildren(writer, ended) };
    });
    for (const child of children) this.#hints.ended(child.run_id, child.parent_id);
    return swept.map(({ run_id: runId, endpoint, parent_id: parentId, status }) => {
      if (status === 'queued') this.#hints.queued(endpoint);
      else this.#hints.ended(runId, parentId);
      return { runId, endpoint, parentId, status };
    });
  }
}
