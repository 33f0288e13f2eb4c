// Taking runs, and keeping hold of them.

import type { DatabaseSync } from 'node:sqlite';
import type { Progress } from '../../domain/batch.ts';
import type { RunId } from '../../domain/ids.ts';
import { after, type Duration, type Instant } from '../../domain/time.ts';
import type { Claim, ClaimedRun, ClaimRequest, Recorded, Slot } from '../ledger.ts';
import type { AttemptLog } from './attempt-log.ts';
import type { QueuePlaces } from './queue-places.ts';
import { runColumns, type RunRow, toPayload, toRunRecord } from '../rows.ts';

const CLAIM = `
  UPDATE runs SET
    status = 'running', attempt = attempt + 1, counted_attempts = counted_attempts + 1,
    started_at_ms = coalesce(started_at_ms, $now), owner = $owner, lease_until_ms = $leaseUntil
  WHERE seq IN (
    SELECT seq FROM runs
    WHERE endpoint = $endpoint AND (kind = 'batch') = $batches AND status = 'queued'
      AND due_at_ms <= $now AND (queue_deadline_ms IS NULL OR queue_deadline_ms > $now)
    ORDER BY priority DESC, seq
    LIMIT $limit)
    AND status = 'queued'
  RETURNING seq, priority`;
const READ_CLAIMED = `
  SELECT ${runColumns('runs')}, (SELECT body FROM inputs i WHERE i.run_seq = r.seq) AS input FROM runs r WHERE r.seq = $seq`;
const RENEW = `
  UPDATE runs SET lease_until_ms = $leaseUntil WHERE run_id = $runId AND attempt = $attempt AND status = 'running'`;
const PROGRESS = `
  UPDATE runs SET progress_done = $done, progress_total = $total, progress_failed = $failed
  WHERE run_id = $runId AND attempt = $attempt AND status = 'running'`;

type ClaimedRow = RunRow & { input: Uint8Array | null };

/** Claims runs. */
export class Claims {
  readonly #claim;
  readonly #read;
  readonly #renew;
  readonly #progress;
  readonly #attempts: AttemptLog;
  readonly #places: QueuePlaces;

  constructor(db: DatabaseSync, attempts: AttemptLog, places: QueuePlaces) {
    this.#claim = db.prepare(CLAIM);
    this.#read = db.prepare(READ_CLAIMED);
    this.#renew = db.prepare(RENEW);
    this.#progress = db.prepare(PROGRESS);
    this.#attempts = attempts;
    this.#places = places;
  }

  claim(now: Instant, { endpoint, lane, slots, owner, lease }: ClaimRequest): ClaimedRun[] {
    const batches = lane === 'engine' ? 1 : 0;
    const values = { now, endpoint, batches, owner, leaseUntil: after(now, lease), limit: slots.length };
    const taken = this.#claim.all(values) as unknown as { seq: number; priority: number }[];
    // RETURNING promises no order.
    taken.sort((a, b) => b.priority - a.priority || a.seq - b.seq);
    const claimed = taken.map(({ seq }, place) => this.#start(now, seq, slots[place]!));
    this.#places.free(endpoint, claimed.filter(({ run }) => run.kind !== 'chunk').length);
    return claimed;
  }

  renew(now: Instant, claims: readonly Claim[], lease: Duration): Recorded[] {
    const leaseUntil = after(now, lease);
    return claims.map((held) => (this.#renew.run({ ...held, leaseUntil }).changes === 1 ? 'recorded' : 'lost'));
  }

  progress(held: Claim, { done, total, failed }: Progress): Recorded {
    return this.#progress.run({ ...held, done, total, failed }).changes === 1 ? 'recorded' : 'lost';
  }

  #start(now: Instant, seq: number, slot: Slot): ClaimedRun {
    const row = this.#read.get({ seq }) as unknown as ClaimedRow;
    this.#attempts.start(now, seq, row.attempt, slot);
    const run = toRunRecord(row);
    return {
      claim: { runId: row.run_id as RunId, attempt: row.attempt },
      run,
      slot,
      countedAttempts: row.counted_attempts,
      input: toPayload(run.input, row.input, row.input_blob),
    };
  }
}
