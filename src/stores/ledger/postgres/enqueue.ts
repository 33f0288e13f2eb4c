// The statements that write runs down, and what they are given: column after column, so that any
// number of runs is one statement.
//
// A transaction locks several rows in this order, so that no two transactions wait for each
// other: runs by their sequence number (a batch before its chunks), then endpoints by name, then
// turns, then keys.

import type { NewRun } from '../ledger.ts';
import type { Statement } from '../../postgres/connections.ts';

/**
 * What is stored of a run as it was handed in: its column, the type of that, and where it comes
 * from.
 */
const GIVEN: readonly (readonly [column: string, type: string, of: (run: NewRun) => unknown])[] = [
  ['run_id', 'text', (run) => run.runId],
  ['version', 'integer', (run) => run.version],
  ['kind', 'text', (run) => run.kind],
  ['run_name', 'text', (run) => run.runName],
  ['priority', 'integer', (run) => run.priority],
  ['queue_ttl_ms', 'bigint', (run) => run.queueTtl],
  ['timeout_ms', 'bigint', (run) => run.timeout],
  ['lost_workers_max', 'integer', (run) => run.lostWorkersMax],
  ['metadata', 'text', (run) => run.metadata],
  ['accept', 'text', (run) => run.accept],
  ['batch', 'text', (run) => (run.batch === null ? null : JSON.stringify(run.batch))],
  ['input_type', 'text', ({ input }) => input?.contentType],
  ['input_bytes', 'bigint', ({ input }) => input?.bytes],
  ['input_sha256', 'text', ({ input }) => input?.sha256],
  ['input_blob', 'text', ({ input }) => (input !== null && 'blob' in input.body ? input.body.blob : null)],
  ['row_from', 'bigint', ({ parent }) => parent?.rows.from],
  ['row_to', 'bigint', ({ parent }) => parent?.rows.to],
  ['tenant', 'text', (run) => run.tenant],
  ['concurrency_key', 'text', (run) => run.concurrencyKey],
  ['retry_of', 'text', (run) => run.retryOf],
  ['callback_url', 'text', ({ callback }) => callback?.url],
  ['callback_events', 'text', ({ callback }) => (callback === null ? null : JSON.stringify(callback.events))],
  ['retention_ms', 'bigint', (run) => run.retention],
  ['trace', 'text', (run) => run.trace],
];
/** What is given beside it. */
const BESIDE: typeof GIVEN = [
  ['endpoint', 'text', (run) => run.endpoint],
  ['body', 'bytea', ({ input }) => (input !== null && 'inline' in input.body ? input.body.inline : null)],
  ['key', 'text', ({ idempotency }) => idempotency?.key],
  ['fingerprint', 'text', ({ idempotency }) => idempotency?.fingerprint],
  ['parent_id', 'text', ({ parent }) => parent?.claim.runId],
  ['parent_attempt', 'integer', ({ parent }) => parent?.claim.attempt],
];
const ALL = [...GIVEN, ...BESIDE];
const parameter = (column: string): string => {
  const place = ALL.findIndex(([name]) => name === column);
  return `$${place + 1}::${ALL[place]![1]}[]`;
};

// The row `g` of each run, with its place among those of its endpoint, and among those of its
// tenant in its line.
const GIVEN_ROWS = `
    unnest(${ALL.map(([column]) => parameter(column)).join(', ')}, $${ALL.length + 1}::bigint[], $${ALL.length + 2}::bigint[])
    WITH ORDINALITY AS g (${ALL.map(([column]) => column).join(', ')}, rank, draw, place)`;

