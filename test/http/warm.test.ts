import { afterAll, beforeAll, expect, test } from 'vitest';
import { milliseconds } from '../../src/domain/time.ts';
import { PROGRAM } from '../replicas/fleet.ts';
import { Gates } from '../support/gate.ts';
import { folderForTest } from '../support/folder.ts';
import { serviceForTest, startTestService, type TestService } from '../support/service.ts';
import { until } from '../support/until.ts';

let server: TestService;
beforeAll(async () => {
  server = await startTestService({
    endpoints: {
      calls: { model: './anything.ts', replicas: { max: 2 } },
      kept: { model: './anything.ts', replicas: { min: 2, max: 2 } },
      broken: { model: [...PROGRAM], env: { DIES: '1' } },
    },
  });
});
afterAll(() => server.stop());

test('a warmed endpoint has a replica before there is work, and its first run no cold start to wait for', async () => {
  const answer = await server.send('POST', '/endpoints/calls/warm');
  expect(answer.status).toBe(202);
  expect(answer.json).toMatchObject({ name: 'calls', state: 'starting', replicas: { current: 0, desired: 1, max: 2 } });
  const ready = await until('it is ready', async () => {
    const endpoint = await server.endpoint('calls');
    return endpoint.state === 'ready' ? endpoint : null;
  });
  expect(ready.last_start_seconds).toBeGreaterThan(0);
  expect((await server.post('/endpoints/calls/warm', {})).json).toMatchObject({
    state: 'ready',
    replicas: { current: 1 },
  });
});

test('as many are warmed as are asked for, and no more than there may be', async () => {
  const answer = await server.post('/endpoints/calls/warm', { replicas: 1_000 });
  expect(answer).toMatchObject({ status: 202, json: { replicas: { desired: 2 } } });
  await until('two are ready', async () => (await server.endpoint('calls')).replicas.current === 2);
});

test('without a number, as many are warmed as are kept anyway', async () => {
  await server.send('POST', '/endpoints/kept/warm');
  await until('two are ready', async () => (await server.endpoint('kept')).replicas.current === 2);
});

test('an endpoint whose model does not start says so', async () => {
  await server.send('POST', '/endpoints/broken/warm');
  await until('it fails', async () => (await server.endpoint('broken')).state === 'failing');
  const { status, json } = await server.send('POST', '/endpoints/broken/warm');
  expect(status).toBe(202);
  expect(json).toMatchObject({ state: 'failing', failures: 2, replicas: { current: 0 } });
  expect(json.trouble).toContain('this program has no weights to load');
  expect(Date.parse(json.retry_at)).toBeGreaterThan(Date.parse('2020-01-01T00:00:00Z'));
});

test.each([
  ['no number', { replicas: 'two' }, '/replicas'],
  ['none', { replicas: 0 }, '/replicas'],
  ['half of one', { replicas: 1.5 }, '/replicas'],
  ['what does not exist', { replica: 1 }, '/replica'],
])('a request that asks for %s is refused', async (_what, body, pointer) => {
  const { status, json } = await server.post('/endpoints/calls/warm', body);
  expect(status).toBe(422);
  expect(json.errors).toMatchObject([{ pointer }]);
});

test('an endpoint that does not exist, a query and a body that is no JSON are refused', async () => {
  expect((await server.send('POST', '/endpoints/nowhere/warm')).status).toBe(404);
  expect((await server.send('POST', '/endpoints/calls/warm?replicas=1')).status).toBe(422);
  expect((await server.post('/endpoints/calls/warm', '{"replicas":')).status).toBe(400);
});

test('a server that stops starts no replicas and deploys nothing anymore', async () => {
  const gates = new Gates(await folderForTest());
  const stopping = await serviceForTest({ endpoints: { calls: { model: './anything.ts', mode: 'async' } } });
  const held = await stopping.submit('calls', { do: 'say', value: 1, path: gates.path('open') });
  await stopping.inStatus(held, 'running');
  const stopped = stopping.stop(milliseconds(60_000));
  const refused = await until('it says that it stops', async () => {
    const answer = await stopping.send('POST', '/endpoints/calls/warm');
    return answer.status === 503 ? answer : null;
  });
  expect(refused.json).toMatchObject({
    type: expect.stringContaining('draining') as string,
    detail: 'The server is stopping and starts no replicas. Try again after the time in Retry-After.',
  });
  const deployment = { headers: { 'content-type': 'application/json' }, body: '{"model":"./anything.ts"}' };
  expect(await stopping.send('PUT', '/endpoints/other', deployment)).toMatchObject({
    status: 503,
    json: { detail: 'The server is stopping and deploys nothing. Try again after the time in Retry-After.' },
  });
  // An empty stream would be opened again and again.
  for (const what of ['events', 'logs?follow=true'])
    expect(await stopping.get(`/runs/${held}/${what}`)).toMatchObject({
      status: 503,
      headers: { 'retry-after': '5' },
      json: { detail: 'The server is stopping and follows no runs. Try again after the time in Retry-After.' },
    });
  gates.open('open');
  await stopped;
});
