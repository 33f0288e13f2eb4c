// Rows that somebody else has written into, or that a disk has changed: who reads others with them
// is not kept from those.

import { DatabaseSync } from 'node:sqlite';
import { expect, onTestFinished, test } from 'vitest';
import { ledgerFile } from '../../src/config/config.ts';
import { databaseOf, dropDatabase } from '../support/database.ts';
import { folderForTest } from '../support/folder.ts';
import { Gates } from '../support/gate.ts';
import { ask } from '../support/postgres.ts';
import { startTestService, type TestService } from '../support/service.ts';
import { until } from '../support/until.ts';

const ENDPOINTS = {
  jobs: { model: './anything.ts', mode: 'async', replicas: { max: 1 } },
  rows: { model: './careful-rows.ts', mode: 'async', replicas: { max: 1 } },
} as const;

/** Changes the store while nobody has it. */
async function damage(data: string, sql: string): Promise<void> {
  const database = await databaseOf(data);
  if (database !== null)
    return void (await ask(database, sql.replaceAll(/\b(open_runs|runs|inputs|deployments)\b/g, 'claimcheck.$1')));
  const db = new DatabaseSync(ledgerFile(data));
  db.exec(`PRAGMA ignore_check_constraints = ON; ${sql.replaceAll('open_runs', 'runs')}`);
  db.close();
}

const deploy = (server: TestService, endpoint: object) =>
  server.send('PUT', '/endpoints/extra', {
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(endpoint),
  });

/** A store, and how a server is started on it, as often as is asked for. */
async function storeForTest(): Promise<{ readonly data: string; readonly start: () => Promise<TestService> }> {
  const data = await folderForTest();
  onTestFinished(() => dropDatabase(data));
  const start = async (): Promise<TestService> => {
    const started = await startTestService({ endpoints: ENDPOINTS, data });
    onTestFinished(() => started.stop());
    return started;
  };
  return { data, start };
}

test('one run that nobody can read any more keeps nobody from the others', async () => {
  const { data, start } = await storeForTest();
  const first = await start();
  const table = (await first.postRaw('/endpoints/rows/invoke', 'text/csv', 'id\n1\n')).json.run_id as string;
  const call = await first.submit('jobs', { do: 'say', value: 1 }, { metadata: { a: 1 } });
  const failed = await first.submit('jobs', { do: 'throw' });
  for (const id of [table, call, failed]) await first.ended(id);
  await first.stop();
  const into = async (set: string, id: string): Promise<void> => {
    const database = await databaseOf(data);
    if (database !== null) await ask(database, `UPDATE claimcheck.ended_runs SET ${set} WHERE run_id = '${id}'`);
    else await damage(data, `UPDATE runs SET ${set} WHERE run_id = '${id}'`);
  };
  await into(`batch = '{"size":'`, table);
  await into(`metadata = '{"a":', finished_at_ms = 9000000000000001`, call);
  const server = await start();
  const { status, json } = await server.get('/runs');
  expect(status).toBe(200);
  expect(json.runs).toMatchObject([
    { run_id: failed, status: 'failed' },
    { run_id: call, status: 'succeeded', metadata: {} },
    { run_id: table, status: 'succeeded', batch: null },
  ]);
  for (const id of [table, call]) expect((await server.get(`/runs/${id}`)).status).toBe(200);
});

test('a run whose input, or whose batch’s options, are gone from the ledger fails, and those behind it are made', async () => {
  const data = await folderForTest();
  onTestFinished(() => dropDatabase(data));
  const gates = new Gates(await folderForTest());
  const first = await startTestService({ endpoints: ENDPOINTS, data });
  const held = await first.submit('jobs', { do: 'say', value: 0, path: gates.path('open') });
  await first.inStatus(held, 'running');
  const [broken, behind] = [
    await first.submit('jobs', { do: 'say', value: 1 }),
    await first.submit('jobs', { do: 'say', value: 2 }),
  ];
  const table = (await first.postRaw('/endpoints/rows/invoke', 'text/csv', `id,gate\n1,${gates.path('open')}\n`)).json
    .run_id as string;
  await first.stop();
  await damage(data, `UPDATE open_runs SET batch = '{"size":' WHERE run_id = '${table}'`);
  await damage(data, `DELETE FROM inputs WHERE run_seq = (SELECT seq FROM runs WHERE run_id = '${broken}')`);
  const server = await startTestService({ endpoints: ENDPOINTS, data });
  onTestFinished(() => server.stop());
  gates.open('open');
  expect(await server.ended(behind)).toMatchObject({ status: 'succeeded' });
  for (const id of [broken, table])
    expect(await server.ended(id)).toMatchObject({ status: 'failed', error: { type: 'payload-damaged' } });
});

test.each([
  ['no JSON', 'oops'],
  ['no specification', '{}'],
  ['none of its model', '{"model":{}}'],
])(
  'versions whose specification is %s any more keep a server from no other endpoint, and nobody goes back to them',
  async (_, spec) => {
    const { data, start } = await storeForTest();
    const first = await start();
    expect((await deploy(first, { model: './anything.ts' })).status).toBe(201);
    await deploy(first, { model: './anything.ts', timeout: 7 });
    await until('version 2 is active', async () => (await first.endpoint('extra')).version === 2);
    await first.stop();
    await damage(data, `UPDATE deployments SET spec = '${spec}' WHERE endpoint = 'extra' AND version = 1`);
    const second = await start();
    expect(await second.post('/endpoints/extra/rollback', {})).toMatchObject({
      status: 422,
      json: { detail: expect.stringMatching(/version 1 (?:cannot be read any more|has changed)/) as string },
    });
    await second.stop();
    await damage(data, `UPDATE deployments SET spec = '${spec}'`);
    const third = await start();
    expect(await third.ended(await third.submit('jobs', { do: 'say', value: 1 }))).toMatchObject({ outputs: 1 });
    expect((await third.get('/endpoints/extra')).status).toBe(404);
    // Deployed again it is another version, with a specification.
    expect((await deploy(third, { model: './anything.ts', timeout: 8 })).status).toBe(201);
  },
);
