// The outcome of every attempt, one row each.

import type { DatabaseSync } from 'node:sqlite';
import type { RunError } from '../../../domain/errors.ts';
import type { Instant } from '../../../domain/time.ts';
import type { AttemptRecord, Claim, Slot } from '../ledger.ts';

const START = `
  INSERT INTO attempts (run_seq, attempt, replica, cold_start_ms, started_at_ms)
  VALUES ($seq, $attempt, $replica, $coldStart, $now)`;
const END = `
  UPDATE attempts SET finished_at_ms = $now, stopped_at_ms = coalesce(stopped_at_ms, $stoppedAt),
    outcome = $outcome, error_type = $type, error_detail = $detail
  WHERE run_seq = $seq AND attempt = $attempt AND outcome IS NULL`;
const STOP = `
  UPDATE attempts SET stopped_at_ms = $now
  WHERE run_seq = (SELECT seq FROM runs WHERE run_id = $runId) AND attempt = $attempt AND stopped_at_ms IS NULL`;

/** How an attempt ended, and why where it did not succeed. */
export interface AttemptEnd {
  readonly outcome: NonNullable<AttemptRecord['outcome']>;
  readonly error: RunError | null;
}

/** The history of attempts. */
export class AttemptLog {
  readonly #start;
  readonly #end;
  readonly #stop;

  constructor(db: DatabaseSync) {
    this.#start = db.prepare(START);
    this.#end = db.prepare(END);
    this.#stop = db.prepare(STOP);
  }

  start(now: Instant, seq: number, attempt: number, { replica, coldStart }: Slot): void {
    this.#start.run({ seq, attempt, replica, coldStart, now });
  }

  /**
   * The ledger takes the attempt for over; its worker has stopped by then, or will say so later.
   */
  end(now: Instant, seq: number, attempt: number, { outcome, error }: AttemptEnd, work: 'stopped' | 'goes-on'): void {
    const stoppedAt = work === 'stopped' ? now : null;
    this.#end.run({ now, stoppedAt, seq, attempt, outcome, type: error?.type ?? null, detail: error?.detail ?? null });
  }

  /** The worker of the attempt has stopped, long after the ledger took it for over. */
  stopped(now: Instant, claim: Claim): void {
    this.#stop.run({ ...claim, now });
  }
}
