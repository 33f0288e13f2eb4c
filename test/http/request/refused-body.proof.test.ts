// Bodies that are refused while they still come, by clients that read nothing before they have sent
// everything.

import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { milliseconds } from '../../../src/domain/time.ts';
import { serviceWithKeys, type TestKey } from '../../support/keys.ts';
import type { TestService } from '../../support/service.ts';
import { until } from '../../support/until.ts';

const MIB = 1_024 * 1_024;
const BYTES_MAX = 32 * MIB;
const TIME = milliseconds(3_000);
let server: TestService & { readonly keys: { readonly all: TestKey } };

beforeAll(async () => {
  server = await serviceWithKeys(
    {
      endpoints: {
        any: { model: './anything.ts', mode: 'async' },
        rows: { model: './echo.ts', mode: 'async' },
        closed: { model: './anything.ts', mode: 'async', queueLimit: 0 },
      },
      limits: {
        bodyBytes: 12 * MIB,
        envelopeBytes: MIB,
        bodyIdle: milliseconds(1_000),
        refusedBodyTime: TIME,
        refusedBodyBytes: BYTES_MAX,
      },
    },
    { all: {} },
    afterAll,
  );
});

/** A piece of every body: a table whose third line has too many values. */
const ROWS = Buffer.from(`id\n1\n1,22\n${'1\n'.repeat((MIB - 10) / 2)}`);

/** The head of a request, with a key where it has none. */
function withKey(lines: readonly string[]): string {
  const isThere = lines.some((line) => line.startsWith('Authorization'));
  const key = isThere ? [] : [`Authorization: ${server.keys.all.headers.authorization}`];
  return [...lines, ...key, '', ''].join('\r\n');
}

/** A client that does not read until it is told to. */
class SimpleClient {
  readonly socket: Socket;
  readonly errors: string[] = [];

  constructor(url: string) {
    const { hostname, port } = new URL(url);
    this.socket = connect({ port: Number(port), host: hostname, allowHalfOpen: true }).pause();
    this.socket.on('error', ({ message }) => this.errors.push(message));
    onTestFinished(() => void this.socket.destroy());
  }

  /** Sends bytes, and waits until the connection has taken them or is gone. */
  async send(bytes: string | Buffer): Promise<void> {
    await new Promise((resolve) => this.socket.write(bytes, resolve));
  }

  async sendBody(bytes: number, isChunked: boolean): Promise<void> {
    for (let sent = 0; sent < bytes; sent += MIB) {
      if (isChunked) await this.send(`${MIB.toString(16)}\r\n`);
      await this.send(ROWS);
      if (isChunked) await this.send('\r\n');
    }
    if (isChunked) await this.send('0\r\n\r\n');
  }

  /** What it hears until the server has nothing more to say. */
  async heard(): Promise<string> {
    let text = '';
    this.socket.setEncoding('latin1').on('data', (some: string) => (text += some));
    this.socket.resume();
    await new Promise((resolve) => this.socket.once('end', resolve).once('close', resolve));
    this.socket.destroy();
    return text;
  }
}

const LENGTHS = [
  ['announced', (bytes: number) => [`Content-Length: ${bytes}`]],
  ['of unknown length', () => ['Transfer-Encoding: chunked']],
  ['announced, and the last of its connection', (bytes: number) => [`Content-Length: ${bytes}`, 'Connection: close']],
  ['of unknown length, and the last of its connection', () => ['Transfer-Encoding: chunked', 'Connection: close']],
] as const;

const INVOKE = '/endpoints/any/invoke';
const RAW = 'Content-Type: application/x-thing';
const JSON_TYPE = 'Content-Type: application/json';

const REFUSALS: readonly (readonly [number, string, string, readonly string[], bytes?: number])[] = [
  [400, 'two hosts', `POST ${INVOKE}`, [RAW, 'Host: two']],
  [400, 'a row that cannot be read', 'POST /endpoints/rows/invoke', ['Content-Type: text/csv']],
  [401, 'a wrong key', `POST ${INVOKE}`, [RAW, 'Authorization: Bearer wrong']],
  [404, 'an unknown path', 'POST /nowhere', [RAW]],
  [404, 'an unknown endpoint', 'POST /endpoints/nobody/invoke', [RAW]],
  [405, 'a method that the path does not have', `PUT ${INVOKE}`, [RAW]],
  [405, 'a method that no path has', `PROPFIND ${INVOKE}`, [RAW]],
  [413, 'a long body', `POST ${INVOKE}`, [RAW], 20 * MIB],
  [413, 'a long envelope', `POST ${INVOKE}`, [JSON_TYPE]],
  [413, 'options that are long', 'POST /runs/01a1fec9-098b-7ac8-97ee-ee17549b2b8e/retry', [JSON_TYPE]],
  [415, 'an unknown charset', `POST ${INVOKE}`, [`${JSON_TYPE}; charset=koi8-r`]],
  [417, 'an expectation', `POST ${INVOKE}`, [RAW, 'Expect: something']],
  [422, 'an idempotency key twice', `POST ${INVOKE}`, [RAW, 'Idempotency-Key: "a"', 'Idempotency-Key: "b"']],
  [422, 'a batch of what is no table', `POST ${INVOKE}?batch=true`, [RAW]],
  [429, 'a full queue', 'POST /endpoints/closed/invoke', [RAW]],
  [431, 'too many headers', `POST ${INVOKE}`, [RAW, ...Array.from({ length: 101 }, (_, at) => `X-${at}: x`)]],
  [431, 'headers that are too long', `POST ${INVOKE}`, [RAW, `X-Long: ${'x'.repeat(20_000)}`]],
];

