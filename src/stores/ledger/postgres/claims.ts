// Taking runs, and keeping hold of them.

import type { Progress } from '../../../domain/batch.ts';
import type { Duration } from '../../../domain/time.ts';
import type { Claim, ClaimedRun, ClaimRequest, Recorded, Slot } from '../ledger.ts';
import type { Connections, Statement } from '../../postgres/connections.ts';
import { LOCK_ENDPOINTS } from './places.ts';
import { claimedInput, damageOf, progressColumns, runColumns, type RunRow, toRunRecord } from '../rows.ts';

// The materialised CTE is what keeps the LIMIT: joined in place, the planner may run it again for
// every row it updates. Rows are joined with nothing but the keys and the state they were locked
// in. Told that status is 'queued' or 'running', the planner may go by the index of those alone,
// and how many they are it knows only from statistics of another minute: it then walked forty
// thousand running runs for every one that was finished.
// An endpoint with a concurrency limit is left to a transaction that has its row ($11): the one
// that counts what runs must be the only one that adds to it. A request gets at least one row,
// which says so.
const CLAIM: Statement = {
  name: 'claimcheck_claim',
  text: `
  WITH
  clock AS MATERIALIZED (SELECT claimcheck.now_ms() AS now_ms),
  asked AS MATERIALIZED (
    SELECT a.request, a.endpoint, a.version, a.batches, a.alone, e.concurrency_limit IS NOT NULL AND NOT a.batches AS is_limited,
      CASE
        WHEN a.batches OR e.concurrency_limit IS NULL THEN a.slots
        WHEN $11 THEN least(a.slots, greatest(0, e.concurrency_limit - (
          SELECT count(*) FROM claimcheck.open_runs r
          WHERE r.endpoint = a.endpoint AND (r.kind = 'batch') = FALSE AND r.status = 'running')))
        ELSE 0
      END AS slots
    FROM unnest($1::text[], $2::boolean[], $3::boolean[], $4::bigint[], $12::integer[])
      WITH ORDINALITY AS a (endpoint, batches, alone, slots, version, request)
      LEFT JOIN claimcheck.endpoints e ON e.name = a.endpoint),
  slots AS MATERIALIZED (
    SELECT * FROM unnest($5::bigint[], $6::bigint[], $7::text[], $8::bigint[], $9::text[], $10::bigint[])
    AS s (request, place, replica, cold_start_ms, owner, lease_ms)),
  next AS MATERIALIZED (
    SELECT a.request, n.seq, n.priority, n.turn, n.status
    FROM asked a CROSS JOIN LATERAL (
      SELECT r.seq, r.priority, r.turn, r.status
      FROM claimcheck.open_runs r
      WHERE r.endpoint = a.endpoint AND (r.kind = 'batch') = a.batches AND r.version = a.version AND r.status = 'queued'
        AND r.due_at_ms <= (SELECT now_ms FROM clock)
        AND (r.queue_deadline_ms IS NULL OR r.queue_deadline_ms > (SELECT now_ms FROM clock))
        AND (a.alone OR NOT r.alone)
      ORDER BY r.priority DESC, r.turn, r.seq
      LIMIT a.slots
      FOR UPDATE SKIP LOCKED) n),
  ranked AS (
    SELECT n.*, row_number() OVER (PARTITION BY n.request ORDER BY n.priority DESC, n.turn, n.seq) AS place FROM next n),
  taken AS (
    UPDATE claimcheck.open_runs r SET
      status = 'running', attempt = r.attempt + 1, counted_attempts = r.counted_attempts + 1,
      started_at_ms = coalesce(r.started_at_ms, clock.now_ms), owner = s.owner, lease_until_ms = clock.now_ms + s.lease_ms,
      progress_done = CASE r.kind WHEN 'batch' THEN r.progress_done END,
      progress_total = CASE r.kind WHEN 'batch' THEN r.progress_total END, progress_message = NULL
    FROM ranked n JOIN slots s ON s.request = n.request AND s.place = n.place CROSS JOIN clock
    WHERE r.seq = n.seq AND r.status = n.status
    RETURNING r.*, s.request, s.place, s.replica, s.cold_start_ms, clock.now_ms),
  opened AS (
    INSERT INTO claimcheck.attempts (run_seq, attempt, replica, cold_start_ms, started_at_ms)
    SELECT seq, attempt, replica, cold_start_ms, now_ms FROM taken),
  served AS MATERIALIZED (
    SELECT endpoint, count(*) FILTER (WHERE kind <> 'chunk')::integer AS places FROM taken GROUP BY endpoint),
  counters AS MATERIALIZED (
    SELECT e.name FROM claimcheck.endpoints e WHERE e.name IN (SELECT endpoint FROM served) ORDER BY e.name FOR NO KEY UPDATE),
  counted AS (
    UPDATE claimcheck.endpoints e SET queued = e.queued - s.places
    FROM counters c JOIN served s ON s.endpoint = c.name
    WHERE e.name = c.name),
  moved AS (
    INSERT INTO claimcheck.lines AS l (endpoint, batches, priority, served_turn)
    SELECT r.endpoint, r.kind = 'batch', r.priority, max(r.turn)
    FROM taken r JOIN counters c ON c.name = r.endpoint
    GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
    ON CONFLICT (endpoint, batches, priority) DO UPDATE SET served_turn = greatest(l.served_turn, excluded.served_turn))
  SELECT ${runColumns('claimcheck.runs')}, i.body AS input, a.request, r.place, a.is_limited
  FROM asked a LEFT JOIN taken r ON r.request = a.request LEFT JOIN claimcheck.inputs i ON i.run_seq = r.seq
  ORDER BY a.request, r.place`,
};

