// Writing runs down. The queue limit is a counter row that is locked, held against the limit and raised in the transaction that
// stores the runs: a count of rows would let concurrent callers past it.
//
// Whoever locks several rows does it in this order, so that no two transactions wait for each other: runs by their sequence
// number (a batch before its chunks), then endpoints by name, then idempotency keys.

import type { RunId } from '../../domain/ids.ts';
import { instant } from '../../domain/time.ts';
import type { Deployment, Enqueued, NewRun } from '../ledger.ts';
import type { Connections, Statement, Writer } from './connections.ts';
import { isRefusedBy, lacks, OutcomeUnknown } from './errors.ts';

const DEPLOY: Statement = {
  name: 'claimcheck_deploy',
  text: `
  INSERT INTO claimcheck.endpoints AS e (name, version, fingerprint, deployed_at_ms, queue_limit)
  VALUES ($1, 1, $2, claimcheck.now_ms(), $3)
  ON CONFLICT (name) DO UPDATE SET
    version        = e.version + (e.fingerprint <> excluded.fingerprint)::integer,
    deployed_at_ms = CASE WHEN e.fingerprint <> excluded.fingerprint THEN excluded.deployed_at_ms ELSE e.deployed_at_ms END,
    fingerprint    = excluded.fingerprint,
    queue_limit    = excluded.queue_limit
  RETURNING version`,
};

const GIVEN = `
    SELECT * FROM unnest($1::text[], $2::text[], $3::integer[], $4::text[], $5::text[], $6::integer[], $7::bigint[], $8::bigint[],
      $9::integer[], $10::text[], $11::text[], $12::text[], $13::text[], $14::bigint[], $15::text[], $16::text[], $17::bytea[],
      $18::text[], $19::text[], $20::text[], $21::integer[], $22::bigint[], $23::bigint[])
    WITH ORDINALITY AS g (run_id, endpoint, version, kind, run_name, priority, queue_ttl_ms, timeout_ms,
      lost_workers_max, metadata, accept, batch, input_type, input_bytes, input_sha256, input_blob, body,
      key, fingerprint, parent_id, parent_attempt, row_from, row_to, place)`;
const RUN_COLUMNS_GIVEN = `run_id, endpoint, version, kind, status, run_name, priority, created_at_ms, due_at_ms,
      queue_ttl_ms, queue_deadline_ms, timeout_ms, lost_workers_max, metadata, accept, batch,
      parent_seq, row_from, row_to, input_type, input_bytes, input_sha256, input_blob`;
const RUN_VALUES_GIVEN = `g.run_id, g.counter, g.version, g.kind, 'queued', g.run_name, g.priority, clock.now_ms, clock.now_ms,
      g.queue_ttl_ms, clock.now_ms + g.queue_ttl_ms, g.timeout_ms, g.lost_workers_max, g.metadata, g.accept, g.batch,
      g.parent_seq, g.row_from, g.row_to, g.input_type, g.input_bytes, g.input_sha256, g.input_blob`;

