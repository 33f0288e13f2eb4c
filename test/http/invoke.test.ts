import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { sha256 } from '../../src/domain/digest.ts';
import { Gates } from '../support/gate.ts';
import { newFolder, removeFolder } from '../support/folder.ts';
import { FIXTURES, startTestService, type TestService } from '../support/service.ts';
import { until } from '../support/until.ts';

const RUN_ID = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
const RFC_3339 = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;

let server: TestService;
let folder: string;
let gates: Gates;
let gate = 0;

beforeAll(async () => {
  folder = await newFolder();
  gates = new Gates(folder);
  server = await startTestService({
    endpoints: {
      rows: { model: './echo.ts', default: true },
      jobs: { model: './anything.ts', mode: 'async' },
      calls: { model: './anything.ts', replicas: { concurrency: 8 } },
      hasty: { model: './anything.ts', syncTimeout: '50ms' },
      absent: { model: ['/no/such/program'] },
      mirror: { model: [process.execPath, join(FIXTURES, 'obeying-program.js')], env: { ECHOES: '1' } },
    },
  });
});
afterAll(async () => {
  await server.stop();
  await removeFolder(folder);
});
beforeEach(() => {
  gate += 1;
});

/** The name of a gate that only this test knows. */
const myGate = (): string => gates.path(String(gate));
const openGate = (): void => gates.open(String(gate));

describe('an asynchronous invocation', () => {
  test('is answered with 202, where the run is, when to ask again, and the run itself', async () => {
    const answer = await server.post('/endpoints/jobs/invoke', { input: { x: 1 } });
    expect(answer.status).toBe(202);
    const runId = answer.json.run_id as string;
    expect(runId).toMatch(RUN_ID);
    expect(answer.headers).toMatchObject({
      'content-type': expect.stringContaining('application/json') as string,
      location: `/runs/${runId}`,
      'retry-after': '1',
    });
    expect(answer.json).toMatchObject({
      endpoint: 'jobs',
      version: 1,
      run_name: null,
      status: 'queued',
      done: false,
      created_at: expect.stringMatching(RFC_3339) as string,
      started_at: null,
      finished_at: null,
      queue: { ahead: 0 },
      timeout: 900,
      queue_ttl: 21_600,
      priority: 0,
      progress: null,
      attempts: [],
      outputs: null,
      output: null,
      error: null,
      metadata: {},
      parent_id: null,
      links: {
        self: `/runs/${runId}`,
        output: `/runs/${runId}/output`,
        logs: `/runs/${runId}/logs`,
        cancel: `/runs/${runId}/cancel`,
      },
    });
    expect(answer.headers).not.toHaveProperty('preference-applied');
  });

  test('shows the options that it was given', async () => {
    const runId = await server.submit('jobs', 1, {
      run_name: 'nightly',
      timeout: 12.5,
      queue_ttl: 30,
      priority: -3,
      metadata: { who: 'me', tags: ['a', 'b'], nothing: null },
    });
    expect(await server.ended(runId)).toMatchObject({
      run_name: 'nightly',
      timeout: 12.5,
      queue_ttl: 30,
      priority: -3,
      metadata: { who: 'me', tags: ['a', 'b'], nothing: null },
    });
  });

  test('ends with its output, its attempt and its times', async () => {
    const runId = await server.submit('jobs', { do: 'say', value: { y: 2 } });
    const run = await server.ended(runId);
    expect(run).toMatchObject({
      status: 'succeeded',
      done: true,
      outputs: { y: 2 },
      output: {
        href: `/runs/${runId}/output`,
        content_type: 'application/json',
        bytes: 7,
        sha256: sha256('{"y":2}'),
      },
      attempts: [{ attempt: 1, outcome: 'succeeded', error: null, started_at: run.started_at }],
      started_at: expect.stringMatching(RFC_3339) as string,
      finished_at: expect.stringMatching(RFC_3339) as string,
      queue: null,
      waiting_on: null,
    });
    expect(run.attempts[0].replica).toMatch(/^[0-9a-f-]{36}$/);
  });

  test.each([
    ['the envelope says so', () => server.post('/endpoints/calls/invoke', { input: 1, async: true })],
    ['the query of a raw body says so', () => server.postRaw('/endpoints/calls/invoke?async=true', 'text/plain', 'x')],
    ['its endpoint is asynchronous', () => server.postRaw('/endpoints/jobs/invoke', 'text/plain', 'x')],
    [
      'the Prefer header says so',
      () => server.post('/endpoints/calls/invoke', { input: 1 }, { prefer: 'respond-async' }),
    ],
  ])('is what it is where %s', async (_, invoke) => {
    expect((await invoke()).status).toBe(202);
  });

  test('gives higher priorities their turn first', async () => {
    const first = await server.submit('jobs', { path: myGate() });
    await server.inStatus(first, 'running');
    const log = `${myGate()}.log`;
    const low = await server.submit('jobs', { log }, { priority: -1 });
    const usual = await server.submit('jobs', { log });
    const high = await server.submit('jobs', { log }, { priority: 9 });
    expect((await server.run(low)).queue.ahead).toBe(2);
    expect((await server.run(high)).queue.ahead).toBe(0);
    openGate();
    const ends = await Promise.all([low, usual, high].map((runId) => server.ended(runId)));
    expect(ends.toSorted((a, b) => (a.started_at < b.started_at ? -1 : 1)).map((run) => run.run_id)).toEqual([
      high,
      usual,
      low,
    ]);
  });
});

