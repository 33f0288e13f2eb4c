import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { retryLimits } from '../../src/client/backoff.ts';
import { Transport } from '../../src/client/transport.ts';
import {
  type Claimcheck,
  connect,
  ConnectionError,
  DrainingError,
  QueueFullError,
  RunTimeoutError,
} from '../../src/index.ts';

type Turn = (request: IncomingMessage, response: ServerResponse) => void;

const RUN = { run_id: 'r1', status: 'succeeded', done: true };
const closers: (() => void)[] = [];
afterEach(() => closers.splice(0).forEach((close) => close()));

/**
 * A server that answers each request with the next turn, the last one again and again, and
 * remembers what it was asked.
 */
async function serverWith(
  turns: readonly Turn[],
): Promise<{ client: Claimcheck; asked: IncomingMessage[]; url: string }> {
  const asked: IncomingMessage[] = [];
  const server = createServer((request, response) => {
    request.resume();
    request.on('end', () => turns[Math.min(asked.push(request), turns.length) - 1]!(request, response));
  });
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
  closers.push(() => server.close().closeAllConnections());
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return { client: connect({ url, apiKey: 'k' }), asked, url };
}

const json =
  (status: number, body: unknown): Turn =>
  (_request, response) =>
    void response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
const problem =
  (status: number, slug: string, more: object = {}, headers: Record<string, string> = {}): Turn =>
  (_request, response) =>
    void response.writeHead(status, { 'content-type': 'application/problem+json', ...headers }).end(
      JSON.stringify({
        type: `https://claimcheck.dev/problems/${slug}`,
        title: slug,
        status,
        detail: `It was ${slug}.`,
        retryable: true,
        ...more,
      }),
    );
const reset: Turn = (_request, response) => void response.destroy();
const cutShort: Turn = (_request, response) => {
  response.writeHead(200, { 'content-type': 'application/json', 'content-length': '100' });
  response.write('{"run', () => response.destroy());
};

test('a request is sent again after "not now", a reset connection and an answer that was cut short', async () => {
  const { client, asked } = await serverWith([problem(429, 'queue-full'), reset, cutShort, json(200, RUN)]);
  await expect(client.run('r1').status()).resolves.toMatchObject({ status: 'succeeded' });
  expect(asked).toHaveLength(4);
});

test('every try of a submission carries the same idempotency key', async () => {
  const { client, asked } = await serverWith([problem(503, 'draining', {}, { 'retry-after-ms': '1' }), json(202, RUN)]);
  await client.endpoint('e').submit({});
  const keys = asked.map(({ headers }) => headers['idempotency-key']);
  expect(keys[0]).toMatch(/^[0-9a-f]{32}$/);
  expect(keys).toEqual([keys[0], keys[0]]);
});

test('two submissions have different keys, and both carry the API key', async () => {
  const { client, asked } = await serverWith([json(202, RUN)]);
  await client.endpoint('e').submit({});
  await client.endpoint('e').submit({});
  expect(asked[0]!.headers['idempotency-key']).not.toBe(asked[1]!.headers['idempotency-key']);
  expect(asked.map(({ headers }) => headers.authorization)).toEqual(['Bearer k', 'Bearer k']);
});

test('the pause that the server asks for is waited for', async () => {
  const { client } = await serverWith([
    problem(429, 'queue-full', {}, { 'retry-after': '60', 'retry-after-ms': '300' }),
    json(200, RUN),
  ]);
  const started = performance.now();
  await client.run('r1').status();
  expect(performance.now() - started).toBeGreaterThanOrEqual(299);
});

test('when the tries are used up, the last answer is thrown', async () => {
  const { url, asked } = await serverWith([problem(429, 'queue-full', {}, { 'retry-after-ms': '1' })]);
  const client = connect({ url, retry: { tries: 3 } });
  await expect(client.endpoint('e').submit({})).rejects.toBeInstanceOf(QueueFullError);
  expect(asked).toHaveLength(3);
});

test('a run is waited for through more refusals than any other request', async () => {
  const draining = problem(503, 'draining', {}, { 'retry-after-ms': '1' });
  const { client, asked } = await serverWith([...Array.from({ length: 30 }, () => draining), json(200, RUN)]);
  await expect(client.run('r1').status()).rejects.toBeInstanceOf(DrainingError);
  expect(asked).toHaveLength(10);
  await expect(client.run('r1').wait()).resolves.toMatchObject({ done: true });
  expect(asked).toHaveLength(31);
});

test('a caller that waits in vain is told which run goes on', async () => {
  const { url } = await serverWith([json(200, { ...RUN, status: 'running', done: false }), reset]);
  const waiting = connect({ url, retry: { tries: 2 } })
    .run('r1')
    .wait();
  const error = await waiting.catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(ConnectionError);
  expect(error).toMatchObject({ runId: 'r1', message: expect.stringMatching(/^No answer from/) as string });
});

test('a laptop that slept while it waited tries again when it wakes', async () => {
  let tries = 0;
  const fetch: typeof globalThis.fetch = async (_url, init) => {
    tries += 1;
    if (tries > 1) return Response.json(RUN);
    // Nothing of the process runs meanwhile, and its limit has passed when it goes on.
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1_500);
    return new Promise((_, reject) =>
      init!.signal!.addEventListener('abort', () => reject(init!.signal!.reason as Error)),
    );
  };
  const transport = new Transport({ url: 'http://asleep', apiKey: null, fetch, retry: retryLimits({ seconds: 1 }) });
  await transport.send({ method: 'GET', path: '/runs/r1', limitSeconds: 0.05 });
  expect(tries).toBe(2);
});

