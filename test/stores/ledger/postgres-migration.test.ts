// A database that an earlier claimcheck has filled is brought to the newest migration with
// everything that is in it.

import { readdirSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { newRunId } from '../../../src/system/clock.ts';
import { sha256 } from '../../../src/domain/digest.ts';
import { DEFAULT_RETENTION } from '../../../src/domain/retention.ts';
import { seconds } from '../../../src/domain/time.ts';
import { migratePostgres, openPostgresLedger } from '../../../src/stores/ledger/postgres/driver.ts';
import { ask, type PostgresServer, startPostgres } from '../../support/postgres.ts';
import { call, deployment } from './runs.ts';

const FIRST = new URL('../../../src/stores/ledger/migrations/postgres/0001_runs.sql', import.meta.url);
const NAMES = ['queued', 'running', 'succeeded', 'failed', 'cancelled', 'batch', 'chunk'] as const;

const MIGRATIONS = readdirSync(new URL('../../../src/stores/ledger/migrations/postgres', import.meta.url)).toSorted();
const LAST = Number.parseInt(MIGRATIONS.at(-1)!, 10);

let server: PostgresServer;
beforeAll(async () => {
  server = await startPostgres();
});
afterAll(() => server.stop());
let url: string;
beforeEach(async () => {
  url = await server.newDatabase();
});
afterEach(() => server.dropDatabase(url));

describe('a database of the first migration', () => {
  test('keeps every run, attempt, payload and key, and goes on where it stood', async () => {
    const ids = await fillFirst();
    const ledger = await openPostgresLedger(url);
    expect(await ledger.audit()).toEqual([]);
    for (const name of NAMES) {
      expect(await ledger.run(ids[name])).toMatchObject({
        runName: name,
        tenant: 'default',
        status: name === 'batch' ? 'running' : name === 'chunk' ? 'succeeded' : name,
        payloadsKept: true,
        retention: DEFAULT_RETENTION,
      });
    }
    expect(await ledger.payload(ids.succeeded, 'output')).toMatchObject({ bytes: 7 });
    expect(await ledger.attempts(ids.failed)).toMatchObject([{ outcome: 'failed', error: { type: 'model-error' } }]);
    expect(await ledger.chunks(ids.batch)).toMatchObject([{ runId: ids.chunk, rows: { from: 0, to: 2 } }]);
    expect((await ledger.runs({ limit: 10 })).map(({ runName }) => runName)).toEqual([
      'batch',
      'cancelled',
      'failed',
      'succeeded',
      'running',
      'queued',
    ]);
    expect(await ledger.depths()).toMatchObject([{ queued: 1, running: 2 }]);
    expect(await ledger.enqueue([call({ idempotency: { key: 'k', fingerprint: 'f' } })])).toEqual([
      { result: 'replayed', runId: ids.queued },
    ]);
    const next = call();
    expect(await ledger.enqueue([next])).toMatchObject([{ result: 'enqueued', sequence: 8 }]);
    const slots = [1, 2].map(() => ({ replica: 'r1', coldStart: null }));
    const claimed = await ledger.claim({
      endpoint: 'echo',
      version: 1,
      lane: 'replica',
      slots,
      alone: true,
      owner: 'me',
      lease: seconds(30),
    });
    expect(claimed.map(({ run }) => run.runId)).toEqual([ids.queued, next.runId]);
    expect(await ledger.cancel(ids.batch)).toMatchObject({ result: 'cancelled' });
    expect(await ledger.audit()).toEqual([]);
    await ledger.close();
  });

  test('is migrated without being opened, and says what was missing', async () => {
    await fillFirst();
    expect(await migratePostgres(url)).toEqual({ applied: MIGRATIONS.slice(1), schema: LAST });
    expect(await migratePostgres(url)).toEqual({ applied: [], schema: LAST });
  });

  test('is refused by a claimcheck that knows only that, once it is migrated', async () => {
    await migratePostgres(url);
    const later = LAST + 1;
    await ask(url, `INSERT INTO claimcheck.migrations VALUES (${later}, 'later.sql', 0)`);
    const refused = `was written by a newer claimcheck (schema ${later}; this one knows ${LAST})`;
    await expect(migratePostgres(url)).rejects.toThrow(refused);
    await expect(openPostgresLedger(url)).rejects.toThrow(refused);
  });
});

test('a database is migrated by many commands at once, also where a transaction would see the past', async () => {
  await ask(url, `ALTER DATABASE ${new URL(url).pathname.slice(1)} SET default_transaction_isolation = serializable`);
  const migrated = await Promise.all(Array.from({ length: 6 }, () => migratePostgres(url)));
  expect(migrated.flatMap(({ applied }) => applied)).toEqual(MIGRATIONS);
});

test('an empty database gets every migration', async () => {
  expect(await migratePostgres(url)).toEqual({
    applied: MIGRATIONS,
    schema: LAST,
  });
  const ledger = await openPostgresLedger(url);
  await ledger.deploy(deployment());
  expect(await ledger.audit()).toEqual([]);
  await ledger.close();
});

/** Makes a database as the first migration left it, with a run in each state. */
async function fillFirst(): Promise<Record<(typeof NAMES)[number], ReturnType<typeof newRunId>>> {
  const ids = {
    queued: newRunId(),
    running: newRunId(),
    succeeded: newRunId(),
    failed: newRunId(),
    cancelled: newRunId(),
    batch: newRunId(),
    chunk: newRunId(),
  };
  const input = `'application/json', 7, '${sha256(new TextEncoder().encode('{"x":1}'))}'`;
  const given = `run_id, endpoint, version, kind, priority, created_at_ms, due_at_ms, lost_workers_max, run_name, input_type, input_bytes, input_sha256`;
  const values = (name: keyof typeof ids, kind = 'call'): string =>
    `'${ids[name]}', 'echo', 1, '${kind}', 0, 1, 1, 3, '${name}', ${kind === 'chunk' ? 'NULL, NULL, NULL' : input}`;
  await ask(
    url,
    `CREATE SCHEMA claimcheck;
     CREATE TABLE claimcheck.migrations (number INTEGER PRIMARY KEY, name TEXT NOT NULL, applied_at_ms BIGINT NOT NULL);
     ${await readFile(FIRST, 'utf8')};
     INSERT INTO claimcheck.migrations VALUES (1, '0001_runs.sql', 0);
     INSERT INTO claimcheck.endpoints VALUES ('echo', 1, 'a', 1, 100, 1);
     INSERT INTO claimcheck.runs (${given}, status) VALUES (${values('queued')}, 'queued');
     INSERT INTO claimcheck.runs (${given}, status, attempt, started_at_ms, owner, lease_until_ms)
       VALUES (${values('running')}, 'running', 1, 2, 'me', 9999999999999);
     INSERT INTO claimcheck.runs (${given}, status, attempt, started_at_ms, finished_at_ms, output_type, output_bytes, output_sha256)
       VALUES (${values('succeeded')}, 'succeeded', 1, 2, 3, ${input});
     INSERT INTO claimcheck.runs (${given}, status, attempt, started_at_ms, finished_at_ms, error_type, error_detail)
       VALUES (${values('failed')}, 'failed', 1, 2, 3, 'model-error', 'No.');
     INSERT INTO claimcheck.runs (${given}, status, finished_at_ms) VALUES (${values('cancelled')}, 'cancelled', 3);
     INSERT INTO claimcheck.runs (${given}, status, attempt, started_at_ms, owner, lease_until_ms, batch)
       VALUES (${values('batch', 'batch')}, 'running', 1, 2, 'me', 9999999999999, '{"size":10,"maxInFlight":4,"onRowError":"mark","rows":3}');
     INSERT INTO claimcheck.runs (${given}, status, attempt, started_at_ms, finished_at_ms, output_type, output_bytes, output_sha256, parent_seq, row_from, row_to)
       VALUES (${values('chunk', 'chunk')}, 'succeeded', 1, 2, 3, ${input}, 6, 0, 2);
     INSERT INTO claimcheck.inputs SELECT seq, '{"x":1}' FROM claimcheck.runs WHERE kind <> 'chunk';
     INSERT INTO claimcheck.outputs SELECT seq, '{"x":1}' FROM claimcheck.runs WHERE status = 'succeeded';
     INSERT INTO claimcheck.attempts (run_seq, attempt, started_at_ms, finished_at_ms, outcome, error_type, error_detail)
       SELECT seq, 1, 2, finished_at_ms, CASE WHEN finished_at_ms IS NOT NULL THEN status END, error_type, error_detail
       FROM claimcheck.runs WHERE attempt = 1;
     INSERT INTO claimcheck.idempotency_keys VALUES ('k', 'f', '${ids.queued}', 1)`,
  );
  return ids;
}