describe('a synchronous invocation', () => {
  test('is answered with 200 and the run, its output inside', async () => {
    const answer = await server.post('/endpoints/calls/invoke', { input: { do: 'say', value: [1, 2] } });
    expect(answer.status).toBe(200);
    expect(answer.json).toMatchObject({ status: 'succeeded', done: true, outputs: [1, 2] });
    expect(answer.headers).toMatchObject({ location: `/runs/${answer.json.run_id}`, 'run-id': answer.json.run_id });
    expect(answer.headers).not.toHaveProperty('retry-after');
  });

  test('reaches the default endpoint by POST /invoke', async () => {
    const answer = await server.post('/invoke', { input: [{ id: '1' }] });
    expect(answer.json).toMatchObject({ endpoint: 'rows', outputs: [{ id: '1', seen: true }] });
  });

  test('takes parameters in place of input', async () => {
    const answer = await server.post('/endpoints/calls/invoke', { parameters: { do: 'say', value: 'p' } });
    expect(answer.json).toMatchObject({ status: 'succeeded', outputs: 'p' });
  });

  test.each([
    ['text/plain', '', 'text/plain is no table'],
    ['image/png; q=1', '?async=true', 'image/png; q=1 is no table'],
    ['application/vnd.apache.arrow.stream', '?batch=false', 'where it runs as a batch'],
  ])('of %s to a model that takes rows is refused before there is a run', async (contentType, query, says) => {
    const path = `/endpoints/rows/invoke${query}`;
    const answer = await server.postRaw(path, contentType, 'x');
    expect(answer).toMatchObject({ status: 415, json: { detail: expect.stringContaining(says) as string } });
    expect(answer.json.detail).toContain('The model of "rows" takes rows');
    expect(answer.json.run_id).toBeUndefined();
  });

  test('gives the output alone where another type than JSON is asked for', async () => {
    const answer = await server.postRaw('/endpoints/rows/invoke', 'text/csv', 'id\n007\n', { accept: 'text/csv' });
    expect(answer.status).toBe(200);
    expect(answer.text).toBe('id,seen\n007,true\n');
    const runId = answer.headers['run-id'] as string;
    expect(answer.headers).toMatchObject({
      'content-type': expect.stringContaining('text/csv') as string,
      location: `/runs/${runId}`,
      'content-disposition': `attachment; filename="${runId}.csv"`,
      'x-content-type-options': 'nosniff',
    });
    expect(await server.run(runId)).toMatchObject({ status: 'succeeded' });
  });

  test('whose model fails is a 424 with the message of the model', async () => {
    const answer = await server.post('/endpoints/calls/invoke', { input: { do: 'throw' } });
    expect(answer.status).toBe(424);
    expect(answer.headers['content-type']).toContain('application/problem+json');
    expect(answer.json).toMatchObject({
      type: 'https://claimcheck.dev/problems/model-error',
      status: 424,
      detail: 'The model does not like this.',
      retryable: false,
    });
    expect(answer.headers['location']).toBe(`/runs/${answer.json.run_id}`);
    expect(await server.run(answer.json.run_id)).toMatchObject({
      status: 'failed',
      error: { type: 'model-error', detail: 'The model does not like this.' },
    });
  });

  test('whose model returns what JSON cannot hold is a 424 invalid-output', async () => {
    const answer = await server.post('/endpoints/calls/invoke', { input: { do: 'not-a-number' } });
    expect(answer.status).toBe(424);
    expect(answer.json.type).toContain('/invalid-output');
  });

  test('that outlasts its timeout is a 504 run-timeout', async () => {
    const answer = await server.post('/endpoints/calls/invoke', { input: { do: 'hang' }, timeout: 0.05 });
    expect(answer.status).toBe(504);
    expect(answer.json).toMatchObject({
      type: 'https://claimcheck.dev/problems/run-timeout',
      detail: expect.stringContaining('0.05 s') as string,
      retryable: true,
    });
  });

  test('that somebody cancels is a 409 run-cancelled', async () => {
    const waiting = server.post('/endpoints/calls/invoke', { input: { do: 'hang' }, run_name: `cancel ${gate}` });
    const runId = await until('the run is there', async () => {
      const { json } = await server.get(`/runs?run_name=cancel%20${gate}`);
      return json.runs[0]?.run_id as string | undefined;
    });
    expect((await server.send('DELETE', `/runs/${runId}`)).status).toBe(200);
    const answer = await waiting;
    expect(answer.status).toBe(409);
    expect(answer.json).toMatchObject({ type: 'https://claimcheck.dev/problems/run-cancelled', run_id: runId });
  });

  test('that outlasts the wait is a 504 wait-exceeded, and the run goes on', async () => {
    const answer = await server.post('/endpoints/hasty/invoke', { input: { do: 'say', value: 1, path: myGate() } });
    expect(answer.status).toBe(504);
    expect(answer.json).toMatchObject({ type: 'https://claimcheck.dev/problems/wait-exceeded', retryable: true });
    expect(answer.headers).toMatchObject({ location: `/runs/${answer.json.run_id}`, 'retry-after': '1' });
    openGate();
    expect(await server.ended(answer.json.run_id)).toMatchObject({ status: 'succeeded', outputs: 1 });
  });

  test('of a model that does not start is a 503 that says why, and the run is kept', async () => {
    const answer = await server.post('/endpoints/absent/invoke', { input: 1 });
    expect(answer.status).toBe(503);
    expect(answer.json).toMatchObject({
      type: 'https://claimcheck.dev/problems/replica-unavailable',
      detail: expect.stringContaining('/no/such/program') as string,
    });
    expect(await server.run(answer.json.run_id)).toMatchObject({ status: 'queued', waiting_on: 'cold_start' });
    expect((await server.endpoint('absent')).trouble).toContain('/no/such/program');
    await server.send('DELETE', `/runs/${answer.json.run_id}`);
  });

  test('is one where the envelope or the query says so, at any endpoint', async () => {
    expect((await server.post('/endpoints/jobs/invoke', { input: 1, async: false })).status).toBe(200);
    expect((await server.postRaw('/endpoints/jobs/invoke?async=false', 'text/plain', 'x')).status).toBe(200);
  });

  test('whose client goes away leaves its run alone', async () => {
    const gone = new AbortController();
    const request = fetch(`${server.url}/endpoints/calls/invoke`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ input: { do: 'say', value: 'kept', path: myGate() }, run_name: `gone ${gate}` }),
      signal: gone.signal,
    });
    const runId = await until('the run is there', async () => {
      const { json } = await server.get(`/runs?run_name=gone%20${gate}`);
      return json.runs[0]?.run_id as string | undefined;
    });
    gone.abort();
    await expect(request).rejects.toThrow(/abort/);
    openGate();
    expect(await server.ended(runId)).toMatchObject({ status: 'succeeded', outputs: 'kept' });
  });
});

