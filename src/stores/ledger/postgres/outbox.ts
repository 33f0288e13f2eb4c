// The deliveries: written by the statement that ends a run (endings.ts), claimed and finished by
// the deliverer that carries them out.

import type { DeliveryId } from '../../../domain/delivery.ts';
import type { RunId } from '../../../domain/ids.ts';
import { type Duration } from '../../../domain/time.ts';
import type { ClaimedDelivery, DeliveryRecord, FinishedDelivery, HostPlaces, Recorded } from '../ledger.ts';
import {
  type ClaimedDeliveryRow,
  type DeliveryAttemptRow,
  type DeliveryRow,
  toClaimedDelivery,
  toDeliveryRecord,
} from '../rows.ts';
import type { Connections, Statement } from '../../postgres/connections.ts';

/**
 * How many of the deliveries that are due are looked at, and locked meanwhile, for one claim where
 * their hosts matter.
 */
const LOOK_MAX = 256;

// What was chosen is claimed, for a time ($2).
const TAKE_CHOSEN = `
  taken AS (
    UPDATE claimcheck.deliveries d SET attempt = d.attempt + 1, due_at_ms = clock.now_ms + $2
    FROM chosen n CROSS JOIN clock
    WHERE d.delivery_id = n.delivery_id
    RETURNING d.*, n.due_at_ms AS was_due_at_ms),
  logged AS (
    INSERT INTO claimcheck.delivery_attempts (delivery_id, attempt, started_at_ms)
    SELECT t.delivery_id, t.attempt, clock.now_ms FROM taken t CROSS JOIN clock)
  SELECT t.delivery_id, t.attempt, t.series_from, t.event, t.url, t.created_at_ms, r.run_id, r.endpoint
  FROM taken t JOIN claimcheck.ended_runs r ON r.seq = t.run_seq
  ORDER BY t.was_due_at_ms, t.delivery_id`;

// Hosts that are busy ($4) are walked past; of what is due for the others, each has as many as it
// has places left.
const CLAIM: Statement = {
  name: 'claimcheck_claim_deliveries',
  text: `
  WITH
  clock AS MATERIALIZED (SELECT claimcheck.now_ms() AS now_ms),
  busy AS MATERIALIZED (SELECT key AS host, value::integer AS places FROM jsonb_each_text($4::jsonb)),
  due AS MATERIALIZED (
    SELECT d.delivery_id, d.due_at_ms, d.host, coalesce(b.places, 0) AS taken
    FROM claimcheck.deliveries d LEFT JOIN busy b ON b.host = d.host
    WHERE d.outcome IS NULL AND d.due_at_ms <= (SELECT now_ms FROM clock) AND coalesce(b.places, 0) < $3
    ORDER BY d.due_at_ms
    LIMIT $5
    FOR UPDATE OF d SKIP LOCKED),
  placed AS (
    SELECT n.*, n.taken + row_number() OVER (PARTITION BY n.host ORDER BY n.due_at_ms) AS place FROM due n),
  chosen AS (
    SELECT p.delivery_id, p.due_at_ms FROM placed p WHERE p.place <= $3 ORDER BY p.due_at_ms LIMIT $1),
  ${TAKE_CHOSEN}`,
};

// Host by host, each as many as it has places free ($1).
const CLAIM_TO: Statement = {
  name: 'claimcheck_claim_deliveries_to',
  text: `
  WITH
  clock AS MATERIALIZED (SELECT claimcheck.now_ms() AS now_ms),
  chosen AS MATERIALIZED (
    SELECT n.delivery_id, n.due_at_ms
    FROM jsonb_each_text($1::jsonb) AS free (host, places) CROSS JOIN LATERAL (
      SELECT d.delivery_id, d.due_at_ms FROM claimcheck.deliveries d
      WHERE d.host = free.host AND d.outcome IS NULL AND d.due_at_ms <= (SELECT c.now_ms FROM clock c)
      ORDER BY d.due_at_ms LIMIT free.places::integer
      FOR UPDATE OF d SKIP LOCKED) n),
  ${TAKE_CHOSEN}`,
};

