import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { HEADERS_TIMEOUT } from '../../src/http/limits.ts';
import type { WhenDone } from '../support/folder.ts';
import { sendBytes } from '../support/http.ts';
import { serviceForTest, startTestService, type TestService } from '../support/service.ts';

let server: TestService;

beforeAll(async () => {
  server = await startTestService({
    endpoints: {
      rows: {
        model: './echo.ts',
        default: true,
        features: ['id'],
        target: 'price',
        idColumn: 'id',
        tags: ['a', 'b'],
        description: 'Gives rows back.',
        batchSize: 7,
        maxInFlight: 3,
        queueLimit: 9,
        concurrencyLimit: 5,
        retention: '2d',
        timeout: '90s',
        queueTtl: '1h',
        syncTimeout: '20s',
        replicas: { max: 2 },
      },
      jobs: { model: './anything.ts', mode: 'async' },
    },
  });
});
afterAll(() => server.stop());

describe('every answer', () => {
  test.each(['/health', '/runs', '/endpoints', '/no-such-path', '/runs/x', '/endpoints/x'])(
    'is neither sniffed nor kept by what passes it on: %s',
    async (path) => {
      expect((await server.get(path)).headers).toMatchObject({
        'x-content-type-options': 'nosniff',
        'cache-control': 'no-store',
      });
    },
  );

  test('with a problem has an instance of its own, under any id that the request claims to have', async () => {
    const [first, second] = await Promise.all(
      [1, 2].map(() => server.get('/no-such-path', { 'x-request-id': 'mine', 'request-id': 'mine' })),
    );
    expect(first!.json.instance).toMatch(/^urn:request:[0-9a-f]{8}-\d+$/);
    expect(second!.json.instance).not.toBe(first!.json.instance);
  });
});

test('GET /health says that the server is alive, and GET /ready that it takes work', async () => {
  expect((await server.get('/health')).json).toEqual({ status: 'alive' });
  const ready = await server.get('/ready');
  expect(ready.status).toBe(200);
  expect(ready.json).toEqual({ status: 'ready' });
});

test('GET /endpoints lists every endpoint as GET /endpoints/{endpoint} shows it', async () => {
  const { endpoints } = (await server.get('/endpoints')).json;
  expect(endpoints).toHaveLength(2);
  expect(endpoints[0]).toEqual({
    name: 'rows',
    version: 1,
    mode: 'sync',
    default: true,
    description: 'Gives rows back.',
    tags: ['a', 'b'],
    features: ['id'],
    scoring: { target: 'price', prediction: null, task: null, id_column: 'id', evaluation: false },
    batch_size: 7,
    max_in_flight: 3,
    on_row_error: 'mark',
    timeout: 90,
    sync_timeout: 20,
    queue_ttl: 3_600,
    queue_limit: 9,
    concurrency_limit: 5,
    retention: 172_800,
    replicas: { current: 0, desired: 0, min: 0, max: 2 },
    queued: 0,
    backlog: 0,
    running: 0,
    oldest_age_seconds: null,
    drain_rate: null,
    state: 'idle',
    trouble: null,
    rollout: null,
    failures: 0,
    retry_at: null,
    last_start_seconds: null,
  });
  expect(await server.endpoint('rows')).toEqual(endpoints[0]);
  expect(endpoints[1]).toMatchObject({
    name: 'jobs',
    mode: 'async',
    default: false,
    description: null,
    concurrency_limit: null,
  });
});

