// Taking runs, and keeping hold of them.

import type { Progress } from '../../domain/batch.ts';
import type { RunId } from '../../domain/ids.ts';
import type { Duration } from '../../domain/time.ts';
import type { Claim, ClaimedRun, ClaimRequest, Recorded, Slot } from '../ledger.ts';
import type { Connections, Statement } from './connections.ts';
import { runColumns, type RunRow, toPayload, toRunRecord } from '../rows.ts';

// The materialised CTE is what keeps the LIMIT: joined in place, the planner may run it again for every row it updates.
// Rows are joined with nothing but the keys and the state they were locked in. Told that status is 'queued' or 'running', the planner
// may go by the index of those alone, and how many they are it knows only from statistics of another minute: it then walked forty
// thousand running runs for every one that was finished.
// The lock leaves foreign keys alone (NO KEY), so that a chunk which is just being stored does not hide its batch from a claim.
const CLAIM: Statement = {
  name: 'claimcheck_claim',
  text: `
  WITH
  clock AS MATERIALIZED (SELECT claimcheck.now_ms() AS now_ms),
  asked AS MATERIALIZED (
    SELECT * FROM unnest($1::text[], $2::boolean[], $3::bigint[])
    WITH ORDINALITY AS a (endpoint, batches, slots, request)),
  slots AS MATERIALIZED (
    SELECT * FROM unnest($4::bigint[], $5::bigint[], $6::text[], $7::bigint[], $8::text[], $9::bigint[])
    AS s (request, place, replica, cold_start_ms, owner, lease_ms)),
  next AS MATERIALIZED (
    SELECT a.request, n.seq, n.priority, n.status
    FROM asked a CROSS JOIN LATERAL (
      SELECT r.seq, r.priority, r.status
      FROM claimcheck.runs r
      WHERE r.endpoint = a.endpoint AND (r.kind = 'batch') = a.batches AND r.status = 'queued'
        AND r.due_at_ms <= (SELECT now_ms FROM clock)
        AND (r.queue_deadline_ms IS NULL OR r.queue_deadline_ms > (SELECT now_ms FROM clock))
      ORDER BY r.priority DESC, r.seq
      LIMIT a.slots
      FOR NO KEY UPDATE SKIP LOCKED) n),
  ranked AS (
    SELECT n.*, row_number() OVER (PARTITION BY n.request ORDER BY n.priority DESC, n.seq) AS place FROM next n),
  taken AS (
    UPDATE claimcheck.runs r SET
      status = 'running', attempt = r.attempt + 1, counted_attempts = r.counted_attempts + 1,
      started_at_ms = coalesce(r.started_at_ms, clock.now_ms), owner = s.owner, lease_until_ms = clock.now_ms + s.lease_ms
    FROM ranked n JOIN slots s ON s.request = n.request AND s.place = n.place CROSS JOIN clock
    WHERE r.seq = n.seq AND r.status = n.status
    RETURNING r.*, s.request, s.place, s.replica, s.cold_start_ms, clock.now_ms),
  opened AS (
    INSERT INTO claimcheck.attempts (run_seq, attempt, replica, cold_start_ms, started_at_ms)
    SELECT seq, attempt, replica, cold_start_ms, now_ms FROM taken),
  freed AS MATERIALIZED (
    SELECT endpoint, count(*)::integer AS places FROM taken WHERE kind <> 'chunk' GROUP BY endpoint),
  counters AS MATERIALIZED (
    SELECT e.name FROM claimcheck.endpoints e WHERE e.name IN (SELECT endpoint FROM freed) ORDER BY e.name FOR NO KEY UPDATE),
  counted AS (
    UPDATE claimcheck.endpoints e SET queued = e.queued - f.places
    FROM counters c JOIN freed f ON f.endpoint = c.name
    WHERE e.name = c.name)
  SELECT ${runColumns('claimcheck.runs')}, i.body AS input, r.request, r.place
  FROM taken r LEFT JOIN claimcheck.inputs i ON i.run_seq = r.seq
  ORDER BY r.request, r.place`,
};