// The turns of the runs that are judged to fit. A statement that waited for the row of its endpoint
// still sees other rows as they were before it waited; ON CONFLICT does not, so a tenant's last
// turn is read by the statement that raises it. The turn that is being served may be read a little
// old: who begins there is served a little sooner, no more.
const DRAWN = `
  arrived AS (
    SELECT j.counter AS endpoint, j.kind = 'batch' AS batches, j.priority, j.tenant, count(*) AS turns
    FROM judged j
    WHERE j.fits AND j.counter IS NOT NULL
    GROUP BY 1, 2, 3, 4),
  tenants AS MATERIALIZED (
    SELECT n.*, coalesce(l.served_turn, 0) AS served
    FROM arrived n LEFT JOIN claimcheck.lines l USING (endpoint, batches, priority)),
  drawn AS (
    INSERT INTO claimcheck.turns AS t (endpoint, batches, priority, tenant, last_turn)
    SELECT n.endpoint, n.batches, n.priority, n.tenant, n.served + n.turns
    FROM tenants n
    ORDER BY n.endpoint, n.batches, n.priority, n.tenant
    ON CONFLICT (endpoint, batches, priority, tenant) DO UPDATE SET last_turn = greatest(excluded.last_turn, t.last_turn + (
      SELECT n.turns FROM tenants n
      WHERE n.endpoint = excluded.endpoint AND n.batches = excluded.batches AND n.priority = excluded.priority AND n.tenant = excluded.tenant))
    RETURNING endpoint, batches, priority, tenant, last_turn),
  first_turns AS (
    SELECT d.endpoint, d.batches, d.priority, d.tenant, d.last_turn - n.turns AS before
    FROM drawn d JOIN tenants n USING (endpoint, batches, priority, tenant))`;
const stored = (draw: 'draw' | 'stored_draw'): string => `
  stored AS (
    INSERT INTO claimcheck.open_runs (${GIVEN.map(([column]) => column).join(', ')},
      seq, endpoint, parent_seq, turn, status, created_at_ms, due_at_ms, queue_deadline_ms)
    SELECT ${GIVEN.map(([column]) => `j.${column}`).join(', ')},
      j.seq, j.counter, j.parent_seq, f.before + j.${draw}, 'queued', clock.now_ms, clock.now_ms, clock.now_ms + j.queue_ttl_ms
    FROM judged j
    LEFT JOIN first_turns f
      ON f.endpoint = j.counter AND f.batches = (j.kind = 'batch') AND f.priority = j.priority AND f.tenant = j.tenant
    CROSS JOIN clock
    WHERE j.fits)`;

/**
 * Writes top-level runs down. Every run is judged once, and every later part of the statement reads
 * that verdict: joining the rows that were stored with those that were given would cost more than
 * storing them. A run of an endpoint without a counter fits too, and is refused for having no
 * endpoint.
 */
// `taken` has no condition of its own on purpose: it would be held against the counter as it was
// before this statement waited for it, and not as it is locked.
export const ENQUEUE: Statement = {
  name: 'claimcheck_enqueue',
  text: `
  WITH
  clock AS MATERIALIZED (SELECT claimcheck.now_ms() AS now_ms),
  counters AS MATERIALIZED (
    SELECT e.name, e.queued, e.queue_limit
    FROM claimcheck.endpoints e
    WHERE e.name = ANY(${parameter('endpoint')})
    ORDER BY e.name
    FOR NO KEY UPDATE),
  compared AS (
    SELECT g.*, NULL::bigint AS parent_seq, c.name AS counter, c.queued + g.rank - 1 AS ahead,
      greatest(c.queued, c.queue_limit) AS full_at, coalesce(c.queued + g.rank <= c.queue_limit, TRUE) AS fits
    FROM ${GIVEN_ROWS} LEFT JOIN counters c ON c.name = g.endpoint
    ORDER BY g.place),
  judged AS MATERIALIZED (
    SELECT c.*, CASE WHEN c.fits THEN nextval('claimcheck.run_seqs') END AS seq FROM compared c),
  taken AS (
    UPDATE claimcheck.endpoints e SET queued = e.queued + j.places
    FROM (SELECT counter, count(*)::integer AS places FROM judged WHERE fits GROUP BY counter) j
    WHERE e.name = j.counter),
  ${DRAWN},
  ${stored('draw')},
  kept AS (
    INSERT INTO claimcheck.idempotency_keys (tenant, key, fingerprint, run_id, created_at_ms)
    SELECT j.tenant, j.key, j.fingerprint, j.run_id, clock.now_ms
    FROM judged j CROSS JOIN clock
    WHERE j.fits AND j.key IS NOT NULL
    ORDER BY j.key, j.tenant),
  bodies AS (
    INSERT INTO claimcheck.inputs (run_seq, body) SELECT j.seq, j.body FROM judged j WHERE j.fits AND j.body IS NOT NULL)
  SELECT j.seq, j.ahead, clock.now_ms AS created_at_ms, j.full_at
  FROM judged j CROSS JOIN clock
  ORDER BY j.place`,
};

