import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { answering, badHookForTest, hanging } from '../support/bad-hook.ts';
import { serviceForTest, sharedService, startTestService, type TestService } from '../support/service.ts';
import { until } from '../support/until.ts';

const ENDPOINTS = { jobs: { model: './anything.ts', mode: 'async' } } as const;

// oxlint-disable-next-line typescript/no-explicit-any -- an answer as it came, for a test to look at
const delivered = (server: TestService, runId: string): Promise<any> =>
  until(`run ${runId} is told of`, async () => {
    const [delivery] = (await server.get(`/runs/${runId}/deliveries`)).json.deliveries;
    return delivery?.status === 'delivered' ? delivery : null;
  });

const shared = sharedService({ endpoints: ENDPOINTS });

describe('a run with a callback_url', () => {
  test('is told of when it ends, however it ends', async () => {
    const hook = await badHookForTest(answering(200));
    const server = shared();
    const succeeded = await server.submit('jobs', { a: 1 }, { callback_url: hook.url });
    await delivered(server, succeeded);
    const failed = await server.submit('jobs', { do: 'throw' }, { callback_url: hook.url });
    await delivered(server, failed);
    const cancelled = await server.submit('jobs', { do: 'hang' }, { callback_url: hook.url });
    await server.inStatus(cancelled, 'running');
    await server.send('DELETE', `/runs/${cancelled}`);
    await delivered(server, cancelled);
    const told = hook.requests.map(({ body }) => JSON.parse(body) as { type: string; data: { run_id: string } });
    expect(told.map(({ type, data }) => [type, data.run_id])).toEqual([
      ['run.succeeded', succeeded],
      ['run.failed', failed],
      ['run.cancelled', cancelled],
    ]);
    const page = (await server.get('/runs')).json.runs as { run_id: string }[];
    for (const { data } of told) expect(data).toEqual(page.find((run) => run.run_id === data.run_id));
  });

  test('carries the trace of the request that made it', async () => {
    const hook = await badHookForTest(answering(200));
    const server = await serviceForTest({ endpoints: ENDPOINTS });
    const traceparent = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';
    const envelope = { input: { a: 1 }, callback_url: hook.url };
    const { json } = await server.post('/endpoints/jobs/invoke', envelope, { traceparent });
    await delivered(server, json.run_id as string);
    expect(hook.requests[0]!.headers).toMatchObject({ traceparent });
    expect((await server.get('/metrics')).text).toContain('claimcheck_webhook_attempts_total{outcome="delivered"} 1\n');
  });

  test('links to its deliveries, and lists every attempt at them', async () => {
    const hook = await badHookForTest(answering(204));
    const server = shared();
    const runId = await server.submit('jobs', { a: 1 }, { callback_url: `${hook.url}/hook` });
    const delivery = await delivered(server, runId);
    expect((await server.run(runId)).links.deliveries).toBe(`/runs/${runId}/deliveries`);
    expect(delivery).toEqual({
      delivery_id: `${runId}_succeeded`,
      event: 'run.succeeded',
      url: `${hook.url}/hook`,
      status: 'delivered',
      created_at: (await server.run(runId)).finished_at,
      next_attempt_at: null,
      attempts: [
        {
          attempt: 1,
          started_at: expect.any(String),
          finished_at: expect.any(String),
          status: 204,
          latency_seconds: expect.any(Number),
          detail: '204',
        },
      ],
    });
  });

  test('is told of only where its callback_events say so', async () => {
    const hook = await badHookForTest(answering(200));
    const server = shared();
    const said = { callback_url: hook.url, callback_events: ['run.failed'] };
    const succeeded = await server.submit('jobs', { a: 1 }, said);
    await server.ended(succeeded);
    expect((await server.get(`/runs/${succeeded}/deliveries`)).json).toEqual({ deliveries: [] });
    const failed = await server.submit('jobs', { do: 'throw' }, said);
    await delivered(server, failed);
    expect(hook.requests).toHaveLength(1);
  });

  test('that came with a raw body says so in the query', async () => {
    const hook = await badHookForTest(answering(200));
    const server = shared();
    const query = `callback_url=${encodeURIComponent(hook.url)}&callback_events=run.succeeded,run.failed`;
    const { json } = await server.postRaw(`/endpoints/jobs/invoke?${query}`, 'text/plain', 'hello');
    await delivered(server, json.run_id);
    expect(hook.requests).toHaveLength(1);
  });

  test('has the same one when it is tried again', async () => {
    const hook = await badHookForTest(answering(200));
    const server = shared();
    const runId = await server.submit('jobs', { do: 'throw' }, { callback_url: hook.url });
    await delivered(server, runId);
    const { json } = await server.send('POST', `/runs/${runId}/retry`);
    await delivered(server, json.run_id);
    expect(hook.requests).toHaveLength(2);
  });

  test('is another request than one with another callback, to an idempotency key', async () => {
    const server = shared();
    const key = { 'idempotency-key': 'k' };
    const send = (url: string) => server.post('/endpoints/jobs/invoke', { input: 1, callback_url: url }, key);
    expect((await send('https://hooks.example/a')).status).toBe(202);
    expect(await send('https://hooks.example/a')).toMatchObject({
      status: 202,
      headers: { 'idempotency-replayed': 'true' },
    });
    expect((await send('https://hooks.example/b')).status).toBe(422);
  });
});

