// Rows that another transaction holds fast: calls that can take another row do so, and do not wait.

import pg from 'pg';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { seconds } from '../../../src/domain/time.ts';
import type { NewRun } from '../../../src/stores/ledger/ledger.ts';
import { type PostgresServer, startPostgres } from '../../support/postgres.ts';
import { type OpenedLedger, postgres } from './drivers.ts';
import { call, deployment } from './runs.ts';

const LEASE = seconds(30);

let server: PostgresServer;
let opened: OpenedLedger;
let holder: pg.Client;
beforeAll(async () => {
  server = await startPostgres();
});
afterAll(() => server.stop());
beforeEach(async () => {
  opened = await postgres(() => server).open();
  await opened.ledger.deploy(deployment());
  holder = new pg.Client({ connectionString: opened.url });
  await holder.connect();
});
afterEach(async () => {
  await holder.end();
  await opened.close();
});

/** Holds a run's row fast until the test is over. */
async function hold({ runId }: NewRun): Promise<void> {
  await holder.query('BEGIN');
  const { rowCount } = await holder.query('SELECT 1 FROM claimcheck.open_runs WHERE run_id = $1 FOR UPDATE', [runId]);
  expect(rowCount).toBe(1);
}

test('a claim takes the next run', async () => {
  const [first, second] = [call(), call()];
  await opened.ledger.enqueue([first, second]);
  await hold(first);
  const slots = [{ replica: 'r1', coldStart: null }];
  const asked = {
    endpoint: 'echo',
    version: 1,
    lane: 'replica',
    slots,
    alone: true,
    owner: 'me',
    lease: LEASE,
  } as const;
  expect((await opened.ledger.claim(asked)).map(({ run }) => run.runId)).toEqual([second.runId]);
});

test('the sweeps take what they can', async () => {
  const runs = [call({ queueTtl: seconds(1) }), call({ queueTtl: seconds(1) })] as const;
  await opened.ledger.enqueue(runs);
  await opened.advance(seconds(1));
  await hold(runs[0]);
  expect(await opened.ledger.expire()).toMatchObject([{ runId: runs[1].runId }]);
  expect(await opened.ledger.reclaim('me')).toEqual([]);
});