/**
 * A chunk is taken only from who holds its parent's claim: a server that lost it must not start
 * more work.
 */
export const LOCK_PARENTS: Statement = {
  name: 'claimcheck_lock_parents',
  text: `SELECT seq FROM claimcheck.open_runs WHERE run_id = ANY($1::text[]) ORDER BY seq FOR UPDATE`,
};

/** Writes chunks down whose parents are locked, so that it sees every chunk that they have. */
export const ENQUEUE_CHUNKS: Statement = {
  name: 'claimcheck_enqueue_chunks',
  text: `
  WITH
  clock AS MATERIALIZED (SELECT claimcheck.now_ms() AS now_ms),
  compared AS (
    SELECT g.*, e.name AS counter, p.seq AS parent_seq, TRUE AS fits,
      row_number() OVER (PARTITION BY p.seq, g.row_from, g.row_to ORDER BY g.place) AS copy
    FROM ${GIVEN_ROWS}
    JOIN claimcheck.open_runs p ON p.run_id = g.parent_id AND p.attempt = g.parent_attempt AND p.status = 'running'
    LEFT JOIN claimcheck.endpoints e ON e.name = g.endpoint
    WHERE NOT EXISTS (
      SELECT 1 FROM claimcheck.runs c WHERE c.parent_seq = p.seq AND c.row_from = g.row_from AND c.row_to = g.row_to)),
  counted AS (
    SELECT c.*, row_number() OVER (PARTITION BY c.endpoint, c.priority, c.tenant ORDER BY c.place) AS stored_draw
    FROM compared c
    WHERE c.copy = 1
    ORDER BY c.place),
  judged AS MATERIALIZED (SELECT c.*, nextval('claimcheck.run_seqs') AS seq FROM counted c),
  ${DRAWN},
  ${stored('stored_draw')}
  SELECT j.run_id, j.seq, 0 AS ahead, clock.now_ms AS created_at_ms
  FROM judged j CROSS JOIN clock`,
};

/**
 * Which of the runs' keys stand for a run: their idempotency keys, and their concurrency keys while
 * a run that has one is open.
 */
export const FIND_KEYS: Statement = {
  name: 'claimcheck_find_keys',
  text: `
  SELECT k.run_id AS replay_of, k.fingerprint AS replay_fingerprint, o.run_id AS twin
  FROM unnest($1::text[], $2::text[], $3::text[], $4::text[]) WITH ORDINALITY AS g (endpoint, tenant, key, concurrency_key, place)
  LEFT JOIN claimcheck.idempotency_keys k ON k.key = g.key AND k.tenant = g.tenant
  LEFT JOIN claimcheck.open_runs o ON o.concurrency_key = g.concurrency_key AND o.tenant = g.tenant AND o.endpoint = g.endpoint
  ORDER BY g.place`,
};

/** Has idempotency keys stand for runs that there are. */
export const KEEP_KEYS: Statement = {
  name: 'claimcheck_keep_keys',
  text: `
  INSERT INTO claimcheck.idempotency_keys (tenant, key, fingerprint, run_id, created_at_ms)
  SELECT g.tenant, g.key, g.fingerprint, g.run_id, claimcheck.now_ms()
  FROM unnest($1::text[], $2::text[], $3::text[], $4::text[]) AS g (tenant, key, fingerprint, run_id)
  ORDER BY g.key, g.tenant`,
};

/** The runs' values, in the order of the parameters. */
export function valuesOf(runs: readonly NewRun[]): unknown[][] {
  return [
    ...ALL.map(([, , of]) => runs.map((run) => of(run) ?? null)),
    ranks(runs.map(({ endpoint }) => endpoint)),
    ranks(
      runs.map(({ endpoint, kind, priority, tenant }) =>
        JSON.stringify([endpoint, kind === 'batch', priority, tenant]),
      ),
    ),
  ];
}

/** The place of each name among those that are the same, counted from 1. */
function ranks(names: readonly string[]): number[] {
  const counts = new Map<string, number>();
  return names.map((name) => {
    const rank = (counts.get(name) ?? 0) + 1;
    counts.set(name, rank);
    return rank;
  });
}