const RENEW: Statement = {
  name: 'claimcheck_renew',
  text: `
  WITH
  clock AS MATERIALIZED (SELECT claimcheck.now_ms() AS now_ms),
  found AS MATERIALIZED (
    SELECT r.seq, r.attempt, r.status, g.lease_ms, r.attempt = g.attempt AND r.status = 'running' AS held
    FROM unnest($1::text[], $2::integer[], $3::bigint[]) AS g (run_id, attempt, lease_ms)
    JOIN claimcheck.open_runs r ON r.run_id = g.run_id
    ORDER BY r.seq
    FOR UPDATE OF r)
  UPDATE claimcheck.open_runs r SET lease_until_ms = clock.now_ms + f.lease_ms
  FROM found f CROSS JOIN clock
  WHERE r.seq = f.seq AND r.attempt = f.attempt AND r.status = f.status AND f.held
  RETURNING r.run_id, r.attempt`,
};

const PROGRESS: Statement = {
  name: 'claimcheck_progress',
  text: `
  WITH found AS MATERIALIZED (
    SELECT r.seq, r.attempt, r.status, r.attempt = $2 AND r.status = 'running' AS held
    FROM claimcheck.open_runs r
    WHERE r.run_id = $1
    FOR UPDATE)
  UPDATE claimcheck.open_runs r SET progress_done = $3, progress_total = $4, progress_failed = $5, progress_message = $6
  FROM found f
  WHERE r.seq = f.seq AND r.attempt = f.attempt AND r.status = f.status AND f.held
  RETURNING r.seq`,
};

/** A run that was taken, or nothing but the request. */
type ClaimedRow = { request: number; is_limited: boolean } & (
  | (RunRow & { input: Uint8Array | null; place: number })
  | { place: null }
);

/** Leases to be extended, and for how long. */
export interface Renewal {
  readonly claims: readonly Claim[];
  readonly lease: Duration;
}

/** A slot, whose it is, and which of the requests asked for it. */
interface OwnedSlot {
  readonly slot: Slot;
  readonly owner: string;
  readonly lease: Duration;
  readonly asker: number;
}

/**
 * Requests of the same endpoint, version and lane as one: asked separately in one statement, they
 * would find the same runs.
 */
interface JointRequest {
  readonly endpoint: string;
  readonly version: number;
  readonly lane: ClaimRequest['lane'];
  readonly alone: boolean;
  readonly slots: OwnedSlot[];
}

/** Claims runs. */
export class Claims {
  readonly #connections: Connections;
  /** Endpoints that had a concurrency limit when they were last claimed from. */
  readonly #limited = new Set<string>();

  constructor(connections: Connections) {
    this.#connections = connections;
  }

  async claim(requests: readonly ClaimRequest[]): Promise<ClaimedRun[][]> {
    const claimed: ClaimedRun[][] = requests.map(() => []);
    for (const joint of rounds(requests)) {
      const isLimited = (request: JointRequest): boolean =>
        request.lane === 'replica' && this.#limited.has(request.endpoint);
      const unlimited = joint.filter((request) => !isLimited(request));
      if (unlimited.length > 0)
        this.#take(unlimited, await this.#connections.write<ClaimedRow>(CLAIM, valuesOf(unlimited, false)), claimed);
      const limited = joint.filter(isLimited);
      if (limited.length > 0) this.#take(limited, await this.#claimLimited(limited), claimed);
    }
    return claimed;
  }