describe('a callback is refused with its place', () => {
  let server: TestService;
  beforeAll(async () => {
    server = await startTestService({ endpoints: ENDPOINTS, egressAllow: [] });
  });
  afterAll(() => server.stop());

  test.each([
    [{ callback_url: 'http://169.254.169.254/latest/meta-data/' }, '/callback_url', 'not public'],
    [{ callback_url: 'https://[::1]/' }, '/callback_url', 'not public'],
    [{ callback_url: 'ftp://hooks.example/' }, '/callback_url', 'https://'],
    [{ callback_url: 'https://me:secret@hooks.example/' }, '/callback_url', 'user name'],
    [{ callback_url: 'https://hooks.example:22/' }, '/callback_url', 'port 22'],
    [{ callback_url: 'hooks.example' }, '/callback_url', 'must be a URL'],
    [{ callback_url: '' }, '/callback_url', ''],
    [{ callback_events: ['run.failed'] }, '/callback_events', 'callback_url'],
    [{ callback_url: 'https://hooks.example/', callback_events: [] }, '/callback_events', ''],
    [{ callback_url: 'https://hooks.example/', callback_events: ['run.started'] }, '/callback_events/0', 'run.failed'],
  ])('%j', async (options, pointer, detail) => {
    const { status, json } = await server.post('/endpoints/jobs/invoke', { input: 1, ...options });
    expect(status).toBe(422);
    expect(json.errors).toContainEqual({ pointer, detail: expect.stringContaining(detail) });
    expect((await server.get('/runs')).json.runs).toEqual([]);
  });

  test('in a query as well, and where it leads back to this very server', async () => {
    const path = `/endpoints/jobs/invoke?callback_url=${encodeURIComponent(`${server.url}/invoke`)}`;
    const { status, json } = await server.postRaw(path, 'text/plain', 'hello');
    expect([status, json.errors]).toEqual([
      422,
      [{ pointer: 'query:callback_url', detail: 'leads back to this server' }],
    ]);
  });
});

describe('a delivery', () => {
  test('can be asked for again, and keeps its id', async () => {
    const hook = await badHookForTest(answering(200));
    const server = shared();
    const runId = await server.submit('jobs', { a: 1 }, { callback_url: hook.url });
    const { delivery_id: id } = await delivered(server, runId);
    const answer = await server.send('POST', `/runs/${runId}/deliveries/${id}/redeliver`);
    expect(answer).toMatchObject({ status: 202, headers: { location: `/runs/${runId}/deliveries` } });
    expect(answer.json).toMatchObject({ delivery_id: id, status: 'pending' });
    await until('it has come again', () => hook.requests.length === 2);
    expect(new Set(hook.requests.map(({ headers }) => headers['webhook-id']))).toEqual(new Set([id]));
  });

  test('is not there before the run has ended, nor under another run or another id', async () => {
    const server = shared();
    const ended = await server.submit('jobs', { a: 1 });
    await server.ended(ended);
    const open = await server.submit('jobs', { do: 'hang' }, { callback_url: 'https://hooks.example/' });
    expect((await server.get(`/runs/${open}/deliveries`)).json).toEqual({ deliveries: [] });
    const redeliver = async (runId: string, id: string) =>
      (await server.send('POST', `/runs/${runId}/deliveries/${id}/redeliver`)).json;
    expect(await redeliver(open, `${open}_succeeded`)).toMatchObject({ status: 409, run_id: open });
    expect(await redeliver(ended, `${ended}_succeeded`)).toMatchObject({ status: 404, title: 'No such delivery' });
    const nobody = '0198b0ff-0000-7000-8000-000000000000';
    expect(await redeliver(nobody, 'x')).toMatchObject({ status: 404, title: 'No such run' });
    expect((await server.get(`/runs/${nobody}/deliveries`)).status).toBe(404);
  });

  test('to a receiver that hangs does not keep the server from stopping', async () => {
    const hook = await badHookForTest(hanging);
    const server = await serviceForTest({ endpoints: ENDPOINTS });
    await server.submit('jobs', { a: 1 }, { callback_url: hook.url });
    await until('it has come', () => hook.requests.length === 1);
    await server.stop();
    expect(hook.open()).toBe(0);
  });
});