test.each(
  LENGTHS.flatMap(([length, headersOf]) =>
    REFUSALS.map(([status, why, line, headers, bytes = 10 * MIB]) => ({
      status,
      why,
      length,
      bytes,
      head: [`${line} HTTP/1.1`, 'Host: localhost', ...headers, ...headersOf(bytes)],
    })),
  ),
)('a client that reads only once a body is sent hears of $why: $status, $length', async ({ status, head, bytes }) => {
  const client = new SimpleClient(server.url);
  await client.send(withKey(head));
  await client.sendBody(bytes, head.includes('Transfer-Encoding: chunked'));
  client.socket.end();
  const heard = await client.heard();
  expect(client.errors).toEqual([]);
  expect(heard.slice(0, 12)).toBe(`HTTP/1.1 ${status}`);
  expect(heard.match(/HTTP\/1\.1/g)).toHaveLength(1);
});

test('a connection that is kept is good for the next request behind a body that was refused', async () => {
  const client = new SimpleClient(server.url);
  await client.send(withKey(['POST /nowhere HTTP/1.1', 'Host: localhost', `Content-Length: ${10 * MIB}`]));
  await client.sendBody(10 * MIB, false);
  await client.send('GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n');
  expect((await client.heard()).match(/HTTP\/1\.1 \d+/g)).toEqual(['HTTP/1.1 404', 'HTTP/1.1 200']);
});

test('what comes behind a body that was refused, and the last of its connection, is no request', async () => {
  const client = new SimpleClient(server.url);
  const head = [`POST ${INVOKE} HTTP/1.1`, 'Host: localhost', RAW, `Content-Length: ${20 * MIB}`];
  await client.send(withKey(head));
  await client.sendBody(20 * MIB, false);
  await client.send(withKey([`POST ${INVOKE} HTTP/1.1`, 'Host: localhost', RAW, 'Content-Length: 0']));
  expect((await client.heard()).match(/HTTP\/1\.1 \d+/g)).toEqual(['HTTP/1.1 413']);
  const runs = await server.get('/runs?endpoint=any', server.keys.all.headers);
  expect(runs.json.runs).toEqual([]);
});

describe.each([
  ['whose connection is kept', 'POST /nowhere'],
  ['whose connection is closed', `POST ${INVOKE}`],
  ['that is no request for Node', `POST ${INVOKE}`, `X-Long: ${'x'.repeat(20_000)}`],
] as const)('a body %s', (_, line, ...more) => {
  const head = [`${line} HTTP/1.1`, 'Host: localhost', JSON_TYPE, `Content-Length: ${2 ** 40}`, ...more];
  const chunk = Buffer.alloc(MIB, ' ');
  /** Sends its head and reads its answer; the body is still to come. */
  async function refused(): Promise<SimpleClient> {
    const client = new SimpleClient(server.url);
    await client.send(withKey(head));
    client.socket.resume();
    await once(client.socket, 'data');
    return client;
  }

  afterEach(() =>
    until('no connection is left but the one that asks', async () =>
      (await server.get('/metrics', server.keys.all.headers)).text.includes('claimcheck_http_connections 1\n'),
    ),
  );

  test('that goes on without an end is cut off after so many bytes', async () => {
    const { socket } = await refused();
    let sent = 0;
    while (!socket.destroyed) {
      await new Promise((resolve) => socket.write(chunk, resolve));
      sent += MIB;
    }
    expect(sent).toBeGreaterThan(BYTES_MAX);
  });

  test('that goes on slowly is cut off after some time', async () => {
    const { socket } = await refused();
    const dripping = setInterval(() => socket.write(' '), TIME / 20);
    await new Promise((resolve) => socket.once('close', resolve));
    clearInterval(dripping);
    expect(socket.bytesWritten).toBeLessThan(MIB);
  });

  test('that does not go on is cut off', async () => {
    await refused();
  });
});