// Every run is judged once, and whatever is written then reads that verdict: joining the rows that were stored with those that were
// given would cost more than storing them. A run of an endpoint without a counter fits too, and is refused for having no endpoint.
// `taken` has no condition of its own on purpose: it would be held against the counter as it was before this statement waited
// for it, and not as it is locked.
const ENQUEUE: Statement = {
  name: 'claimcheck_enqueue',
  text: `
  WITH
  clock AS MATERIALIZED (SELECT claimcheck.now_ms() AS now_ms),
  given AS MATERIALIZED (${GIVEN}),
  counters AS MATERIALIZED (
    SELECT e.name, e.queued, e.queue_limit
    FROM claimcheck.endpoints e
    WHERE e.name = ANY($2::text[])
    ORDER BY e.name
    FOR NO KEY UPDATE),
  replays AS MATERIALIZED (
    SELECT k.key, k.fingerprint, k.run_id FROM claimcheck.idempotency_keys k WHERE k.key = ANY($18::text[])),
  ranked AS (
    SELECT g.*, NULL::bigint AS parent_seq, p.run_id AS replay_of, p.fingerprint AS replay_fingerprint,
      row_number() OVER (PARTITION BY g.endpoint, p.key IS NULL ORDER BY g.place) AS rank
    FROM given g LEFT JOIN replays p ON p.key = g.key),
  compared AS (
    SELECT r.*, c.name AS counter, c.queued + r.rank - 1 AS ahead, greatest(c.queued, c.queue_limit) AS full_at,
      r.replay_of IS NULL AND coalesce(c.queued + r.rank <= c.queue_limit, TRUE) AS fits
    FROM ranked r LEFT JOIN counters c ON c.name = r.endpoint
    ORDER BY r.place),
  judged AS MATERIALIZED (
    SELECT c.*, CASE WHEN c.fits THEN nextval('claimcheck.runs_seq_seq') END AS seq FROM compared c),
  taken AS (
    UPDATE claimcheck.endpoints e SET queued = e.queued + j.places
    FROM (SELECT endpoint, count(*)::integer AS places FROM judged WHERE fits GROUP BY endpoint) j
    WHERE e.name = j.endpoint),
  stored AS (
    INSERT INTO claimcheck.runs (seq, ${RUN_COLUMNS_GIVEN})
    SELECT g.seq, ${RUN_VALUES_GIVEN}
    FROM judged g CROSS JOIN clock
    WHERE g.fits),
  kept AS (
    INSERT INTO claimcheck.idempotency_keys (key, fingerprint, run_id, created_at_ms)
    SELECT j.key, j.fingerprint, j.run_id, clock.now_ms
    FROM judged j CROSS JOIN clock
    WHERE j.fits AND j.key IS NOT NULL
    ORDER BY j.key),
  bodies AS (
    INSERT INTO claimcheck.inputs (run_seq, body) SELECT j.seq, j.body FROM judged j WHERE j.fits AND j.body IS NOT NULL)
  SELECT j.seq, j.ahead, clock.now_ms AS created_at_ms, j.replay_of, j.replay_fingerprint, j.full_at
  FROM judged j CROSS JOIN clock
  ORDER BY j.place`,
};

/** A chunk is taken only from who holds its parent's claim: a server that lost it must not start more work. */
const ENQUEUE_CHUNKS: Statement = {
  name: 'claimcheck_enqueue_chunks',
  text: `
  WITH
  clock AS MATERIALIZED (SELECT claimcheck.now_ms() AS now_ms),
  given AS MATERIALIZED (${GIVEN}),
  parents AS MATERIALIZED (
    SELECT r.seq, r.run_id, r.attempt, r.status
    FROM claimcheck.runs r
    WHERE r.run_id = ANY($20::text[])
    ORDER BY r.seq
    FOR NO KEY UPDATE),
  held AS (
    SELECT g.*, g.endpoint AS counter, p.seq AS parent_seq
    FROM given g JOIN parents p ON p.run_id = g.parent_id AND p.attempt = g.parent_attempt AND p.status = 'running'
    ORDER BY g.place),
  stored AS (
    INSERT INTO claimcheck.runs (${RUN_COLUMNS_GIVEN})
    SELECT ${RUN_VALUES_GIVEN}
    FROM held g CROSS JOIN clock
    ON CONFLICT (parent_seq, row_from, row_to) WHERE parent_seq IS NOT NULL DO NOTHING
    RETURNING seq, run_id)
  SELECT s.run_id, s.seq, 0 AS ahead, clock.now_ms AS created_at_ms
  FROM stored s CROSS JOIN clock`,
};

// For a write whose connection was lost: run ids are made by the caller, so a run that is there is there by that write.
const STORED: Statement = {
  name: 'claimcheck_stored',
  text: `
  SELECT r.run_id, r.seq, r.created_at_ms,
    (SELECT count(*) FROM claimcheck.runs q
     WHERE q.endpoint = r.endpoint AND q.status = 'queued' AND q.kind <> 'chunk' AND q.seq < r.seq) AS ahead
  FROM claimcheck.runs r
  WHERE r.run_id = ANY($1::text[])`,
};

