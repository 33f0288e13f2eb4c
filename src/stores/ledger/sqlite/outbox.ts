// The deliveries: written in the transaction that ends a run, claimed and finished by the
// deliverer that carries them out.

import type { DatabaseSync } from 'node:sqlite';
import { CALLBACK_EVENTS, type DeliveryId, deliveryIdOf } from '../../../domain/delivery.ts';
import type { RunId } from '../../../domain/ids.ts';
import type { EndedStatus } from '../../../domain/run.ts';
import { after, type Duration, type Instant } from '../../../domain/time.ts';
import type { ClaimedDelivery, DeliveryRecord, FinishedDelivery, HostPlaces, Recorded } from '../ledger.ts';
import {
  callbackOf,
  type ClaimedDeliveryRow,
  type DeliveryAttemptRow,
  type DeliveryRow,
  toClaimedDelivery,
  toDeliveryRecord,
} from '../rows.ts';
import { Query } from '../../sqlite/query.ts';

/**
 * How many of the deliveries that are due are looked at for one claim, where their hosts matter.
 */
const LOOK_MAX = 256;

const WRITE = `
  INSERT INTO deliveries (delivery_id, run_seq, event, url, created_at_ms, due_at_ms)
  VALUES ($deliveryId, $seq, $event, $url, $now, $now)`;
const TAKE = `UPDATE deliveries SET attempt = attempt + 1, due_at_ms = $leaseUntil`;
const TAKEN = `
  RETURNING delivery_id, attempt, series_from, event, url, created_at_ms,
    (SELECT run_id FROM runs r WHERE r.seq = run_seq) AS run_id, (SELECT endpoint FROM runs r WHERE r.seq = run_seq) AS endpoint`;
// Hosts that are busy are walked past; of what is due for the others, each has as many as it has
// places left.
const CLAIM = `
  WITH
  busy AS MATERIALIZED (SELECT key AS host, value AS places FROM json_each($taken)),
  due AS (
    SELECT d.delivery_id, d.due_at_ms, d.host, coalesce(b.places, 0) AS taken
    FROM deliveries d LEFT JOIN busy b ON b.host = d.host
    WHERE d.outcome IS NULL AND d.due_at_ms <= $now AND coalesce(b.places, 0) < $perHost
    ORDER BY d.due_at_ms
    LIMIT $look),
  placed AS (SELECT *, taken + row_number() OVER (PARTITION BY host ORDER BY due_at_ms) AS place FROM due)
  ${TAKE}
  WHERE delivery_id IN (SELECT delivery_id FROM placed WHERE place <= $perHost ORDER BY due_at_ms LIMIT $limit) ${TAKEN}`;
const CLAIM_TO = `
  ${TAKE}
  WHERE delivery_id IN (
    SELECT delivery_id FROM deliveries WHERE host = $host AND outcome IS NULL AND due_at_ms <= $now
    ORDER BY due_at_ms LIMIT $places) ${TAKEN}`;
const LOG = `INSERT INTO delivery_attempts (delivery_id, attempt, started_at_ms) VALUES ($deliveryId, $attempt, $now)`;
const NOTE = `
  UPDATE delivery_attempts SET finished_at_ms = $now, status = $status, latency_ms = $latency, detail = $detail
  WHERE delivery_id = $deliveryId AND attempt = $attempt AND finished_at_ms IS NULL
    AND EXISTS (SELECT 1 FROM deliveries d WHERE d.delivery_id = $deliveryId AND d.outcome IS NULL)`;
const END = `
  UPDATE deliveries SET outcome = $outcome, detail = $detail
  WHERE delivery_id = $deliveryId AND attempt = $attempt AND outcome IS NULL AND series_from < attempt`;
const POSTPONE = `
  UPDATE deliveries SET due_at_ms = $dueAt, detail = $detail
  WHERE delivery_id = $deliveryId AND attempt = $attempt AND outcome IS NULL AND series_from < attempt`;
const REDELIVER = `
  UPDATE deliveries SET outcome = NULL, due_at_ms = $now, series_from = attempt
  WHERE delivery_id = $deliveryId AND run_seq = (SELECT seq FROM runs WHERE run_id = $runId)`;