describe('the Prefer header', () => {
  test('is said to be applied, and that the answer depends on it', async () => {
    const answer = await server.post('/endpoints/calls/invoke', { input: 1 }, { prefer: 'respond-async' });
    expect(answer.headers).toMatchObject({ 'preference-applied': 'respond-async', vary: 'Prefer' });
  });

  test('wait=N answers with 200 where the run ends in time', async () => {
    const answer = await server.post(
      '/endpoints/jobs/invoke',
      { input: { do: 'say', value: 3 } },
      { prefer: 'wait=30' },
    );
    expect(answer.status).toBe(200);
    expect(answer.json.outputs).toBe(3);
    expect(answer.headers).toMatchObject({ 'preference-applied': 'wait=30', vary: 'Prefer' });
  });

  test('wait=N answers with 202 where it does not', async () => {
    const answer = await server.post('/endpoints/calls/invoke', { input: { path: myGate() } }, { prefer: 'wait=0' });
    expect(answer.status).toBe(202);
    expect(answer.headers).toMatchObject({
      location: `/runs/${answer.json.run_id}`,
      'preference-applied': 'wait=0',
      'retry-after': '1',
    });
    openGate();
    expect(await server.ended(answer.json.run_id)).toMatchObject({ status: 'succeeded' });
  });

  test('is overruled by the request itself, which then was not applied', async () => {
    const answer = await server.post(
      '/endpoints/calls/invoke',
      { input: 1, async: false },
      { prefer: 'respond-async' },
    );
    expect(answer.status).toBe(200);
    expect(answer.headers).toMatchObject({ vary: 'Prefer' });
    expect(answer.headers).not.toHaveProperty('preference-applied');
  });

  test('says that it was read with a problem, too', async () => {
    const answer = await server.post('/endpoints/calls/invoke', { input: { do: 'throw' } }, { prefer: 'wait=30' });
    expect(answer.status).toBe(424);
    expect(answer.headers).toMatchObject({ 'preference-applied': 'wait=30', vary: 'Prefer' });
  });
});