test('a try that is not answered in time is given up, and the next one is answered', async () => {
  const { url, asked } = await serverWith([() => {}, json(200, RUN)]);
  const transport = new Transport({ url, apiKey: null, fetch, retry: retryLimits() });
  // A guard: else a try without an end would end this test only with the patience of its runner.
  const signal = AbortSignal.timeout(20_000);
  await expect(transport.send({ method: 'GET', path: '/runs/r1', limitSeconds: 0.05, signal })).resolves.toMatchObject({
    status: 200,
  });
  expect(asked).toHaveLength(2);
});

test('a problem about a run is an answer, and the request is not sent again', async () => {
  const { client, asked } = await serverWith([problem(504, 'run-timeout', { run_id: 'r1' })]);
  await expect(client.endpoint('e').invoke({})).rejects.toBeInstanceOf(RunTimeoutError);
  expect(asked).toHaveLength(1);
});

test.each([
  ['the wait is over', 504, 'wait-exceeded'],
  ['the server stops', 503, 'draining'],
])('when %s, the run that goes on is waited for', async (_when, status, slug) => {
  const { client, asked } = await serverWith([
    problem(status, slug, { run_id: 'r1' }),
    json(200, { ...RUN, outputs: { a: 1 }, output: { content_type: 'application/json' } }),
  ]);
  await expect(client.endpoint('e').invoke({})).resolves.toEqual({ a: 1 });
  expect(asked[1]!.url).toBe('/runs/r1?wait=30');
});

test('an answer that is final is not asked for again', async () => {
  const { client, asked } = await serverWith([problem(500, 'internal')]);
  await expect(client.run('r1').status()).rejects.toMatchObject({ slug: 'internal' });
  expect(asked).toHaveLength(1);
});

test('something else than a claimcheck server is told from one', async () => {
  const page: Turn = (_request, response) =>
    void response.writeHead(404, { 'content-type': 'text/html' }).end('<h1>Not here</h1>');
  const { client, asked } = await serverWith([page]);
  await expect(client.run('r1').status()).rejects.toThrow(
    'answered with status 404 and no problem, so by something else than a claimcheck server',
  );
  expect(asked).toHaveLength(1);
  const home: Turn = (_request, response) =>
    void response.writeHead(200, { 'content-type': 'text/html' }).end('<h1>Welcome</h1>');
  await expect((await serverWith([home])).client.endpoints()).rejects.toBeInstanceOf(ConnectionError);
});

test('JSON that looks like a problem, and does not call itself one, is no problem of a claimcheck server', async () => {
  const body = { type: 'https://claimcheck.dev/problems/run-not-found', title: 'No', status: 404, detail: 'No route.' };
  const { client } = await serverWith([json(404, body)]);
  const error = await client
    .run('r1')
    .status()
    .catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(ConnectionError);
  expect((error as Error).message).toContain('answered with status 404 and no problem');
});

test('a server that is not there is given up soon, with the reason and what to do', async () => {
  const { url } = await serverWith([]);
  closers.splice(0).forEach((close) => close());
  const error = await connect({ url })
    .endpoints()
    .catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(ConnectionError);
  expect((error as Error).message).toMatch(
    /^No answer from http:\/\/127\.0\.0\.1:\d+: ECONNREFUSED\. Is the server running there\?/,
  );
  expect((error as ConnectionError).url).toBe(url);
});

test('an abort ends a pause between two tries, with the reason of the signal', async () => {
  const { url } = await serverWith([problem(503, 'draining', {}, { 'retry-after': '60' })]);
  const transport = new Transport({ url, apiKey: null, fetch, retry: retryLimits() });
  const stop = new AbortController();
  const tooLate = Promise.withResolvers<string>();
  const sent = transport.send({
    method: 'GET',
    path: '/runs/r1',
    signal: stop.signal,
    // The pause begins when this returns, and an immediate comes after that. Whether the pause is
    // left shows in what comes first.
    onUnanswered: () => {
      setImmediate(() => stop.abort(new Error('enough')));
      setTimeout(() => tooLate.resolve('the pause goes on'), 10_000).unref();
    },
  });
  await expect(Promise.race([sent, tooLate.promise])).rejects.toThrow('enough');
});

test('an abort ends a request that is waiting for its answer', async () => {
  const stop = new AbortController();
  const { client } = await serverWith([() => stop.abort(new Error('enough'))]);
  await expect(client.run('r1').wait({ signal: stop.signal })).rejects.toThrow('enough');
});

test('an aborted signal sends nothing', async () => {
  const { client, asked } = await serverWith([json(202, RUN)]);
  await expect(client.endpoint('e').submit({}, { signal: AbortSignal.abort(new Error('never')) })).rejects.toThrow(
    'never',
  );
  expect(asked).toHaveLength(0);
});

test('with retries off, the first failure stands', async () => {
  const { url, asked } = await serverWith([problem(503, 'draining')]);
  await expect(
    connect({ url, retry: { tries: 1 } })
      .run('r1')
      .status(),
  ).rejects.toBeInstanceOf(DrainingError);
  expect(asked).toHaveLength(1);
});

test('a path in the URL is kept, and a slash at its end does not matter', async () => {
  const { url, asked } = await serverWith([json(200, RUN)]);
  await connect({ url: `${url}/proxy/` })
    .run('a/b')
    .status();
  expect(asked[0]!.url).toBe('/proxy/runs/a%2Fb');
});

test.each([
  ['localhost:4242', '"localhost:4242" is not the URL of a server'],
  ['ftp://host', 'is not the URL of a server'],
  ['http://user:secret@host', 'must not hold a user name or password'],
])('the URL %s is refused', (url, message) => {
  expect(() => connect({ url })).toThrow(message);
});

test('a URL that is refused does not show its password', () => {
  expect(() => connect({ url: 'postgres://user:secret@host/db' })).toThrow(/^"postgres:\/\/…@host\/db" is not/);
});
