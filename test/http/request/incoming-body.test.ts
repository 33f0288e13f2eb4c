// Bodies that are larger than what is held, and bodies that do not come as they should.

import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import type { FastifyRequest } from 'fastify';
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest';
import { milliseconds, seconds } from '../../../src/domain/time.ts';
import { bodyReader } from '../../../src/http/request/incoming-body.ts';
import { DEFAULT_LIMITS } from '../../../src/http/limits.ts';
import { someBytes } from '../../stores/blobs/conformance.ts';
import { startTestService, type TestService } from '../../support/service.ts';
import { until } from '../../support/until.ts';

const MIB = 1_024 * 1_024;
const BODY_BYTES_MAX = 4 * MIB;
const TABLE_BYTES_MAX = 2 * MIB;
const LARGE = Buffer.from(someBytes(3 * MIB));
let server: TestService;

beforeAll(async () => {
  server = await startTestService({
    endpoints: {
      pipe: { model: ['node', './pipe.js'], mode: 'async' },
      any: { model: './anything.ts', mode: 'async' },
      rows: { model: './echo.ts', mode: 'async' },
      closed: { model: './anything.ts', mode: 'async', queueLimit: 0 },
    },
    limits: {
      bodyBytes: BODY_BYTES_MAX,
      tableBytes: TABLE_BYTES_MAX,
      envelopeBytes: MIB,
      bodyIdle: milliseconds(300),
    },
  });
});
afterAll(() => server.stop());