// Where it is not known whether it was written ($8), what stands there already was written by this.
// Others that have an outcome are not even locked: the collector deletes them, in an order of its
// own. What an attempt met with is noted also where it came too late, as long as the
// delivery goes on.
const FINISH: Statement = {
  name: 'claimcheck_finish_deliveries',
  text: `
  WITH
  clock AS MATERIALIZED (SELECT claimcheck.now_ms() AS now_ms),
  found AS MATERIALIZED (
    SELECT g.*, d.attempt = g.attempt AND d.series_from < d.attempt AS holds
    FROM unnest($1::text[], $2::integer[], $3::text[], $4::text[], $5::bigint[], $6::integer[], $7::bigint[])
      WITH ORDINALITY AS g (delivery_id, attempt, outcome, detail, delay_ms, status, latency_ms, place)
    JOIN claimcheck.deliveries d ON d.delivery_id = g.delivery_id
    WHERE d.outcome IS NULL OR ($8 AND d.outcome = g.outcome AND d.detail = g.detail)
    ORDER BY d.delivery_id
    FOR UPDATE OF d),
  noted AS (
    UPDATE claimcheck.delivery_attempts a SET
      finished_at_ms = clock.now_ms, status = f.status, latency_ms = f.latency_ms, detail = f.detail
    FROM found f CROSS JOIN clock
    WHERE a.delivery_id = f.delivery_id AND a.attempt = f.attempt AND a.finished_at_ms IS NULL)
  UPDATE claimcheck.deliveries d SET outcome = f.outcome, detail = f.detail,
    due_at_ms = CASE WHEN f.outcome IS NULL THEN clock.now_ms + f.delay_ms ELSE d.due_at_ms END
  FROM found f CROSS JOIN clock
  WHERE d.delivery_id = f.delivery_id AND f.holds
  RETURNING f.place`,
};

// At the very end of the time for which a run's line is kept, a run that is being forgotten may
// take its delivery along.
const REDELIVER: Statement = {
  name: 'claimcheck_redeliver',
  text: `
  UPDATE claimcheck.deliveries d SET outcome = NULL, due_at_ms = claimcheck.now_ms(), series_from = d.attempt
  FROM claimcheck.ended_runs r
  WHERE d.delivery_id = $2 AND d.run_seq = r.seq AND r.run_id = $1
  RETURNING d.delivery_id`,
};

const OF_RUN: Statement = {
  name: 'claimcheck_deliveries',
  text: `
  SELECT d.delivery_id, d.event, d.url, d.attempt, d.created_at_ms, d.due_at_ms, d.outcome, d.detail,
    (SELECT coalesce(json_agg(a ORDER BY a.attempt), '[]') FROM (
      SELECT attempt, started_at_ms, finished_at_ms, status, latency_ms, detail
      FROM claimcheck.delivery_attempts WHERE delivery_id = d.delivery_id) a) AS attempts
  FROM claimcheck.deliveries d WHERE d.run_seq = (SELECT seq FROM claimcheck.ended_runs WHERE run_id = $1)
  ORDER BY d.created_at_ms`,
};

/** The outbox. */
export class Outbox {
  readonly #connections: Connections;

  constructor(connections: Connections) {
    this.#connections = connections;
  }

  async claim(limit: number, lease: Duration, places?: HostPlaces): Promise<ClaimedDelivery[]> {
    const { perHost = limit, taken = {} } = places ?? {};
    const look = places === undefined ? limit : LOOK_MAX;
    const values = [limit, lease, perHost, JSON.stringify(taken), look];
    return (await this.#connections.write<ClaimedDeliveryRow>(CLAIM, values)).map(toClaimedDelivery);
  }

  async claimTo(free: Readonly<Record<string, number>>, lease: Duration): Promise<ClaimedDelivery[]> {
    const rows = await this.#connections.write<ClaimedDeliveryRow>(CLAIM_TO, [JSON.stringify(free), lease]);
    return rows.map(toClaimedDelivery);
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

  async redeliver(runId: RunId, deliveryId: DeliveryId): Promise<boolean> {
    const rows = await this.#connections.untilKnown(() =>
      this.#connections.write<object>(REDELIVER, [runId, deliveryId]),
    );
    return rows.length === 1;
  }

  async deliveries(runId: RunId): Promise<DeliveryRecord[]> {
    const rows = await this.#connections.read<DeliveryRow & { attempts: DeliveryAttemptRow[] }>(OF_RUN, [runId]);
    return rows.map((row) => toDeliveryRecord(row, row.attempts));
  }
}

function valuesOf(finished: readonly FinishedDelivery[]): unknown[][] {
  return [
    finished.map(({ claim }) => claim.deliveryId),
    finished.map(({ claim }) => claim.attempt),
    finished.map(({ result }) => (result.kind === 'retry' ? null : result.kind)),
    finished.map(({ result }) => result.detail),
    finished.map(({ result }) => (result.kind === 'retry' ? result.delay : null)),
    finished.map(({ result }) => result.status),
    finished.map(({ result }) => result.latency),
  ];
}
