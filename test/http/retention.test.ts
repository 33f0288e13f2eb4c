// A server whose runs ended longer ago than their retention: the ledger is closed between two
// servers, on a clock that is days ahead.

import { afterAll, beforeAll, expect, test } from 'vitest';
import { days } from '../../src/domain/time.ts';
import { newFolder, removeFolder } from '../support/folder.ts';
import { collectIn } from '../support/collect.ts';
import { startTestService, type TestService } from '../support/service.ts';

// oxlint-disable-next-line typescript/no-explicit-any -- runs as they came
type AnyRun = any;

let server: TestService;
let data: string;
let small: AnyRun;
let large: AnyRun;
let failed: AnyRun;
let batch: AnyRun;
let keptLonger: AnyRun;

beforeAll(async () => {
  data = await newFolder();
  const options = {
    data,
    // A clock can be set ahead only where the ledger has one of its own.
    database: null,
    endpoints: {
      jobs: { model: './anything.ts', mode: 'async', retention: '7d' },
      rows: { model: './echo.ts', mode: 'async', batchSize: 1 },
      archive: { model: './anything.ts', mode: 'async', retention: '20d' },
    },
  } as const;
  const first = await startTestService(options);
  const value = 'x'.repeat(100_000);
  small = await first.ended(await first.submit('jobs', { do: 'say', value: 1 }));
  large = await first.ended(await first.submit('jobs', { do: 'say', value }));
  failed = await first.ended(await first.submit('jobs', { do: 'throw' }));
  const rows = await first.postRaw('/endpoints/rows/invoke', 'text/csv', 'id\n1\n2\n');
  batch = await first.ended(rows.json.run_id);
  keptLonger = await first.ended(await first.submit('archive', { do: 'say', value }));
  await first.stop();
  await collectIn(data, days(8));
  server = await startTestService(options);
});
afterAll(async () => {
  await server.stop();
  await removeFolder(data);
});

test('the run is still shown with the facts of its output, and without the output itself', async () => {
  expect(await server.run(small.run_id)).toEqual({ ...small, outputs: null });
  expect(await server.run(large.run_id)).toEqual({ ...large, outputs: null });
  expect(await server.run(failed.run_id)).toEqual(failed);
});

test('the output is a 410 that says when the run ended and how long it was kept', async () => {
  for (const run of [small, large, batch]) {
    const answer = await server.get(`/runs/${run.run_id}/output`);
    expect(answer.status).toBe(410);
    expect(answer.json).toMatchObject({
      type: 'https://claimcheck.dev/problems/output-expired',
      run_id: run.run_id,
      retryable: false,
      detail: expect.stringContaining(`${run.finished_at}; its output was kept for 604800 s`) as string,
    });
  }
});

test('the output is a 410 as well for callers that ask for no bytes of it, or have them already', async () => {
  const path = `/runs/${large.run_id}/output`;
  expect((await server.send('HEAD', path)).status).toBe(410);
  const known = { 'if-none-match': `"${large.output.sha256}"` };
  expect((await server.send('GET', path, { headers: known })).status).toBe(410);
});

test('the logs are a 410 too', async () => {
  expect((await server.get(`/runs/${small.run_id}/logs`)).json).toMatchObject({
    status: 410,
    type: 'https://claimcheck.dev/problems/output-expired',
    detail: expect.stringContaining('its logs were kept for 604800 s') as string,
  });
  expect((await server.get(`/runs/${keptLonger.run_id}/logs`)).status).toBe(200);
});

test('a run that failed has no output, and says why as before', async () => {
  expect((await server.get(`/runs/${failed.run_id}/output`)).json).toMatchObject({
    status: 424,
    type: 'https://claimcheck.dev/problems/model-error',
  });
});

test('a retry is a 410, since the input is gone, and makes no run', async () => {
  for (const run of [small, failed, batch]) {
    const answer = await server.send('POST', `/runs/${run.run_id}/retry`);
    expect(answer.json).toMatchObject({
      status: 410,
      type: 'https://claimcheck.dev/problems/output-expired',
      detail: expect.stringContaining('input') as string,
    });
  }
  expect((await server.get('/runs')).json.runs).toHaveLength(5);
});

test('what its endpoint keeps for longer can be fetched and retried', async () => {
  expect((await server.get(`/runs/${keptLonger.run_id}/output`)).status).toBe(200);
  const { json } = await server.send('POST', `/runs/${keptLonger.run_id}/retry`);
  expect((await server.ended(json.run_id)).output.sha256).toBe(keptLonger.output.sha256);
});

test('an endpoint says how long it keeps inputs and outputs, in seconds', async () => {
  expect((await server.endpoint('archive')).retention).toBe(20 * 86_400);
  expect((await server.endpoint('jobs')).retention).toBe(7 * 86_400);
});