const RENEW: Statement = {
  name: 'claimcheck_renew',
  text: `
  WITH
  clock AS MATERIALIZED (SELECT claimcheck.now_ms() AS now_ms),
  found AS MATERIALIZED (
    SELECT r.seq, r.attempt, r.status, g.lease_ms, r.attempt = g.attempt AND r.status = 'running' AS held
    FROM unnest($1::text[], $2::integer[], $3::bigint[]) AS g (run_id, attempt, lease_ms)
    JOIN claimcheck.runs r ON r.run_id = g.run_id
    ORDER BY r.seq
    FOR NO KEY UPDATE OF r)
  UPDATE claimcheck.runs r SET lease_until_ms = clock.now_ms + f.lease_ms
  FROM found f CROSS JOIN clock
  WHERE r.seq = f.seq AND r.attempt = f.attempt AND r.status = f.status AND f.held
  RETURNING r.run_id, r.attempt`,
};

const PROGRESS: Statement = {
  name: 'claimcheck_progress',
  text: `
  WITH found AS MATERIALIZED (
    SELECT r.seq, r.attempt, r.status, r.attempt = $2 AND r.status = 'running' AS held
    FROM claimcheck.runs r
    WHERE r.run_id = $1
    FOR NO KEY UPDATE)
  UPDATE claimcheck.runs r SET progress_done = $3, progress_total = $4, progress_failed = $5
  FROM found f
  WHERE r.seq = f.seq AND r.attempt = f.attempt AND r.status = f.status AND f.held
  RETURNING r.seq`,
};

type ClaimedRow = RunRow & { input: Uint8Array | null; request: number; place: number };

/** Leases to be extended, and for how long. */
export interface Renewal {
  readonly claims: readonly Claim[];
  readonly lease: Duration;
}

/** A slot, and whose it is. */
interface OwnedSlot {
  readonly slot: Slot;
  readonly owner: string;
  readonly lease: Duration;
}

/** Requests of the same endpoint and lane as one: asked separately in one statement, they would find the same runs. */
interface JointRequest {
  readonly endpoint: string;
  readonly lane: ClaimRequest['lane'];
  readonly slots: OwnedSlot[];
  /** The requests, each as often as it has slots. */
  readonly askers: number[];
}

/** Claims runs. */
export class Claims {
  readonly #connections: Connections;

  constructor(connections: Connections) {
    this.#connections = connections;
  }

  async claim(requests: readonly ClaimRequest[]): Promise<ClaimedRun[][]> {
    const joint = joined(requests);
    const claimed: ClaimedRun[][] = requests.map(() => []);
    if (joint.length === 0) return claimed;
    for (const row of await this.#connections.write<ClaimedRow>(CLAIM, valuesOf(joint))) {
      const { slots, askers } = joint[row.request - 1]!;
      claimed[askers[row.place - 1]!]!.push(toClaimedRun(row, slots[row.place - 1]!.slot));
    }
    return claimed;
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

  async progress({ runId, attempt }: Claim, { done, total, failed }: Progress): Promise<Recorded> {
    const values = [runId, attempt, done, total, failed];
    const rows = await this.#connections.untilKnown(() => this.#connections.write(PROGRESS, values));
    return rows.length === 1 ? 'recorded' : 'lost';
  }
}

function joined(requests: readonly ClaimRequest[]): JointRequest[] {
  const joint = new Map<string, JointRequest>();
  requests.forEach(({ endpoint, lane, slots, owner, lease }, asker) => {
    if (slots.length === 0) return;
    const key = `${lane} ${endpoint}`;
    const request = joint.get(key) ?? { endpoint, lane, slots: [], askers: [] };
    joint.set(key, request);
    for (const slot of slots) {
      request.slots.push({ slot, owner, lease });
      request.askers.push(asker);
    }
  });
  return [...joint.values()];
}

function valuesOf(joint: readonly JointRequest[]): unknown[][] {
  const slots = joint.flatMap((request, place) =>
    request.slots.map((owned, slot) => ({ ...owned, place, slotPlace: slot })),
  );
  return [
    joint.map(({ endpoint }) => endpoint),
    joint.map(({ lane }) => lane === 'engine'),
    joint.map((request) => request.slots.length),
    slots.map(({ place }) => place + 1),
    slots.map(({ slotPlace }) => slotPlace + 1),
    slots.map(({ slot }) => slot.replica),
    slots.map(({ slot }) => slot.coldStart),
    slots.map(({ owner }) => owner),
    slots.map(({ lease }) => lease),
  ];
}

function toClaimedRun(row: ClaimedRow, slot: Slot): ClaimedRun {
  const run = toRunRecord(row);
  return {
    claim: { runId: row.run_id as RunId, attempt: row.attempt },
    run,
    slot,
    countedAttempts: row.counted_attempts,
    input: toPayload(run.input, row.input, row.input_blob),
  };
}
