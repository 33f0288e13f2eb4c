import { describe, expect, onTestFinished, test } from 'vitest';
import { systemClock } from '../../src/system/clock.ts';
import { minutes, seconds } from '../../src/domain/time.ts';
import { LOST_SERVERS_MAX } from '../../src/engine/batch/lost-servers.ts';
import { ledgerFile } from '../../src/config/config.ts';
import { openSqliteLedger } from '../../src/stores/ledger/sqlite/driver.ts';
import { onPostgres } from '../support/database.ts';
import { Gates } from '../support/gate.ts';
import { folderForTest, type WhenDone } from '../support/folder.ts';
import { isAlive } from '../support/processes.ts';
import { serviceForTest, startTestService, type TestService, type TestServiceOptions } from '../support/service.ts';
import { until } from '../support/until.ts';

const endpoints: TestServiceOptions['endpoints'] = {
  // One attempt and no more: what is handed back and counted all the same fails.
  jobs: { model: './anything.ts', mode: 'async', retry: { maxAttempts: 1 } },
  rows: { model: './careful-rows.ts', mode: 'async', batchSize: 1, retry: { maxAttempts: 1 } },
};

/** The batches of `rows`, as a server claims them. */
const ROWS_LANE = { endpoint: 'rows', version: 1, lane: 'engine', alone: false, lease: seconds(30) } as const;

/** A server, and how to start another one where it left off. */
async function restartable(
  whenDone: WhenDone,
): Promise<{ server: TestService; gates: Gates; restart: () => Promise<TestService> }> {
  const data = await folderForTest(whenDone);
  const gates = new Gates(await folderForTest(whenDone));
  const server = await serviceForTest({ endpoints, data }, whenDone);
  return { server, gates, restart: () => serviceForTest({ endpoints, data }, whenDone) };
}

describe.concurrent('a server that is started where another one stopped', () => {
  test('goes on with what was queued and with what was running, without counting the attempt that was handed back', async ({
    onTestFinished: whenDone,
  }) => {
    const { server, gates, restart } = await restartable(whenDone);
    const running = await server.submit('jobs', { do: 'say', value: 'ran', path: gates.path('open') });
    await server.inStatus(running, 'running');
    const queued = await server.submit('jobs', { do: 'say', value: 'waited' });
    await server.stop();
    gates.open('open');
    const next = await restart();
    expect(await next.ended(running)).toMatchObject({
      status: 'succeeded',
      outputs: 'ran',
      attempts: [
        { attempt: 1, outcome: 'released', error: null },
        { attempt: 2, outcome: 'succeeded' },
      ],
    });
    expect(await next.ended(queued)).toMatchObject({
      status: 'succeeded',
      outputs: 'waited',
      attempts: [{ attempt: 1 }],
    });
    expect(await next.endpoint('jobs')).toMatchObject({ queued: 0, backlog: 0, running: 0, version: 1 });
  });

  test('finishes a half-done batch without doing again what was done', async ({ onTestFinished: whenDone }) => {
    const { server, gates, restart } = await restartable(whenDone);
    const rows = Array.from({ length: 6 }, (_, id) => ({ id, gate: id < 3 ? '' : gates.path('open') }));
    const batch = await server.submit('rows', rows);
    const done = await until('three chunks are done', async () => {
      const chunks = (await server.chunks(batch)).filter(({ status }) => status === 'succeeded');
      return chunks.length === 3 ? chunks : null;
    });
    await server.stop();
    gates.open('open');
    const next = await restart();
    expect(await next.ended(batch)).toMatchObject({
      status: 'succeeded',
      outputs: rows,
      progress: { done: 6, total: 6, failed: 0 },
    });
    const chunks = await next.chunks(batch);
    expect(chunks).toHaveLength(6);
    // The very same chunks, as they were: ended at the time that they ended, after one attempt.
    expect(chunks.slice(0, 3)).toEqual(done);
    for (const chunk of done) expect((await next.run(chunk.run_id)).attempts).toHaveLength(1);
  });

  test('keeps what has ended: runs, outputs small and large, and idempotency keys', async ({
    onTestFinished: whenDone,
  }) => {
    const { server, restart } = await restartable(whenDone);
    const large = 'x'.repeat(100_000);
    const key = { 'idempotency-key': 'kept' };
    const small = await server.post('/endpoints/jobs/invoke', { input: { do: 'say', value: 7 } }, key);
    const runs = [small.json.run_id, await server.submit('jobs', { do: 'say', value: large })];
    const before = await Promise.all(runs.map((runId) => server.ended(runId)));
    await server.stop();
    const next = await restart();
    expect(await Promise.all(runs.map((runId) => next.run(runId)))).toEqual(before);
    expect((await next.get(`/runs/${runs[1]}/output`)).json).toBe(large);
    const again = await next.post('/endpoints/jobs/invoke', { input: { do: 'say', value: 7 } }, key);
    expect(again.headers).toMatchObject({ 'idempotency-replayed': 'true' });
    expect(again.json).toMatchObject({ run_id: runs[0], status: 'succeeded' });
  });

  test('gives an endpoint a new version where it has changed', async ({ onTestFinished: whenDone }) => {
    const { server, restart } = await restartable(whenDone);
    expect(await server.endpoint('jobs')).toMatchObject({ version: 1 });
    await server.stop();
    const same = await restart();
    expect(await same.endpoint('jobs')).toMatchObject({ version: 1 });
    await same.stop();
    const changed = { ...endpoints, jobs: { ...endpoints['jobs']!, timeout: '1m' } };
    const other = await serviceForTest({ endpoints: changed, data: server.data }, whenDone);
    expect(await other.endpoint('jobs')).toMatchObject({ version: 2, timeout: 60 });
    expect(await other.endpoint('rows')).toMatchObject({ version: 1 });
  });
});