const files = (): string[] =>
  readdirSync(join(server.data, 'blobs'), { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
const runs = async (): Promise<string[]> =>
  ((await server.get('/runs?limit=500')).json.runs as { run_id: string }[]).map(({ run_id: id }) => id);
const post = (endpoint: string, body: Uint8Array, headers: Record<string, string> = {}) =>
  server.postRaw(`/endpoints/${endpoint}/invoke`, 'application/x-thing', body, headers);

test.each(['pipe', 'any'])('a large body comes back byte for byte, by way of a model that is %s', async (endpoint) => {
  for (const chunked of [false, true]) {
    const { status, json } = await server.send('POST', `/endpoints/${endpoint}/invoke`, {
      headers: { 'content-type': 'application/x-thing' },
      body: LARGE,
      chunked,
    });
    expect(status).toBe(202);
    expect(await server.ended(json.run_id)).toMatchObject({ status: 'succeeded', output: { bytes: LARGE.length } });
    expect(Buffer.compare((await server.get(`/runs/${json.run_id}/output`)).bytes, LARGE)).toBe(0);
    const retried = await server.send('POST', `/runs/${json.run_id}/retry`);
    expect(retried.status).toBe(202);
    await server.ended(retried.json.run_id);
    expect(Buffer.compare((await server.get(`/runs/${retried.json.run_id}/output`)).bytes, LARGE)).toBe(0);
  }
});

test('a large body is answered with its large output where the request waits for it', async () => {
  const answer = await post('pipe', LARGE, { prefer: 'wait=30', accept: 'application/x-thing' });
  expect(answer.status).toBe(200);
  expect(Buffer.compare(answer.bytes, LARGE)).toBe(0);
});

test('a short body of unknown length is a payload like any other', async () => {
  const { json } = await server.send('POST', '/endpoints/pipe/invoke', {
    headers: { 'content-type': 'application/x-thing' },
    body: 'short',
    chunked: true,
  });
  await server.ended(json.run_id);
  expect((await server.get(`/runs/${json.run_id}/output`)).text).toBe('short');
});

test('a table that is too large to be held as a body runs as a batch', async () => {
  const table = `id\n${Array.from({ length: 300_000 }, (_, id) => `${id}\n`).join('')}`;
  expect(table.length).toBeGreaterThan(MIB);
  const { status, json } = await server.postRaw('/endpoints/rows/invoke?batch_size=100000', 'text/csv', table);
  expect(status).toBe(202);
  expect(await server.ended(json.run_id)).toMatchObject({ status: 'succeeded', progress: { done: 300_000 } });
});

describe('of a large body that no run is made of, nothing is kept:', () => {
  test('the queue is full', async () => {
    const before = files();
    expect((await post('closed', LARGE)).status).toBe(429);
    expect(files()).toEqual(before);
  });

  test('its idempotency key has a run already, or was used for another', async () => {
    const key = { 'idempotency-key': 'large' };
    const first = await post('pipe', LARGE, key);
    await server.ended(first.json.run_id);
    const before = files();
    const again = await post('pipe', LARGE, key);
    expect(again.headers['idempotency-replayed']).toBe('true');
    expect(again.json.run_id).toBe(first.json.run_id);
    expect((await post('pipe', LARGE.subarray(1), key)).status).toBe(422);
    expect(files()).toEqual(before);
  });

  test('it is a table that cannot be read, however long it is', async () => {
    const before = files();
    const rows = MIB / 2;
    const broken = `id,name\n${'1,a\n'.repeat(rows)}1\n`;
    const answer = await server.postRaw('/endpoints/rows/invoke', 'text/csv', broken);
    expect(answer).toMatchObject({ status: 400, json: { errors: [{ pointer: `line ${rows + 2}` }] } });
    expect(answer.json.detail).toContain(`Row ${rows + 1} (line ${rows + 2}) has 1 value`);
    expect(files()).toEqual(before);
  });

  test('a batch was asked for and it is no table', async () => {
    const before = files();
    const answer = await server.postRaw('/endpoints/pipe/invoke?batch=true', 'application/x-thing', LARGE);
    expect(answer.status).toBe(422);
    expect(files()).toEqual(before);
  });
});

/** A connection on which a request is written by hand. */
async function open(): Promise<{ socket: Socket; heard: () => string; closed: Promise<unknown> }> {
  const { hostname, port } = new URL(server.url);
  const socket = connect(Number(port), hostname);
  onTestFinished(() => void socket.destroy());
  socket.on('error', () => {});
  let text = '';
  socket.setEncoding('latin1').on('data', (part: string) => (text += part));
  await once(socket, 'connect');
  return { socket, heard: () => text, closed: once(socket, 'close') };
}
const head = (length: string, type = 'application/x-thing'): string =>
  `POST /endpoints/pipe/invoke HTTP/1.1\r\nHost: localhost\r\nContent-Type: ${type}\r\n${length}\r\n\r\n`;

test.each([
  ['raw', BODY_BYTES_MAX, 'application/x-thing'],
  ['an envelope', MIB, 'application/json'],
  ['a table', BODY_BYTES_MAX, 'text/csv'],
])('a body that is announced to be too long is a 413 before any of it comes: %s', async (_, bytesMax, type) => {
  const { socket, heard, closed } = await open();
  socket.write(head(`Content-Length: ${bytesMax + 1}`, type));
  await closed;
  expect(heard()).toMatch(/^HTTP\/1\.1 413 /);
  expect(heard()).toContain('problems/payload-too-large');
});

test.each([
  ['raw', BODY_BYTES_MAX, 'application/x-thing'],
  ['an envelope', MIB, 'application/json'],
])(
  'a body that turns out to be too long is a 413 once it does, and nothing of it is kept: %s',
  async (_, bytesMax, type) => {
    const [before, runsBefore] = [files(), await runs()];
    const { socket, heard, closed } = await open();
    socket.write(head('Transfer-Encoding: chunked', type));
    const chunk = Buffer.alloc(MIB, ' ');
    for (let sent = 0; sent < bytesMax; sent += chunk.length) {
      socket.write(`${chunk.length.toString(16)}\r\n`);
      socket.write(chunk);
      socket.write('\r\n');
    }
    socket.write('1\r\nx\r\n');
    await closed;
    expect(heard()).toMatch(/^HTTP\/1\.1 413 /);
    expect(files()).toEqual(before);
    expect(await runs()).toEqual(runsBefore);
  },
);

const BEGINNINGS = [
  ['a short one', 'Content-Length: 99', 'half'],
  ['a long one', `Content-Length: ${2 * MIB}`, 'x'.repeat(MIB)],
  ['one of unknown length', 'Transfer-Encoding: chunked', `${MIB.toString(16)}\r\n${'x'.repeat(MIB)}\r\n`],
  ['one of which nothing came', `Content-Length: ${2 * MIB}`, ''],
] as const;

test.each(BEGINNINGS)('a body that stops coming is a 408, and nothing of it is kept: %s', async (_, length, half) => {
  const [before, runsBefore] = [files(), await runs()];
  const { socket, heard, closed } = await open();
  socket.write(head(length) + half);
  await closed;
  expect(heard()).toMatch(/^HTTP\/1\.1 408 /);
  expect(heard()).toContain('problems/request-timeout');
  expect(heard().toLowerCase()).toContain('connection: close');
  expect(files()).toEqual(before);
  expect(await runs()).toEqual(runsBefore);
});

test.each(BEGINNINGS)('of a body whose client hangs up in the middle nothing is kept: %s', async (_, length, half) => {
  const [before, runsBefore] = [files(), await runs()];
  const { socket } = await open();
  socket.write(head(length) + half);
  if (half.length >= MIB) await until('some of it is there', () => files().length > before.length);
  socket.destroy();
  await until('it is gone', () => files().length === before.length);
  expect(files()).toEqual(before);
  expect(await runs()).toEqual(runsBefore);
});

describe('a short body', () => {
  const IDLE = seconds(30);

  /** One that is read as it comes, on timers that the test moves. */
  function bodyForTest() {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    onTestFinished(() => void vi.useRealTimers());
    const payload = new PassThrough();
    const request = { headers: {}, routeOptions: { config: { route: { body: { bytesMax: 100 } } } } };
    const ends: [Error | null, unknown][] = [];
    const read = bodyReader({ ...DEFAULT_LIMITS, bodyIdle: IDLE });
    read(request as FastifyRequest, payload, (error, body) => ends.push([error, body]));
    const send = async (text: string): Promise<void> => {
      payload.write(text);
      await new Promise((resolve) => setImmediate(resolve));
    };
    return { payload, ends, send };
  }

  test('that comes slowly is whole in the end, as long as something of it comes in time', async () => {
    const { payload, ends, send } = bodyForTest();
    for (const piece of ['a', 'b', 'c']) {
      vi.advanceTimersByTime(IDLE - 1);
      await send(piece);
    }
    payload.end();
    await once(payload, 'end');
    expect(ends).toEqual([[null, Buffer.from('abc')]]);
  });

  test('of which nothing comes in time is not waited for', async () => {
    const { ends, send } = bodyForTest();
    await send('a');
    vi.advanceTimersByTime(IDLE);
    expect(ends).toMatchObject([[{ slug: 'request-timeout' }, undefined]]);
  });

  test('of unknown length is refused as soon as it is too long', async () => {
    const { ends, send } = bodyForTest();
    await send('x'.repeat(100));
    expect(ends).toEqual([]);
    await send('x');
    expect(ends).toMatchObject([[{ slug: 'payload-too-large' }, undefined]]);
  });
});