describe('the input', () => {
  test.each(['9007199254740993', '1e400', '-0', '{"a":1,"a":2}', '"\\u0000 caf\\u00e9 \\"}"', '[ 1.50,\n2 ]', 'null'])(
    'reaches the model byte for byte, and its JSON comes back byte for byte, in the run and alone: %s',
    async (value) => {
      const answer = await server.post('/endpoints/mirror/invoke', `{"async":false,  "input":  ${value}  }`);
      expect(answer.status).toBe(200);
      expect(answer.text).toContain(`"outputs":${value}}`);
      expect((await server.get(`/runs/${answer.json.run_id}/output`)).text).toBe(value);
    },
  );

  test('of other types than JSON is the body, byte for byte', async () => {
    const bytes = Uint8Array.from({ length: 256 }, (_, byte) => byte);
    const answer = await server.postRaw('/endpoints/calls/invoke', 'application/octet-stream', bytes, {
      accept: 'application/octet-stream',
    });
    expect(answer.status).toBe(200);
    expect(answer.bytes.equals(bytes)).toBe(true);
  });

  test('may be large: it goes through the blob store and comes back as it was', async () => {
    const bytes = Buffer.alloc(3_000_000, 'claimcheck');
    const answer = await server.postRaw('/endpoints/calls/invoke', 'application/octet-stream', bytes, {
      accept: 'application/octet-stream',
    });
    expect(answer.bytes.equals(bytes)).toBe(true);
  });

  test('may be null, and the options of a raw body come in the query', async () => {
    expect((await server.post('/endpoints/calls/invoke', { input: null })).json.outputs).toBeNull();
    const raw = await server.postRaw(
      '/endpoints/calls/invoke?run_name=a%20b&timeout=1.5&priority=-2&queue_ttl=9&async=true',
      'text/plain',
      'x',
    );
    expect(raw.json).toMatchObject({ run_name: 'a b', timeout: 1.5, priority: -2, queue_ttl: 9 });
  });
});

test.each([
  [2.01, 2.01],
  [0.0001, 0.001],
  [1.00049, 1],
])('times are kept to the millisecond, and never as none: %s', async (asked, kept) => {
  const options = { timeout: asked, queue_ttl: 100 + asked };
  const answer = await server.post('/endpoints/jobs/invoke', { input: 1, ...options });
  expect(answer.status).toBe(202);
  expect(answer.json).toMatchObject({ timeout: kept, queue_ttl: Number((100 + asked).toFixed(3)) });
});

test('metadata is kept as it was sent, numbers that JavaScript cannot hold included', async () => {
  const answer = await server.post('/endpoints/jobs/invoke', '{"input":1,"metadata":{"id":9007199254740993}}');
  expect(answer.text).toContain('"metadata":{"id":9007199254740993}');
});

