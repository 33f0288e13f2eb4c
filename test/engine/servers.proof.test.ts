// Several servers on one Postgres database and one data folder: what one of them does, those who
// wait at another hear of.

import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { namesOf, openEvents } from '../support/events.ts';
import { Gates } from '../support/gate.ts';
import { folderForTest, type WhenDone } from '../support/folder.ts';
import { networkTo, type PostgresServer, startPostgres } from '../support/postgres.ts';
import { serviceForTest, type TestService, type TestServiceOptions } from '../support/service.ts';
import { until } from '../support/until.ts';

const one = { max: 1, concurrency: 1 };
const jobs = { model: './anything.ts', mode: 'async', replicas: one } as const;
const rows = { model: './careful-rows.ts', mode: 'async', batchSize: 1, replicas: one } as const;
/** Too large for the ledger, so that it is kept in the data folder. */
const LARGE = 'x'.repeat(20_000);

let postgres: PostgresServer;
beforeAll(async () => {
  postgres = await startPostgres();
});
afterAll(() => postgres.stop());

interface Servers {
  readonly gates: Gates;
  /** Starts another one on the same database and folder. */
  start(endpoints: TestServiceOptions['endpoints']): Promise<TestService>;
}

async function serversForTest(whenDone: WhenDone, hintsCome: boolean): Promise<Servers> {
  const database = await postgres.newDatabase();
  whenDone(() => postgres.dropDatabase(database));
  const network = await networkTo(database, hintsCome ? null : 'LISTEN');
  whenDone(() => network.close());
  const data = await folderForTest(whenDone);
  const gates = new Gates(await folderForTest(whenDone));
  return {
    gates,
    start: (endpoints) => serviceForTest({ endpoints, data, database: network.url }, whenDone),
  };
}

describe.each([
  ['servers that share a database', true],
  ['servers that share a database but hear nothing of each other', false],
] as const)('%s', (_, hintsCome) => {
  test.concurrent('tell clients that wait at one of them of a run that another has ended', async ({
    onTestFinished: whenDone,
  }) => {
    const { start, gates } = await serversForTest(whenDone, hintsCome);
    const [a, b] = await Promise.all([start({ rows }), start({ jobs })]);
    const runId = await b.submit('jobs', { do: 'say', value: LARGE, path: gates.path('open') });
    await a.inStatus(runId, 'running');
    const waited = a.get(`/runs/${runId}?wait=60`);
    gates.open('open');
    expect((await waited).json).toMatchObject({ done: true, status: 'succeeded' });
    expect((await a.get(`/runs/${runId}/output`)).json).toBe(LARGE);
  });

  test.concurrent('tell clients that follow a run at one of them what happens to it at another, each thing once', async ({
    onTestFinished: whenDone,
  }) => {
    const { start, gates } = await serversForTest(whenDone, hintsCome);
    const [a, b] = await Promise.all([start({ rows }), start({ talks: { ...jobs, model: './reporter.ts' } })]);
    const runId = await b.submit('talks', [{ log: ['first'] }, { gate: gates.path('open') }, { log: ['last'] }]);
    const opened = await openEvents(a.url, `/runs/${runId}/events`);
    await until('the first line is told', () => namesOf(opened.events).includes('log first'));
    gates.open('open');
    expect(await opened.ended).toBe(true);
    expect(namesOf(opened.events)).toEqual([
      'status queued',
      'attempt 1 begun',
      'status running',
      'log first',
      'log last',
      'attempt 1 succeeded',
      'status succeeded',
      'end',
    ]);
  });

  test.concurrent('execute the chunks of a batch that another one puts together', async ({
    onTestFinished: whenDone,
  }) => {
    const { start, gates } = await serversForTest(whenDone, hintsCome);
    const a = await start({ rows });
    // Its only slot is taken as long as the gate is closed, and it takes up the second batch all
    // the same.
    const stuck = await a.submit('rows', [{ id: 0, gate: gates.path('open') }]);
    await until('its chunk runs', async () => (await a.chunks(stuck))[0]?.status === 'running');
    const table = Array.from({ length: 12 }, (_, id) => ({ id, text: LARGE }));
    const batch = await a.submit('rows', table);
    await a.inStatus(batch, 'running');
    const b = await start({ rows });
    expect(await a.ended(batch)).toMatchObject({ status: 'succeeded', progress: { done: 12, failed: 0 } });
    expect((await b.get(`/runs/${batch}/output`)).json).toEqual(table);
    expect(await a.run(stuck)).toMatchObject({ status: 'running' });
    gates.open('open');
    expect(await b.ended(stuck)).toMatchObject({ status: 'succeeded' });
  });

  test.concurrent('tell the parts of a batch that another one puts together, each once, and take over where one stops', async ({
    onTestFinished: whenDone,
  }) => {
    const { start, gates } = await serversForTest(whenDone, hintsCome);
    const a = await start({ rows });
    const batch = await a.submit('rows', [{ id: 0 }, { id: 1 }, { id: 2, gate: gates.path('open') }]);
    const b = await start({ jobs });
    const opened = await openEvents(b.url, `/runs/${batch}/parts`);
    await until('two parts are told', () => opened.events.length === 2);
    await a.stop();
    const c = await start({ rows });
    gates.open('open');
    expect(await opened.ended).toBe(true);
    expect(opened.events.map(({ event, data }) => data.rows?.from ?? event)).toEqual([0, 1, 2, 'end']);
    const again = await openEvents(c.url, `/runs/${batch}/parts`);
    expect(await again.ended).toBe(true);
    expect(again.events).toEqual(opened.events);
  });

  test.concurrent('stop work on a run that another one has cancelled', async ({ onTestFinished: whenDone }) => {
    const { start } = await serversForTest(whenDone, hintsCome);
    const [a, b] = await Promise.all([start({ rows }), start({ jobs })]);
    const runId = await b.submit('jobs', { do: 'hang' });
    await a.inStatus(runId, 'running');
    expect((await a.send('POST', `/runs/${runId}/cancel`)).status).toBe(200);
    const attempt = await until('its replica has stopped', async () => {
      const [attempt] = (await a.run(runId)).attempts;
      return attempt.stopped_at === null ? null : attempt;
    });
    expect(attempt).toMatchObject({ outcome: 'cancelled' });
    expect(await b.ended(await a.submit('rows', [{ id: 1 }]))).toMatchObject({ status: 'succeeded' });
  });

  test.concurrent('take up what one of them leaves when it stops', async ({ onTestFinished: whenDone }) => {
    const { start, gates } = await serversForTest(whenDone, hintsCome);
    const a = await start({ rows });
    const batch = await a.submit('rows', [{ id: 1, gate: gates.path('open') }, { id: 2 }]);
    await until('a chunk runs', async () => (await a.chunks(batch))[0]?.status === 'running');
    const b = await start({ rows });
    const waited = b.get(`/runs/${batch}?wait=60`);
    await a.stop();
    gates.open('open');
    expect((await waited).json).toMatchObject({ status: 'succeeded', progress: { done: 2, failed: 0 } });
  });
});

test('a server says which database it uses, and never the password', async () => {
  const { start } = await serversForTest(onTestFinished, true);
  const { service } = await start({ rows });
  expect(service.ledger).toMatch(/^postgres:\/\/127\.0\.0\.1:\d+\/cc_test_\w+$/);
});