const OF_RUN = `
  SELECT delivery_id, event, url, attempt, created_at_ms, due_at_ms, outcome, detail
  FROM deliveries WHERE run_seq = (SELECT seq FROM runs WHERE run_id = $runId)
  ORDER BY created_at_ms`;
const ATTEMPTS = `
  SELECT attempt, started_at_ms, finished_at_ms, status, latency_ms, detail
  FROM delivery_attempts WHERE delivery_id = $deliveryId
  ORDER BY attempt`;

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
  readonly #claimTo;
  readonly #log;
  readonly #note;
  readonly #end;
  readonly #postpone;
  readonly #redeliver;
  readonly #ofRun;
  readonly #attempts;

  constructor(db: DatabaseSync) {
    this.#write = db.prepare(WRITE);
    this.#claim = new Query<ClaimedDeliveryRow>(db, CLAIM);
    this.#claimTo = new Query<ClaimedDeliveryRow>(db, CLAIM_TO);
    this.#log = db.prepare(LOG);
    this.#note = db.prepare(NOTE);
    this.#end = db.prepare(END);
    this.#postpone = db.prepare(POSTPONE);
    this.#redeliver = db.prepare(REDELIVER);
    this.#ofRun = new Query<DeliveryRow>(db, OF_RUN);
    this.#attempts = new Query<DeliveryAttemptRow>(db, ATTEMPTS);
  }

  /** A run has ended: its callback will be told. */
  ended(now: Instant, row: EndedRow, status: EndedStatus): void {
    const callback = callbackOf(row);
    const event = CALLBACK_EVENTS[status];
    if (callback === null || !callback.events.includes(event)) return;
    const deliveryId = deliveryIdOf(row.run_id as RunId, event);
    this.#write.run({ deliveryId, seq: row.seq, event, url: callback.url, now });
  }

  claim(now: Instant, limit: number, lease: Duration, places?: HostPlaces): ClaimedDelivery[] {
    const { perHost = limit, taken = {} } = places ?? {};
    const look = places === undefined ? limit : LOOK_MAX;
    const values = { now, limit, perHost, taken: JSON.stringify(taken), look, leaseUntil: after(now, lease) };
    return this.#logged(now, this.#claim.all(values));
  }

  claimTo(now: Instant, free: Readonly<Record<string, number>>, lease: Duration): ClaimedDelivery[] {
    const leaseUntil = after(now, lease);
    const rows = Object.entries(free).flatMap(([host, places]) => this.#claimTo.all({ now, host, places, leaseUntil }));
    return this.#logged(now, rows);
  }

  finish(now: Instant, finished: readonly FinishedDelivery[]): Recorded[] {
    return finished.map((one) => (this.#finishOne(now, one) ? 'recorded' : 'lost'));
  }

  redeliver(now: Instant, runId: RunId, deliveryId: DeliveryId): boolean {
    return this.#redeliver.run({ now, runId, deliveryId }).changes === 1;
  }

  deliveries(runId: RunId): DeliveryRecord[] {
    return this.#ofRun.all({ runId }).map((row) => {
      const attempts = this.#attempts.all({ deliveryId: row.delivery_id });
      return toDeliveryRecord(row, attempts);
    });
  }

  #logged(now: Instant, rows: readonly ClaimedDeliveryRow[]): ClaimedDelivery[] {
    const claimed = rows.map(toClaimedDelivery);
    for (const { claim } of claimed) this.#log.run({ ...claim, now });
    return claimed;
  }

  /**
   * What an attempt met with is noted also where it came too late, as long as the delivery goes on.
   */
  #finishOne(now: Instant, { claim: { deliveryId, attempt }, result }: FinishedDelivery): boolean {
    const { kind, status, latency, detail } = result;
    const claim = { deliveryId, attempt };
    this.#note.run({ ...claim, now, status, latency, detail });
    const { changes } =
      kind === 'retry'
        ? this.#postpone.run({ ...claim, detail, dueAt: after(now, result.delay) })
        : this.#end.run({ ...claim, detail, outcome: kind });
    return changes === 1;
  }
}
