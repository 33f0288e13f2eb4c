// What the tables promise, each as a sentence and as the query that finds who breaks it. The
// statements and the CHECKs are there to keep these promises; the queries do not trust them. One
// text for every driver, but for the few words in which their SQL differs.

import type { Dialect, TablePromise } from './dialect.ts';
import { recordPromises, TEXT_PROMISE } from './record-promises.ts';

/** Every promise of the tables. */
export const tablePromises = (dialect: Dialect): readonly TablePromise[] => [
  ...attemptPromises(dialect),
  ...placePromises(dialect),
  ...endPromises(dialect),
];

const ended = (alias: string): string => `${alias}.status IN ('succeeded', 'failed', 'cancelled')`;

/** A run and its attempts say the same. */
function attemptPromises({ table }: Dialect): TablePromise[] {
  const [runs, attempts] = [table('runs'), table('attempts')];
  return [
    {
      promise: 'A run that is running has one open attempt, its last one; any other run has none.',
      sql: `SELECT r.run_id AS place FROM ${runs} r
        WHERE (SELECT count(*) FROM ${attempts} a WHERE a.run_seq = r.seq AND a.outcome IS NULL)
            <> CASE WHEN r.status = 'running' THEN 1 ELSE 0 END
          OR (r.status = 'running' AND EXISTS (
            SELECT 1 FROM ${attempts} a WHERE a.run_seq = r.seq AND a.outcome IS NULL AND a.attempt <> r.attempt))`,
    },
    {
      promise: 'The attempts of a run are counted from 1 without a gap, and the last one is the run’s own.',
      sql: `SELECT r.run_id AS place FROM ${runs} r
        LEFT JOIN (SELECT run_seq, count(*) AS attempts, max(attempt) AS last FROM ${attempts} GROUP BY run_seq) a ON a.run_seq = r.seq
        WHERE coalesce(a.attempts, 0) <> r.attempt OR coalesce(a.last, 0) <> r.attempt`,
    },
    {
      promise: 'Only the last attempt of a run that succeeded has succeeded, and it has.',
      sql: `SELECT r.run_id AS place FROM ${runs} r
        WHERE EXISTS (SELECT 1 FROM ${attempts} a WHERE a.run_seq = r.seq AND a.outcome = 'succeeded'
            AND (r.status <> 'succeeded' OR a.attempt <> r.attempt))
          OR (r.status = 'succeeded' AND NOT EXISTS (
            SELECT 1 FROM ${attempts} a WHERE a.run_seq = r.seq AND a.attempt = r.attempt AND a.outcome = 'succeeded'))`,
    },
    {
      promise: 'A run that failed did so in its last attempt, or waited too long.',
      sql: `SELECT r.run_id AS place FROM ${runs} r
        WHERE r.status = 'failed' AND r.error_type <> 'queue-expired' AND NOT EXISTS (
          SELECT 1 FROM ${attempts} a WHERE a.run_seq = r.seq AND a.attempt = r.attempt AND a.outcome IN ('failed', 'lost'))`,
    },
    {
      promise: 'An attempt that was cancelled is the last one of a run that was cancelled.',
      sql: `SELECT r.run_id AS place FROM ${runs} r JOIN ${attempts} a ON a.run_seq = r.seq
        WHERE a.outcome = 'cancelled' AND (r.status <> 'cancelled' OR a.attempt <> r.attempt)`,
    },
  ];
}

/** Everything belongs to something that is there, and is counted. */
function placePromises({ table, isTrue }: Dialect): TablePromise[] {
  const [runs, endpoints] = [table('runs'), table('endpoints')];
  return [
    {
      promise: 'What belongs to a run belongs to one that is there.',
      sql: ['attempts', 'inputs', 'outputs', 'deliveries']
        .map(
          (name) =>
            `SELECT '${name} of ' || x.run_seq AS place FROM ${table(name)} x WHERE NOT EXISTS (SELECT 1 FROM ${runs} r WHERE r.seq = x.run_seq)`,
        )
        .join(' UNION ALL '),
    },
    {
      promise: 'A chunk’s batch is there, and no chunk is open once its batch has ended.',
      sql: `SELECT c.run_id AS place FROM ${runs} c LEFT JOIN ${runs} p ON p.seq = c.parent_seq
        WHERE c.kind = 'chunk' AND (p.seq IS NULL OR p.kind <> 'batch' OR (${ended('p')} AND NOT ${ended('c')}))`,
    },
    {
      promise: 'An endpoint has as many queued runs as its counter says.',
      sql: `SELECT e.name AS place FROM ${endpoints} e
        WHERE e.queued <> (SELECT count(*) FROM ${runs} r WHERE r.endpoint = e.name AND r.status = 'queued' AND r.kind <> 'chunk')`,
    },
    {
      promise: 'A run’s endpoint is there, and no tenant’s run has a turn that the tenant has not drawn yet.',
      sql: `SELECT r.run_id AS place FROM ${runs} r LEFT JOIN ${endpoints} e ON e.name = r.endpoint
        LEFT JOIN ${table('turns')} t ON t.endpoint = r.endpoint AND t.tenant = r.tenant
          AND t.priority = r.priority AND (${isTrue('t.batches')}) = (r.kind = 'batch')
        WHERE e.name IS NULL OR r.turn > coalesce(t.last_turn, 0)`,
    },
    {
      promise: 'No two chunks of a batch have the same rows, and no two runs the same id.',
      sql: `SELECT min(c.run_id) AS place FROM ${runs} c WHERE c.parent_seq IS NOT NULL
          GROUP BY c.parent_seq, c.row_from, c.row_to HAVING count(*) > 1
        UNION ALL SELECT r.run_id AS place FROM ${runs} r GROUP BY r.run_id HAVING count(*) > 1`,
    },
  ];
}