describe.concurrent('a server that stops', () => {
  test('takes no new work, answers what can be read, and lets running work end within its grace', async ({
    onTestFinished: whenDone,
  }) => {
    const { server, gates, restart } = await restartable(whenDone);
    const running = await server.submit('jobs', { do: 'say', value: 'in time', path: gates.path('open') });
    await server.inStatus(running, 'running');
    const queued = await server.submit('jobs', { do: 'say', value: 'later' });
    const stopped = server.stop(minutes(10));
    const ready = await until('it is not ready anymore', async () => {
      const answer = await server.get('/ready');
      return answer.status === 503 ? answer : null;
    });
    expect(ready.json.type).toContain('/draining');
    expect(ready.headers).toHaveProperty('retry-after');
    const refused = await server.post('/endpoints/jobs/invoke', { input: 1 });
    expect(refused.status).toBe(503);
    expect(refused.json).toMatchObject({ type: 'https://claimcheck.dev/problems/draining', retryable: true });
    expect(Number(refused.headers['retry-after'])).toBeGreaterThan(0);
    expect((await server.get('/health')).status).toBe(200);
    expect(await server.run(queued)).toMatchObject({ status: 'queued', waiting_on: 'draining' });
    expect((await server.get('/runs')).json.runs).toHaveLength(2);
    gates.open('open');
    await stopped;
    const next = await restart();
    expect(await next.run(running)).toMatchObject({
      status: 'succeeded',
      outputs: 'in time',
      attempts: [{ attempt: 1, outcome: 'succeeded' }],
    });
    expect(await next.ended(queued)).toMatchObject({ status: 'succeeded', outputs: 'later' });
  });

  test('answers those who wait, and tells them that the run is kept', async ({ onTestFinished: whenDone }) => {
    const { server, gates, restart } = await restartable(whenDone);
    const waiting = server.post('/endpoints/jobs/invoke', {
      input: { do: 'say', value: 1, path: gates.path('open') },
      async: false,
    });
    const runId = await until('the run is there', async () => (await server.get('/runs')).json.runs[0]?.run_id);
    const polling = server.get(`/runs/${runId}?wait=60`);
    await server.inStatus(runId as string, 'running');
    await server.stop();
    const answer = await waiting;
    expect(answer.status).toBe(503);
    expect(answer.json).toMatchObject({ type: 'https://claimcheck.dev/problems/draining', run_id: runId });
    expect(answer.headers).toMatchObject({ location: `/runs/${runId}` });
    expect((await polling).json).toMatchObject({ run_id: runId, done: false });
    gates.open('open');
    expect(await (await restart()).ended(runId as string)).toMatchObject({ status: 'succeeded' });
  });

  test('hands a batch back at once, and its chunk that runs when the grace is over', async ({
    onTestFinished: whenDone,
  }) => {
    const { server, gates, restart } = await restartable(whenDone);
    const batch = await server.submit('rows', [{ id: 1, gate: gates.path('open') }]);
    const [chunk] = await until('its chunk runs', async () => {
      const chunks = await server.chunks(batch);
      return chunks[0]?.status === 'running' ? chunks : null;
    });
    await server.stop();
    gates.open('open');
    const next = await restart();
    expect(await next.ended(batch)).toMatchObject({ status: 'succeeded', attempts: [{ outcome: 'released' }, {}] });
    const run = await next.run(chunk.run_id);
    expect(run).toMatchObject({ status: 'succeeded', attempts: [{ outcome: 'released' }, { outcome: 'succeeded' }] });
  });

  test('leaves no replica behind', async ({ onTestFinished: whenDone }) => {
    const { server } = await restartable(whenDone);
    const { outputs: pid } = await server.ended(await server.submit('jobs', { do: 'pid' }));
    await server.stop();
    expect(isAlive(pid)).toBe(false);
  });
});

// A ledger that has one server is written to between two of them; what is claimed there is what a
// server leaves that was killed.
test.skipIf(onPostgres)(
  'a batch that ten servers were lost with fails, its chunks end, and the next batch runs',
  async ({ onTestFinished: whenDone }) => {
    const { server, gates, restart } = await restartable(whenDone);
    const batch = await server.submit('rows', [{ id: 1, gate: gates.path('never') }, { id: 2 }]);
    await server.inStatus(batch, 'running');
    await server.stop();
    const ledger = await openSqliteLedger(ledgerFile(server.data), systemClock);
    for (let count = 0; count < LOST_SERVERS_MAX; count += 1) {
      const slots = [{ replica: null, coldStart: null }];
      const [claimed] = await ledger.claim({ ...ROWS_LANE, slots, owner: `server ${count}` });
      expect(claimed?.claim.runId).toBe(batch);
      await ledger.reclaim('its successor');
    }
    await ledger.close();
    const next = await restart();
    expect(await next.ended(batch)).toMatchObject({
      status: 'failed',
      error: {
        type: 'replica-crashed',
        detail: expect.stringContaining('10 times in a row'),
      },
    });
    for (const chunk of await next.chunks(batch)) expect(['succeeded', 'cancelled']).toContain(chunk.status);
    expect(await next.ended(await next.submit('rows', [{ id: 3 }]))).toMatchObject({ status: 'succeeded' });
  },
);

// On Postgres it is welcome.
test.skipIf(onPostgres)('a second server on the same data folder is refused, and the first one goes on', async () => {
  const data = await folderForTest();
  const first = await startTestService({ endpoints, data });
  onTestFinished(() => first.stop());
  await expect(startTestService({ endpoints, data })).rejects.toThrow(/Another process has .* open/);
  expect((await first.get('/ready')).status).toBe(200);
});