  /**
   * The endpoints' rows first, and what runs is counted by a statement that begins when they are
   * locked.
   */
  #claimLimited(joint: readonly JointRequest[]): Promise<ClaimedRow[]> {
    return this.#connections.transaction(async (writer) => {
      await writer.write(LOCK_ENDPOINTS, [joint.map(({ endpoint }) => endpoint)]);
      return writer.write<ClaimedRow>(CLAIM, valuesOf(joint, true));
    });
  }

  #take(joint: readonly JointRequest[], rows: readonly ClaimedRow[], claimed: ClaimedRun[][]): void {
    for (const row of rows) {
      const { endpoint, lane, slots } = joint[row.request - 1]!;
      if (row.is_limited) this.#limited.add(endpoint);
      else if (lane === 'replica') this.#limited.delete(endpoint);
      if (row.place === null) continue;
      const { slot, asker } = slots[row.place - 1]!;
      claimed[asker]!.push(toClaimedRun(row, slot));
    }
  }

  async renew(renewals: readonly Renewal[]): Promise<Recorded[][]> {
    const given = renewals.flatMap(({ claims, lease }) => claims.map((claim) => ({ ...claim, lease })));
    if (given.length === 0) return renewals.map(() => []);
    const values = [
      given.map(({ runId }) => runId),
      given.map(({ attempt }) => attempt),
      given.map(({ lease }) => lease),
    ];
    const rows = await this.#connections.untilKnown(() =>
      this.#connections.write<{ run_id: string; attempt: number }>(RENEW, values),
    );
    const renewed = new Set(rows.map((row) => `${row.run_id} ${row.attempt}`));
    return renewals.map(({ claims }) =>
      claims.map(({ runId, attempt }) => (renewed.has(`${runId} ${attempt}`) ? 'recorded' : 'lost')),
    );
  }

  async progress({ runId, attempt }: Claim, progress: Progress): Promise<Recorded> {
    const values = [runId, attempt, ...progressColumns(progress)];
    const rows = await this.#connections.untilKnown(() => this.#connections.write(PROGRESS, values));
    return rows.length === 1 ? 'recorded' : 'lost';
  }
}

/**
 * Joins the requests of each lane of each endpoint, and sorts them into as few statements as there
 * can be: no statement asks twice for the same lane of an endpoint, where what runs is counted
 * once. So requests for another version, or for runs that must be alone, take the next one.
 */
function rounds(requests: readonly ClaimRequest[]): (readonly JointRequest[])[] {
  const all: Map<string, JointRequest>[] = [];
  requests.forEach(({ endpoint, version, lane, slots, alone: isAlone, owner, lease }, asker) => {
    if (slots.length === 0) return;
    const key = `${lane} ${endpoint}`;
    const alone = isAlone || lane === 'engine';
    const hasRoom = (round: Map<string, JointRequest>): boolean => {
      const there = round.get(key);
      return there === undefined || (there.alone === alone && there.version === version);
    };
    let round = all.find(hasRoom);
    if (round === undefined) all.push((round = new Map()));
    const request = round.get(key) ?? { endpoint, version, lane, alone, slots: [] };
    round.set(key, request);
    request.slots.push(...slots.map((slot) => ({ slot, owner, lease, asker })));
  });
  return all.map((round) => [...round.values()]);
}

function valuesOf(joint: readonly JointRequest[], haveRows: boolean): unknown[] {
  const slots = joint.flatMap((request, place) =>
    request.slots.map((owned, slotPlace) => ({ ...owned, place, slotPlace })),
  );
  return [
    joint.map(({ endpoint }) => endpoint),
    joint.map(({ lane }) => lane === 'engine'),
    joint.map(({ alone }) => alone),
    joint.map((request) => request.slots.length),
    slots.map(({ place }) => place + 1),
    slots.map(({ slotPlace }) => slotPlace + 1),
    slots.map(({ slot }) => slot.replica),
    slots.map(({ slot }) => slot.coldStart),
    slots.map(({ owner }) => owner),
    slots.map(({ lease }) => lease),
    haveRows,
    joint.map(({ version }) => version),
  ];
}

function toClaimedRun(row: RunRow & { input: Uint8Array | null }, slot: Slot): ClaimedRun {
  const run = toRunRecord(row);
  return {
    claim: { runId: run.runId, attempt: row.attempt },
    run,
    slot,
    alone: Boolean(row.alone),
    countedAttempts: row.counted_attempts,
    input: claimedInput(run.input, row.input, row.input_blob),
    ...damageOf(row),
  };
}