/** Inputs and outcomes are kept as long as was said, and callbacks are told. */
function endPromises({ table, sha256, isTrue, includes }: Dialect): TablePromise[] {
  const runs = table('runs');
  return [
    ...(['input', 'output'] as const).map((role) => ({
      promise: `Every ${role} that is kept is there, with the length and the sha-256 that its run says; one in the blob store is named.`,
      sql: `SELECT r.run_id AS place FROM ${runs} r LEFT JOIN ${table(`${role}s`)} b ON b.run_seq = r.seq
        WHERE CASE
          WHEN r.${role}_sha256 IS NULL OR NOT ${isTrue('r.payloads_kept')} THEN b.run_seq IS NOT NULL OR r.${role}_blob IS NOT NULL
          WHEN r.${role}_blob IS NOT NULL THEN b.run_seq IS NOT NULL
          ELSE b.run_seq IS NULL OR length(b.body) <> r.${role}_bytes OR ${sha256('b.body')} <> r.${role}_sha256 END`,
    })),
    {
      promise: 'A run that has ended is let go of some time, and no other is.',
      sql: `SELECT r.run_id AS place FROM ${runs} r WHERE ${ended('r')} <> (r.kept_until_ms IS NOT NULL)`,
    },
    {
      promise:
        'Whoever asked to hear of a run’s end has one delivery, written when it ended, that says how and goes where it was asked for.',
      sql: `SELECT r.run_id AS place FROM ${runs} r
        WHERE (SELECT count(*) FROM ${table('deliveries')} d
            WHERE d.run_seq = r.seq AND d.event = 'run.' || r.status AND d.url = r.callback_url)
          <> CASE WHEN r.callback_url IS NOT NULL AND ${ended('r')} AND ${includes('r.callback_events', `'run.' || r.status`)} THEN 1 ELSE 0 END
        UNION ALL SELECT r.run_id FROM ${runs} r JOIN ${table('deliveries')} d ON d.run_seq = r.seq GROUP BY r.run_id HAVING count(*) > 1`,
    },
    {
      promise: 'A delivery has every attempt at it in its log, counted from 1 without a gap.',
      sql: `SELECT d.delivery_id AS place FROM ${table('deliveries')} d
        LEFT JOIN (SELECT delivery_id, count(*) AS attempts, max(attempt) AS last FROM ${table('delivery_attempts')} GROUP BY delivery_id) a
          ON a.delivery_id = d.delivery_id
        WHERE coalesce(a.attempts, 0) <> d.attempt OR coalesce(a.last, 0) <> d.attempt`,
    },
    {
      promise: 'Of the runs with one concurrency key at most one is open.',
      sql: `SELECT r.endpoint || ' ' || r.tenant || ' ' || r.concurrency_key AS place FROM ${runs} r
        WHERE r.concurrency_key IS NOT NULL AND r.status IN ('queued', 'running')
        GROUP BY r.endpoint, r.tenant, r.concurrency_key HAVING count(*) > 1`,
    },
    {
      promise: 'An idempotency key stands for a run that is there, of the tenant whose key it is.',
      sql: `SELECT k.run_id AS place FROM ${table('idempotency_keys')} k
        WHERE NOT EXISTS (SELECT 1 FROM ${runs} r WHERE r.run_id = k.run_id AND r.tenant = k.tenant)`,
    },
  ];
}

const SENTENCES_ALONE: Dialect = { table: String, sha256: String, isTrue: String, includes: String };

/** Every promise of the tables and of their records, as sentences alone. */
export const TABLE_PROMISES: readonly string[] = [
  ...tablePromises(SENTENCES_ALONE).map(({ promise }) => promise),
  ...recordPromises(SENTENCES_ALONE).map(({ promise }) => promise),
  TEXT_PROMISE,
];

/** What a ledger in a file promises beside its tables. */
export const FILE_PROMISE =
  'The file’s pages, rows and indexes agree with each other, none is gone, and every row keeps to the conditions of its table.';

/**
 * Places named for each promise at the most: their reader wants to know that it is broken, and
 * where to begin.
 */
export const PLACES_MAX = 20;
