// The deliveries: written by the statement that ends a run (endings.ts), claimed and finished by whoever carries them out.

import type { RunId } from '../../domain/ids.ts';
import { type Duration } from '../../domain/time.ts';
import type { ClaimedDelivery, DeliveryRecord, FinishedDelivery, Recorded } from '../ledger.ts';
import { type ClaimedDeliveryRow, type DeliveryRow, toClaimedDelivery, toDeliveryRecord } from '../rows.ts';
import type { Connections, Statement } from './connections.ts';

const CLAIM: Statement = {
  name: 'claimcheck_claim_deliveries',
  text: `
  WITH
  clock AS MATERIALIZED (SELECT claimcheck.now_ms() AS now_ms),
  due AS MATERIALIZED (
    SELECT d.delivery_id, d.due_at_ms
    FROM claimcheck.deliveries d
    WHERE d.outcome IS NULL AND d.due_at_ms <= (SELECT now_ms FROM clock)
    ORDER BY d.due_at_ms
    LIMIT $1
    FOR UPDATE SKIP LOCKED),
  taken AS (
    UPDATE claimcheck.deliveries d SET attempt = d.attempt + 1, due_at_ms = clock.now_ms + $2
    FROM due n CROSS JOIN clock
    WHERE d.delivery_id = n.delivery_id
    RETURNING d.*, n.due_at_ms AS was_due_at_ms)
  SELECT t.delivery_id, t.attempt, t.event, t.url, t.created_at_ms, r.run_id, r.endpoint
  FROM taken t JOIN claimcheck.ended_runs r ON r.seq = t.run_seq
  ORDER BY t.was_due_at_ms, t.delivery_id`,
};

// Where it is not known whether it was written ($6), what stands there already was written by this. Others that have an outcome are not
// even locked: whoever lets go of runs deletes them, in an order of its own.
const FINISH: Statement = {
  name: 'claimcheck_finish_deliveries',
  text: `
  WITH found AS MATERIALIZED (
    SELECT g.*
    FROM unnest($1::text[], $2::integer[], $3::text[], $4::text[], $5::bigint[])
      WITH ORDINALITY AS g (delivery_id, attempt, outcome, detail, delay_ms, place)
    JOIN claimcheck.deliveries d ON d.delivery_id = g.delivery_id AND d.attempt = g.attempt
    WHERE d.outcome IS NULL OR ($6 AND d.outcome = g.outcome AND d.detail = g.detail)
    ORDER BY d.delivery_id
    FOR UPDATE OF d)
  UPDATE claimcheck.deliveries d SET outcome = f.outcome, detail = f.detail,
    due_at_ms = CASE WHEN f.outcome IS NULL THEN claimcheck.now_ms() + f.delay_ms ELSE d.due_at_ms END
  FROM found f
  WHERE d.delivery_id = f.delivery_id
  RETURNING f.place`,
};

const OF_RUN: Statement = {
  name: 'claimcheck_deliveries',
  text: `
  SELECT delivery_id, event, url, attempt, created_at_ms, due_at_ms, outcome, detail
  FROM claimcheck.deliveries WHERE run_seq = (SELECT seq FROM claimcheck.ended_runs WHERE run_id = $1)
  ORDER BY created_at_ms`,
};

/** The outbox. */
export class Outbox {
  readonly #connections: Connections;

  constructor(connections: Connections) {
    this.#connections = connections;
  }

  async claim(limit: number, lease: Duration): Promise<ClaimedDelivery[]> {
    return (await this.#connections.write<ClaimedDeliveryRow>(CLAIM, [limit, lease])).map(toClaimedDelivery);
  }

  /** Of two results of the same claim the first counts. */
  async finish(finished: readonly FinishedDelivery[]): Promise<Recorded[]> {
    const keys = finished.map(({ claim }) => `${claim.deliveryId} ${claim.attempt}`);
    const isFirst = (place: number): boolean => keys.indexOf(keys[place]!) === place;
    const first = finished.filter((_, place) => isFirst(place));
    let isAgain = false;
    const rows = await this.#connections.untilKnown(() => {
      const values = [...valuesOf(first), isAgain];
      isAgain = true;
      return this.#connections.write<{ place: number }>(FINISH, values);
    });
    const recorded = new Set(rows.map(({ place }) => first[place - 1]));
    // By its place and not by itself alone: the same object may be handed in twice.
    return finished.map((one, place) => (isFirst(place) && recorded.has(one) ? 'recorded' : 'lost'));
  }

  async deliveries(runId: RunId): Promise<DeliveryRecord[]> {
    return (await this.#connections.read<DeliveryRow>(OF_RUN, [runId])).map(toDeliveryRecord);
  }
}

function valuesOf(finished: readonly FinishedDelivery[]): unknown[][] {
  return [
    finished.map(({ claim }) => claim.deliveryId),
    finished.map(({ claim }) => claim.attempt),
    finished.map(({ result }) => (result.kind === 'retry' ? null : result.kind)),
    finished.map(({ result }) => result.detail),
    finished.map(({ result }) => (result.kind === 'retry' ? result.delay : null)),
  ];
}
