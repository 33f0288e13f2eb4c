// The deliveries: written in the transaction that ends a run, claimed and finished by whoever carries them out.

import type { DatabaseSync } from 'node:sqlite';
import { CALLBACK_EVENTS, type DeliveryId, deliveryIdOf } from '../../domain/delivery.ts';
import type { RunId } from '../../domain/ids.ts';
import type { EndedStatus } from '../../domain/run.ts';
import { after, type Duration, type Instant } from '../../domain/time.ts';
import type { ClaimedDelivery, DeliveryRecord, DeliveryResult, FinishedDelivery, Recorded } from '../ledger.ts';
import { callbackOf, type ClaimedDeliveryRow, type DeliveryRow, toClaimedDelivery, toDeliveryRecord } from '../rows.ts';
import { Query } from './query.ts';

const WRITE = `
  INSERT INTO deliveries (delivery_id, run_seq, event, url, created_at_ms, due_at_ms)
  VALUES ($deliveryId, $seq, $event, $url, $now, $now)`;
const CLAIM = `
  UPDATE deliveries SET attempt = attempt + 1, due_at_ms = $leaseUntil
  WHERE delivery_id IN (
    SELECT delivery_id FROM deliveries WHERE outcome IS NULL AND due_at_ms <= $now ORDER BY due_at_ms LIMIT $limit)
  RETURNING delivery_id, attempt, event, url, created_at_ms,
    (SELECT run_id FROM runs r WHERE r.seq = run_seq) AS run_id, (SELECT endpoint FROM runs r WHERE r.seq = run_seq) AS endpoint`;
const END = `
  UPDATE deliveries SET outcome = $outcome, detail = $detail
  WHERE delivery_id = $deliveryId AND attempt = $attempt AND outcome IS NULL`;
const POSTPONE = `
  UPDATE deliveries SET due_at_ms = $dueAt, detail = $detail
  WHERE delivery_id = $deliveryId AND attempt = $attempt AND outcome IS NULL`;
const OF_RUN = `
  SELECT delivery_id, event, url, attempt, created_at_ms, due_at_ms, outcome, detail
  FROM deliveries WHERE run_seq = (SELECT seq FROM runs WHERE run_id = $runId)
  ORDER BY created_at_ms`;

/** A run that has just ended, as the statements that end runs return it. */
export interface EndedRow {
  readonly seq: number;
  readonly run_id: string;
  readonly callback_url: string | null;
  readonly callback_events: string | null;
}

/** The outbox. */
export class Outbox {
  readonly #write;
  readonly #claim;
  readonly #end;
  readonly #postpone;
  readonly #ofRun;

  constructor(db: DatabaseSync) {
    this.#write = db.prepare(WRITE);
    this.#claim = new Query<ClaimedDeliveryRow>(db, CLAIM);
    this.#end = db.prepare(END);
    this.#postpone = db.prepare(POSTPONE);
    this.#ofRun = new Query<DeliveryRow>(db, OF_RUN);
  }

  /** A run has ended: whoever asked for it will be told. */
  ended(now: Instant, row: EndedRow, status: EndedStatus): void {
    const callback = callbackOf(row);
    const event = CALLBACK_EVENTS[status];
    if (callback === null || !callback.events.includes(event)) return;
    const deliveryId = deliveryIdOf(row.run_id as RunId, event);
    this.#write.run({ deliveryId, seq: row.seq, event, url: callback.url, now });
  }

  claim(now: Instant, limit: number, lease: Duration): ClaimedDelivery[] {
    const rows = this.#claim.all({ now, limit, leaseUntil: after(now, lease) });
    return rows.map(toClaimedDelivery);
  }

  finish(now: Instant, finished: readonly FinishedDelivery[]): Recorded[] {
    return finished.map(({ claim, result }) =>
      this.#finishOne(now, { ...claim }, result) === 1 ? 'recorded' : 'lost',
    );
  }

  deliveries(runId: RunId): DeliveryRecord[] {
    return this.#ofRun.all({ runId }).map(toDeliveryRecord);
  }

  #finishOne(now: Instant, claim: { deliveryId: DeliveryId; attempt: number }, result: DeliveryResult): number {
    const { kind, detail } = result;
    const { changes } =
      kind === 'retry'
        ? this.#postpone.run({ ...claim, detail, dueAt: after(now, result.delay) })
        : this.#end.run({ ...claim, detail, outcome: kind });
    return Number(changes);
  }
}
