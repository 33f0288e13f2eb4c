// What is kept when the machine's clock is set: every time that something waits for moves with it,
// and so do the times of what is open, so that each stays as far away, or as long ago, as it really
// is. What has ended keeps the times that it had.

import type { DatabaseSync } from 'node:sqlite';
import { minutes, type Duration, type Instant } from '../../../domain/time.ts';

/**
 * No run that waits to be tried again waits for longer than half of this: one that is due later was
 * written down by a clock that was wrong.
 */
const DUE_WITHIN = minutes(1);

const OPEN = `status IN ('queued', 'running')`;
const SHIFT = [
  `UPDATE runs SET created_at_ms = created_at_ms + $by, due_at_ms = due_at_ms + $by, started_at_ms = started_at_ms + $by,
    queue_deadline_ms = queue_deadline_ms + $by, lease_until_ms = lease_until_ms + $by
  WHERE ${OPEN}`,
  `UPDATE attempts SET started_at_ms = started_at_ms + $by, finished_at_ms = finished_at_ms + $by, stopped_at_ms = stopped_at_ms + $by
  WHERE run_seq IN (SELECT seq FROM runs WHERE ${OPEN})`,
  `UPDATE runs SET kept_until_ms = kept_until_ms + $by WHERE kept_until_ms IS NOT NULL`,
  `UPDATE idempotency_keys SET created_at_ms = created_at_ms + $by`,
  `UPDATE deliveries SET due_at_ms = due_at_ms + $by WHERE outcome IS NULL`,
];
const DUE_NOW = `
  UPDATE runs SET due_at_ms = $now, queue_deadline_ms = $now + queue_ttl_ms
  WHERE status = 'queued' AND due_at_ms > $now + ${DUE_WITHIN}`;

/** Moves times. */
export class ClockJumps {
  readonly #shift;
  readonly #dueNow;

  constructor(db: DatabaseSync) {
    this.#shift = SHIFT.map((sql) => db.prepare(sql));
    this.#dueNow = db.prepare(DUE_NOW);
  }

  /** The clock was set by so much. */
  shift(by: Duration): void {
    for (const statement of this.#shift) statement.run({ by });
  }

  /** A server starts: while none was there, nobody saw the clock being set back. */
  settle(now: Instant): void {
    this.#dueNow.run({ now });
  }
}