/** How often a group is written anew because another server was first with one of its keys, or its connection was lost. */
const TRIES_MAX = 20;

interface StoredRow {
  seq: number;
  ahead: number;
  created_at_ms: number;
}
interface JudgedRow {
  seq: number | null;
  ahead: number | null;
  created_at_ms: number;
  replay_of: string | null;
  replay_fingerprint: string | null;
  full_at: number | null;
}
type StoredRun = StoredRow & { run_id: string };

/** What became of a run, and the request that its idempotency key stands for. */
interface Written {
  readonly answer: Enqueued;
  readonly keyOf: { readonly runId: RunId; readonly fingerprint: string } | null;
}

/** Takes deployments and runs in. */
export class Intake {
  readonly #connections: Connections;

  constructor(connections: Connections) {
    this.#connections = connections;
  }

  async deploy({ name, fingerprint, queueLimit }: Deployment): Promise<number> {
    const values = [name, fingerprint, queueLimit];
    const rows = await this.#connections.untilKnown(() => this.#connections.write<{ version: number }>(DEPLOY, values));
    return rows[0]!.version;
  }

  /** Writes the runs of several callers down in one transaction. */
  async enqueue(calls: readonly (readonly NewRun[])[]): Promise<Enqueued[][]> {
    const leaders = new Map<string, NewRun>();
    const isFirstOfItsKey = (run: NewRun): boolean => {
      if (run.idempotency === null || leaders.get(run.idempotency.key) === run) return true;
      if (leaders.has(run.idempotency.key)) return false;
      leaders.set(run.idempotency.key, run);
      return true;
    };
    const written = await this.#untilKnown(calls.flat().filter(isFirstOfItsKey));
    return calls.map((runs) =>
      runs.map((run) => {
        const { idempotency } = run;
        if (idempotency === null || isFirstOfItsKey(run)) return written.get(run)!.answer;
        return answerToCopy(idempotency.fingerprint, written.get(leaders.get(idempotency.key)!)!);
      }),
    );
  }

  /**
   * Writes until it is known what became of every run. Another server may be first with a key of theirs: the whole group is undone
   * then, and finds that key when it is written anew. And a connection may be lost during the commit: what is there then is looked up.
   */
  async #untilKnown(runs: readonly NewRun[]): Promise<ReadonlyMap<NewRun, Written>> {
    let mayBeThere = false;
    for (let tries = 1; ; tries += 1) {
      try {
        const there = mayBeThere ? await this.#lookUp(runs) : new Map<NewRun, Written>();
        const written = await this.#write(runs.filter((run) => !there.has(run)));
        return new Map([...there, ...written]);
      } catch (error) {
        if (tries === TRIES_MAX) throw error;
        if (error instanceof OutcomeUnknown) mayBeThere = true;
        else if (lacks(error, 'endpoint')) throw neverDeployed(runs, error);
        else if (
          !isRefusedBy(error, 'an_idempotency_key_is_used_once') &&
          !(mayBeThere && isRefusedBy(error, 'a_run_id_is_used_once'))
        )
          throw error;
      }
    }
  }

  async #lookUp(runs: readonly NewRun[]): Promise<Map<NewRun, Written>> {
    const ids = runs.map(({ runId }) => runId);
    const rows = await this.#connections.read<StoredRun>(STORED, [ids]);
    const found = byRunId(rows);
    const there = runs.filter(({ runId }) => found.has(runId));
    return new Map(there.map((run) => [run, enqueued(run, found.get(run.runId)!)]));
  }

  async #write(runs: readonly NewRun[]): Promise<[NewRun, Written][]> {
    const chunks = runs.filter(({ parent }) => parent !== null);
    const topLevel = runs.filter(({ parent }) => parent === null);
    if (runs.length === 0) return [];
    if (chunks.length === 0) return storeTopLevel(this.#connections, topLevel);
    if (topLevel.length === 0) return storeChunks(this.#connections, chunks);
    return this.#connections.transaction(async (writer) => [
      ...(await storeChunks(writer, chunks)),
      ...(await storeTopLevel(writer, topLevel)),
    ]);
  }
}

