// Taking runs, and keeping hold of them.

import type { DatabaseSync } from 'node:sqlite';
import type { Progress } from '../../../domain/batch.ts';
import type { RunId } from '../../../domain/ids.ts';
import type { RunKind } from '../../../domain/run.ts';
import { after, type Duration, type Instant } from '../../../domain/time.ts';
import type { Claim, ClaimedRun, ClaimRequest, Recorded, Slot } from '../ledger.ts';
import type { AttemptLog } from './attempt-log.ts';
import type { Counters } from './counters.ts';
import { claimedInput, damageOf, progressColumns, runColumns, type RunRow, toRunRecord } from '../rows.ts';
import { Query } from '../../sqlite/query.ts';

const CLAIM = `
  UPDATE runs SET
    status = 'running', attempt = attempt + 1, counted_attempts = counted_attempts + 1,
    started_at_ms = coalesce(started_at_ms, $now), owner = $owner, lease_until_ms = $leaseUntil,
    progress_done = iif(kind = 'batch', progress_done, NULL), progress_total = iif(kind = 'batch', progress_total, NULL),
    progress_message = NULL
  WHERE seq IN (
    SELECT seq FROM runs
    WHERE endpoint = $endpoint AND (kind = 'batch') = $batches AND version = $version AND status = 'queued'
      AND due_at_ms <= $now AND (queue_deadline_ms IS NULL OR queue_deadline_ms > $now) AND alone <= $alone
    ORDER BY priority DESC, turn, seq
    LIMIT $limit)
    AND status = 'queued'
  RETURNING seq, kind, priority, turn`;
const RUNNING = `SELECT count(*) AS running FROM runs WHERE endpoint = $endpoint AND kind <> 'batch' AND status = 'running'`;
const READ_CLAIMED = `
  SELECT ${runColumns('runs')}, (SELECT body FROM inputs i WHERE i.run_seq = r.seq) AS input FROM runs r WHERE r.seq = $seq`;
const RENEW = `
  UPDATE runs SET lease_until_ms = $leaseUntil WHERE run_id = $runId AND attempt = $attempt AND status = 'running'`;
const PROGRESS = `
  UPDATE runs SET progress_done = $done, progress_total = $total, progress_failed = $failed, progress_message = $message
  WHERE run_id = $runId AND attempt = $attempt AND status = 'running'`;

type ClaimedRow = RunRow & { input: Uint8Array | null };
interface Taken {
  seq: number;
  kind: RunKind;
  priority: number;
  turn: number;
}

/** Claims runs. */
export class Claims {
  readonly #claim;
  readonly #read;
  readonly #running;
  readonly #renew;
  readonly #progress;
  readonly #attempts: AttemptLog;
  readonly #counters: Counters;

  constructor(db: DatabaseSync, attempts: AttemptLog, counters: Counters) {
    this.#claim = new Query<Taken>(db, CLAIM);
    this.#read = new Query<ClaimedRow>(db, READ_CLAIMED);
    this.#running = new Query<{ running: number }>(db, RUNNING);
    this.#renew = db.prepare(RENEW);
    this.#progress = db.prepare(PROGRESS);
    this.#attempts = attempts;
    this.#counters = counters;
  }

  claim(now: Instant, { endpoint, version, lane, slots, alone, owner, lease }: ClaimRequest): ClaimedRun[] {
    const isForBatches = lane === 'engine';
    const taken = this.#claim.all({
      now,
      endpoint,
      version,
      batches: isForBatches ? 1 : 0,
      alone: alone || isForBatches ? 1 : 0,
      owner,
      leaseUntil: after(now, lease),
      limit: isForBatches ? slots.length : Math.min(slots.length, this.#room(endpoint)),
    });
    // RETURNING promises no order.
    taken.sort((a, b) => b.priority - a.priority || a.turn - b.turn || a.seq - b.seq);
    const claimed = taken.map(({ seq }, place) => this.#start(now, seq, slots[place]!));
    this.#counters.free(endpoint, claimed.filter(({ run }) => run.kind !== 'chunk').length);
    for (const { kind, priority, turn } of taken) this.#counters.served({ endpoint, kind, priority }, turn);
    return claimed;
  }

  renew(now: Instant, claims: readonly Claim[], lease: Duration): Recorded[] {
    const leaseUntil = after(now, lease);
    return claims.map((held) => (this.#renew.run({ ...held, leaseUntil }).changes === 1 ? 'recorded' : 'lost'));
  }

  progress(held: Claim, progress: Progress): Recorded {
    const [done, total, failed, message] = progressColumns(progress);
    return this.#progress.run({ ...held, done, total, failed, message }).changes === 1 ? 'recorded' : 'lost';
  }

  /**
   * How many more may run at once. Counted, and exact all the same: nobody else writes while this
   * is asked.
   */
  #room(endpoint: string): number {
    const limit = this.#counters.concurrencyLimit(endpoint);
    if (limit === null) return Number.MAX_SAFE_INTEGER;
    return Math.max(0, limit - this.#running.only({ endpoint }).running);
  }

  #start(now: Instant, seq: number, slot: Slot): ClaimedRun {
    const row = this.#read.only({ seq });
    this.#attempts.start(now, seq, row.attempt, slot);
    const run = toRunRecord(row);
    return {
      claim: { runId: row.run_id as RunId, attempt: row.attempt },
      run,
      slot,
      alone: Boolean(row.alone),
      countedAttempts: row.counted_attempts,
      input: claimedInput(run.input, row.input, row.input_blob),
      ...damageOf(row),
    };
  }
}