test.each([
  ['/runs', 'GET', ['POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS']],
  ['/runs/0198b0ff-0000-7000-8000-000000000000', 'GET', ['POST', 'PUT', 'OPTIONS']],
  ['/runs/0198b0ff-0000-7000-8000-000000000000/cancel', 'POST', ['GET', 'DELETE']],
  ['/runs/0198b0ff-0000-7000-8000-000000000000/retry', 'POST', ['GET', 'DELETE']],
  ['/endpoints/rows/queue', 'DELETE', ['GET', 'POST']],
  ['/runs/0198b0ff-0000-7000-8000-000000000000/output', 'GET', ['POST', 'DELETE']],
  ['/invoke', 'POST', ['GET', 'PUT', 'OPTIONS']],
  ['/endpoints/rows/invoke', 'POST', ['GET', 'DELETE']],
  ['/endpoints', 'GET', ['POST']],
  ['/endpoints/rows', 'GET', ['POST']],
  ['/health', 'GET', ['POST']],
  ['/ready', 'GET', ['DELETE']],
])('a method that %s does not have is a 405 that allows %s', async (path, allowed, methods) => {
  for (const method of methods) {
    const answer = await server.send(method, path);
    expect(answer.status).toBe(405);
    expect(answer.json.type).toContain('/method-not-allowed');
    expect(answer.headers['allow']!.split(', ')).toContain(allowed);
    expect(answer.headers['allow']).not.toContain(method);
    expect(answer.headers).not.toHaveProperty('access-control-allow-origin');
  }
});

test('HEAD is GET without its body', async () => {
  const answer = await server.send('HEAD', '/health');
  expect(answer.status).toBe(200);
  expect(answer.text).toBe('');
});

test('a page of another origin can read, since it learns nothing without CORS, and is not told that it may', async () => {
  const answer = await server.get('/endpoints', { origin: 'https://evil.example', 'sec-fetch-site': 'cross-site' });
  expect(answer.headers).not.toHaveProperty('access-control-allow-origin');
});

test.each([
  ['a program, which says nothing', {}],
  ['a page of this server', { 'sec-fetch-site': 'same-origin' }],
  ['the address bar', { 'sec-fetch-site': 'none' }],
])('a change is taken from %s', async (_, headers) => {
  expect((await server.post('/endpoints/jobs/invoke', { input: 1 }, headers)).status).toBe(202);
});

test('a change is taken from a page whose origin is the host that it asks', async () => {
  const origin = server.url;
  expect((await server.post('/endpoints/jobs/invoke', { input: 1 }, { origin })).status).toBe(202);
});

test.each(['localhost', 'LOCALHOST', '127.0.0.1', '[::1]', 'localhost:1', '[::1]:4242'])(
  'the server answers for the host %s',
  async (host) => {
    expect((await server.get('/health', { host })).status).toBe(200);
  },
);

test('requests that come one behind the other on one connection are answered in order', async () => {
  const one = 'GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n';
  const last = 'GET /no-such-path HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n';
  const heard = await sendBytes(server.url, one + one + last);
  expect(heard.match(/HTTP\/1\.1 \d{3}/g)).toEqual(['HTTP/1.1 200', 'HTTP/1.1 200', 'HTTP/1.1 404']);
});

describe.concurrent('a server that is told to stop is not held up by a client that', () => {
  /** A connection that never goes away by itself. */
  async function rude(url: string, said: string, whenDone: WhenDone): Promise<Socket> {
    const { hostname, port } = new URL(url);
    const socket = connect({ host: hostname, port: Number(port), allowHalfOpen: true });
    whenDone(() => void socket.destroy());
    socket.on('error', () => {});
    socket.resume();
    await once(socket, 'connect');
    socket.write(said);
    return socket;
  }

  const halfABody = 'POST /endpoints/jobs/invoke HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99\r\n\r\nhalf';
  test.for([
    ['has sent half a request', halfABody],
    ['has sent half a header', 'GET /health HTTP/1.1\r\nHost: loc'],
    ['has sent garbage, and does not hang up', '\x16\x03\x01 garbage\r\n\r\n'],
    ['has sent nothing at all', ''],
    ['keeps its connection open', 'GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n'],
  ] as const)('%s', async ([, said], { onTestFinished: whenDone }) => {
    const stopping = await serviceForTest({ endpoints: { jobs: { model: './anything.ts' } } }, whenDone);
    const socket = await rude(stopping.url, said, whenDone);
    // The server has heard it once it answers a request that came later.
    await stopping.get('/health');
    const closed = once(socket, 'close');
    // After that long the server would hang up by itself.
    const stopped = Promise.race([stopping.stop().then(() => 'stopped'), sleep(HEADERS_TIMEOUT, 'held up')]);
    expect(await stopped).toBe('stopped');
    socket.destroy();
    await closed;
  });
});