async function storeTopLevel(writer: Writer, runs: readonly NewRun[]): Promise<[NewRun, Written][]> {
  const rows = await writer.write<JudgedRow>(ENQUEUE, valuesOf(runs));
  return runs.map((run, place) => [run, toWritten(run, rows[place]!)]);
}

async function storeChunks(writer: Writer, runs: readonly NewRun[]): Promise<[NewRun, Written][]> {
  const stored = byRunId(await writer.write<StoredRun>(ENQUEUE_CHUNKS, valuesOf(runs)));
  return runs.map((run) => {
    const row = stored.get(run.runId);
    return [run, row === undefined ? { answer: { result: 'refused' }, keyOf: null } : enqueued(run, row)];
  });
}

const byRunId = (rows: readonly StoredRun[]): Map<string, StoredRun> => new Map(rows.map((row) => [row.run_id, row]));

function toWritten(run: NewRun, row: JudgedRow): Written {
  const { seq, ahead, replay_of: replayOf, replay_fingerprint: fingerprint } = row;
  if (seq !== null && ahead !== null) return enqueued(run, { seq, ahead, created_at_ms: row.created_at_ms });
  if (replayOf === null || fingerprint === null)
    return { answer: { result: 'queue-full', queued: row.full_at! }, keyOf: null };
  const keyOf = { runId: replayOf as RunId, fingerprint };
  const isSame = fingerprint === run.idempotency?.fingerprint;
  return { answer: isSame ? { result: 'replayed', runId: keyOf.runId } : { result: 'key-reused' }, keyOf };
}

function enqueued(run: NewRun, { seq, ahead, created_at_ms: createdAt }: StoredRow): Written {
  return {
    answer: { result: 'enqueued', sequence: seq, ahead, createdAt: instant(createdAt) },
    keyOf: run.idempotency === null ? null : { runId: run.runId, fingerprint: run.idempotency.fingerprint },
  };
}

/** The answer to a run whose idempotency key came before in the same group. */
function answerToCopy(fingerprint: string, { answer, keyOf }: Written): Enqueued {
  if (keyOf === null) return answer;
  return keyOf.fingerprint === fingerprint ? { result: 'replayed', runId: keyOf.runId } : { result: 'key-reused' };
}

function neverDeployed(runs: readonly NewRun[], cause: unknown): Error {
  const endpoints = [...new Set(runs.map(({ endpoint }) => endpoint))].join(', ');
  return new Error(`Endpoint ${endpoints} was never deployed to this ledger.`, { cause });
}

/** Column after column, in the order of GIVEN. */
function valuesOf(runs: readonly NewRun[]): unknown[][] {
  return [
    runs.map((run) => run.runId),
    runs.map((run) => run.endpoint),
    runs.map((run) => run.version),
    runs.map((run) => run.kind),
    runs.map((run) => run.runName),
    runs.map((run) => run.priority),
    runs.map((run) => run.queueTtl),
    runs.map((run) => run.timeout),
    runs.map((run) => run.lostWorkersMax),
    runs.map((run) => run.metadata),
    runs.map((run) => run.accept),
    runs.map((run) => (run.batch === null ? null : JSON.stringify(run.batch))),
    runs.map(({ input }) => input?.contentType ?? null),
    runs.map(({ input }) => input?.bytes ?? null),
    runs.map(({ input }) => input?.sha256 ?? null),
    runs.map(({ input }) => (input !== null && 'blob' in input.body ? input.body.blob : null)),
    runs.map(({ input }) => (input !== null && 'inline' in input.body ? input.body.inline : null)),
    runs.map(({ idempotency }) => idempotency?.key ?? null),
    runs.map(({ idempotency }) => idempotency?.fingerprint ?? null),
    runs.map(({ parent }) => parent?.claim.runId ?? null),
    runs.map(({ parent }) => parent?.claim.attempt ?? null),
    runs.map(({ parent }) => parent?.rows.from ?? null),
    runs.map(({ parent }) => parent?.rows.to ?? null),
  ];
}
