import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { answering, badHookForTest, type Behaviour, hanging } from '../support/bad-hook.ts';
import { serviceForTest, sharedService, startTestService, type TestService } from '../support/service.ts';
import { until } from '../support/until.ts';

const ENDPOINTS = { echo: { model: './anything.ts', mode: 'async', timeout: '60s' } } as const;

const shared = sharedService({ endpoints: ENDPOINTS });

describe('an input by reference', () => {
  test('is fetched when the run starts, and handed on with the content type that it has', async () => {
    const files = await badHookForTest(
      answering(200, { 'content-type': 'text/x-odd; a=1' }, '{"n": 9007199254740993}'),
    );
    const server = shared();
    const { status, json } = await server.post('/endpoints/echo/invoke', {
      input_location: `${files.url}/input.json?signature=s3cret`,
    });
    expect(status).toBe(202);
    const run = await server.ended(json.run_id);
    expect(run).toMatchObject({ status: 'succeeded' });
    expect((await server.get(`/runs/${json.run_id}/output`)).text).toBe('{"n": 9007199254740993}');
    expect(files.requests).toMatchObject([{ method: 'GET', path: '/input.json?signature=s3cret', body: '' }]);
    expect(files.requests[0]!.headers).not.toHaveProperty('authorization');
  });

  test('is fetched anew when the run is tried again', async () => {
    const files = await badHookForTest(answering(200, { 'content-type': 'application/json' }, '{}'));
    const server = shared();
    const { json } = await server.post('/endpoints/echo/invoke', { input_location: files.url });
    await server.ended(json.run_id);
    const retried = await server.send('POST', `/runs/${json.run_id}/retry`);
    expect(await server.ended(retried.json.run_id)).toMatchObject({ status: 'succeeded' });
    expect(files.requests).toHaveLength(2);
  });

  test('that is long goes to the disk as it comes and from there to the model, and leaves nothing behind', async () => {
    const bytes = Buffer.alloc(4 * 1_024 * 1_024, 'claimcheck ');
    let finish = (): void => {};
    const files = await badHookForTest((response) => {
      response.writeHead(200, { 'content-type': 'application/octet-stream' }).write(bytes.subarray(0, -1_000));
      finish = () => void response.end(bytes.subarray(-1_000));
    });
    const server = shared();
    const blobs = join(server.data, 'blobs');
    const filesOf = (part: string): string[] =>
      readdirSync(blobs, { recursive: true, encoding: 'utf8' }).filter((name) => name.includes(part));
    const { json } = await server.post('/endpoints/echo/invoke', { input_location: files.url });
    await until('most of it is on the disk', () =>
      filesOf('unfinished/').some((name) => statSync(join(blobs, name)).size > 2 * 1_024 * 1_024),
    );
    finish();
    expect(await server.ended(json.run_id)).toMatchObject({ status: 'succeeded' });
    const output = await fetch(`${server.url}/runs/${json.run_id}/output`);
    expect(Buffer.from(await output.arrayBuffer()).equals(bytes)).toBe(true);
    expect(filesOf('fetched')).toEqual([]);
  });

  const SECRET = 'what only this network may see';
  const FAULTS: [string, Behaviour, string][] = [
    ['is not there', answering(404, {}, SECRET), 'it was answered with 404'],
    ['leads elsewhere', answering(302, { location: 'http://169.254.169.254/' }, SECRET), 'redirects are not followed'],
    ['is too long', (response) => response.end(SECRET.repeat(1_000)), 'it is longer than 16 KiB'],
    ['is compressed', answering(200, { 'content-encoding': 'gzip' }, SECRET), 'it came encoded as gzip'],
    [
      'breaks off',
      (response) => {
        response.writeHead(200, { 'content-length': '1000' }).write(SECRET);
        response.socket!.end();
      },
      'it broke off',
    ],
  ];
  test.each(FAULTS)('that %s fails its run, and shows nothing of the answer', async (_what, behave, why) => {
    const files = await badHookForTest(behave);
    const server = await serviceForTest({ endpoints: ENDPOINTS, limits: { tableBytes: 16 * 1_024 } });
    const { json } = await server.post('/endpoints/echo/invoke', { input_location: `${files.url}/?signature=s3cret` });
    const { status, error, attempts } = await server.ended(json.run_id);
    expect(status).toBe('failed');
    expect(error).toMatchObject({ type: 'input-unavailable', retryable: true, detail: expect.stringContaining(why) });
    expect(JSON.stringify([error, attempts])).not.toMatch(/only this network|s3cret/);
    expect(attempts).toHaveLength(1);
  });

  test('is tried again where the endpoint’s policy says so', async () => {
    const files = await badHookForTest((response, _request, count) =>
      response.writeHead(count === 0 ? 503 : 200, { 'content-type': 'application/json' }).end('{}'),
    );
    const retry = { maxAttempts: 3, on: ['input-unavailable'] } as const;
    const server = await serviceForTest({
      endpoints: { echo: { ...ENDPOINTS.echo, retry: { ...retry, on: [...retry.on] } } },
    });
    const { json } = await server.post('/endpoints/echo/invoke', { input_location: files.url });
    const run = await server.ended(json.run_id);
    expect(run).toMatchObject({ status: 'succeeded' });
    expect(run.attempts.map((attempt: { outcome: string }) => attempt.outcome)).toEqual(['failed', 'succeeded']);
  });

  test('is not waited for once the run is cancelled', async () => {
    const files = await badHookForTest(hanging);
    const server = shared();
    const { json } = await server.post('/endpoints/echo/invoke', { input_location: files.url });
    await until('it is asked for', () => files.requests.length === 1);
    await server.send('DELETE', `/runs/${json.run_id}`);
    await until('the connection is closed', () => files.open() === 0);
    expect(await server.ended(json.run_id)).toMatchObject({ status: 'cancelled' });
    expect(await server.ended(await server.submit('echo', {}))).toMatchObject({ status: 'succeeded' });
  });

  test('takes of the attempt’s own time', async () => {
    const files = await badHookForTest(hanging);
    const server = shared();
    const { json } = await server.post('/endpoints/echo/invoke', { input_location: files.url, timeout: 0.5 });
    const { error } = await server.ended(json.run_id);
    expect(error).toMatchObject({
      type: 'input-unavailable',
      detail: expect.stringContaining('did not answer within 0.5 s'),
    });
  });
});