test.each(['"caf\\u00e9 \\ud83e\\uddea"', '"\\u2028\\u202egnirts"', '"%41 \\\\ <b>"', '"a\\u0000b"', '"half \\ud800"'])(
  'a run name is kept letter for letter, or refused with its place: %s',
  async (name) => {
    const answer = await server.post('/endpoints/jobs/invoke', `{"input":1,"run_name":${name}}`);
    if (answer.status === 422) {
      expect(answer.json.errors).toMatchObject([{ pointer: '/run_name' }]);
      return;
    }
    expect(answer.status).toBe(202);
    expect((await server.run(answer.json.run_id)).run_name).toBe(JSON.parse(name));
  },
);

describe('an Idempotency-Key', () => {
  const headers = () => ({ 'idempotency-key': `key ${gate}` });

  test('gives the same run for the same request, and says that it is a replay', async () => {
    const first = await server.post('/endpoints/jobs/invoke', { input: { x: 1 } }, headers());
    const again = await server.post('/endpoints/jobs/invoke', { input: { x: 1 } }, headers());
    expect(first.headers).not.toHaveProperty('idempotency-replayed');
    expect(again.headers).toMatchObject({ 'idempotency-replayed': 'true', location: first.headers['location'] });
    expect(again.status).toBe(202);
    expect(again.json.run_id).toBe(first.json.run_id);
  });

  test('waits for the first run where the second request waits', async () => {
    const first = await server.post('/endpoints/calls/invoke', { input: { do: 'say', value: 1 } }, headers());
    const again = await server.post('/endpoints/calls/invoke', { input: { do: 'say', value: 1 } }, headers());
    expect(again.status).toBe(200);
    expect(again.headers).toMatchObject({ 'idempotency-replayed': 'true' });
    expect(again.json).toMatchObject({ run_id: first.json.run_id, outputs: 1 });
  });

  test.each([
    ['another input', { input: 2 }],
    ['another option', { input: 1, priority: 1 }],
    ['other metadata', { input: 1, metadata: { a: 1 } }],
    ['another batch option', { input: 1, batch: false }],
  ])('with %s is a 422, and nothing is stored', async (_, envelope) => {
    await server.post('/endpoints/jobs/invoke', { input: 1 }, headers());
    const before = (await server.get('/runs?limit=1')).json.runs[0].run_id;
    const other = await server.post('/endpoints/jobs/invoke', envelope, headers());
    expect(other.status).toBe(422);
    expect(other.json.type).toContain('/idempotency-mismatch');
    expect((await server.get('/runs?limit=1')).json.runs[0].run_id).toBe(before);
  });

  test('with another endpoint is a 422', async () => {
    await server.post('/endpoints/jobs/invoke', { input: 1, async: true }, headers());
    const other = await server.post('/endpoints/calls/invoke', { input: 1, async: true }, headers());
    expect(other.status).toBe(422);
  });

  test('makes one run of a hundred requests that come at once, large input or small', async () => {
    for (const input of ['small', 'x'.repeat(100_000)]) {
      const answers = await Promise.all(
        Array.from({ length: 100 }, () =>
          server.post('/endpoints/jobs/invoke', { input }, { 'idempotency-key': `${input.length} of ${gate}` }),
        ),
      );
      expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([202]));
      expect(new Set(answers.map(({ json }) => json.run_id)).size).toBe(1);
      expect(answers.filter(({ headers }) => headers['idempotency-replayed'] === undefined)).toHaveLength(1);
      expect(await server.ended(answers[0]!.json.run_id)).toMatchObject({ status: 'succeeded', outputs: input });
    }
  });
});

describe('"async" beside an envelope', () => {
  test.each([
    ['?async=true', {}, 202],
    ['?async=false', {}, 200],
    ['?async=true', { async: true }, 202],
    ['?async=true', { async: false }, 422],
    ['?async=false', { async: true }, 422],
  ])('%s with %j in it is a %i', async (query, options, status) => {
    const answer = await server.post(`/endpoints/jobs/invoke${query}`, { input: {}, ...options });
    expect(answer.status).toBe(status);
    if (status === 422) expect(answer.json.errors[0].pointer).toBe('query:async');
  });
});