describe('an envelope', () => {
  let server: TestService;
  beforeAll(async () => {
    server = await startTestService({ endpoints: ENDPOINTS, egressAllow: [] });
  });
  afterAll(() => server.stop());

  test.each([
    [{}, '/input', 'is required (or "parameters", or "input_location")'],
    [{ input: 1, input_location: 'https://files.example/' }, '/input', 'and "input_location" exclude each other'],
    [
      { parameters: {}, input_location: 'https://files.example/' },
      '/parameters',
      'and "input_location" exclude each other',
    ],
    [{ input: 1, parameters: {}, input_location: 'https://files.example/' }, '/input', 'exclude each other'],
    [{ input_location: 's3://bucket/key' }, '/input_location', 'names an object store'],
    [{ input_location: 'file:///etc/passwd' }, '/input_location', 'must begin with https://'],
    [{ input_location: 'https://10.0.0.1/' }, '/input_location', 'not public'],
    [{ input_location: 'https://files.example/', batch: true }, '/input_location', 'is not a table'],
  ])('%j is refused', async (envelope, pointer, detail) => {
    const { status, json } = await server.post('/endpoints/echo/invoke', envelope);
    expect(status).toBe(422);
    expect(json.errors).toEqual([{ pointer, detail: expect.stringContaining(detail) }]);
  });

  test('is the only place where one can be named', async () => {
    const type = 'application/vnd.claimcheck.location';
    const raw = await server.postRaw('/endpoints/echo/invoke', type, 'https://files.example/');
    expect(raw.status).toBe(415);
    const query = await server.postRaw(
      '/endpoints/echo/invoke?input_location=https://files.example/',
      'text/plain',
      '',
    );
    expect(query.status).toBe(422);
  });
});
