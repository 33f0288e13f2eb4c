import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { describe, expect, onTestFinished, test } from 'vitest';
import { networkOf, problemOfBrokenBytes } from '../../src/http/connections.ts';
import { HEADER_BYTES_MAX, HEADERS_MAX } from '../../src/http/limits.ts';
import { serviceForTest } from '../support/service.ts';
import { until } from '../support/until.ts';

const endpoints = { jobs: { model: './anything.ts' } } as const;

async function open(url: string): Promise<Socket> {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  socket.on('error', () => {});
  socket.resume();
  onTestFinished(() => void socket.destroy());
  await once(socket, 'connect');
  return socket;
}

describe.each([
  ['in all', { connections: 3 }, 'connections'],
  ['from one address', { connectionsPerAddress: 3 }, 'connections-per-address'],
] as const)('connections %s', (_, limits, name) => {
  test('are as many as the limit says; one more is closed, and has its place once another is gone', async () => {
    const server = await serviceForTest({ endpoints, limits });
    const held = await Promise.all([open(server.url), open(server.url), open(server.url)]);
    const refused = await open(server.url);
    await until('the fourth is closed', () => refused.closed);
    held[0].destroy();
    const metrics = await until('there is room again', async () => server.get('/metrics').catch(() => null));
    expect(metrics.text).toMatch(new RegExp(`claimcheck_http_connections_refused_total\\{limit="${name}"\\} [1-9]`));
    expect(metrics.text).toContain('claimcheck_http_connections 3\n');
  });
});

test.each([
  ['127.0.0.1', '127.0.0.1'],
  ['::ffff:127.0.0.1', '127.0.0.1'],
  ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2/64'],
  ['2001:db8:1:2::1', '2001:db8:1:2/64'],
  [undefined, ''],
])('the address %s counts as %s', (address, network) => {
  expect(networkOf(address)).toBe(network.replace('2001:db8:1:2', [0x2001, 0xdb8, 1, 2].join(':')));
});

test('headers that are more than there may be are refused, and none is left out without a word', async () => {
  const server = await serviceForTest({ endpoints });
  const some = Object.fromEntries(Array.from({ length: HEADERS_MAX - 10 }, (_, place) => [`x-${place}`, '1']));
  expect((await server.get('/health', some)).status).toBe(200);
  const many = Object.fromEntries(Array.from({ length: HEADERS_MAX + 1 }, (_, place) => [`x-${place}`, '1']));
  const answer = await server.get('/health', many);
  expect(answer.status).toBe(431);
  expect(answer.json).toMatchObject({ type: 'https://claimcheck.dev/problems/header-too-large', retryable: false });
});

describe('bytes that Node cannot read', () => {
  const slugOf = (code: string, rawPacket?: unknown) => problemOfBrokenBytes({ code, rawPacket })?.slug ?? null;
  const long = 'x'.repeat(HEADER_BYTES_MAX);

  test.each([
    ['a connection that was reset', 'ECONNRESET', undefined, null],
    ['a request that came too slowly', 'ERR_HTTP_REQUEST_TIMEOUT', undefined, 'request-timeout'],
    ['a line that is too long', 'HPE_HEADER_OVERFLOW', `GET /${long}`, 'uri-too-long'],
    ['a long line with a short header', 'HPE_HEADER_OVERFLOW', `GET /${long} HTTP/1.1\r\nHost: a`, 'uri-too-long'],
    ['headers that are too long', 'HPE_HEADER_OVERFLOW', `GET / HTTP/1.1\r\nX-A: ${long}`, 'header-too-large'],
    ['the last part of long headers', 'HPE_HEADER_OVERFLOW', long, 'header-too-large'],
    ['long extensions of chunks', 'HPE_CHUNK_EXTENSIONS_OVERFLOW', undefined, 'payload-too-large'],
    ['anything else', 'HPE_INVALID_METHOD', 'garbage', 'malformed-body'],
  ])('%s', (_, code, packet, slug) => {
    expect(slugOf(code, packet === undefined ? undefined : Buffer.from(packet))).toBe(slug);
  });
});

test('HEAD is answered as GET is, without a body', async () => {
  const server = await serviceForTest({ endpoints });
  const head = await server.send('HEAD', '/health');
  expect(head.status).toBe(200);
  expect(head.text).toBe('');
  expect(head.headers['content-length']).toBe(String((await server.get('/health')).bytes.length));
});

test.each(['TRACE', 'FOO', 'PATCH'])(
  'the method %s is refused, and says nothing back of what was sent',
  async (method) => {
    const server = await serviceForTest({ endpoints });
    const answer = await server.send(method, '/health', { headers: { 'x-secret': 'hunter2' } }).catch(() => null);
    expect(answer?.status ?? 400).toBeGreaterThanOrEqual(400);
    expect(answer?.text ?? '').not.toContain('hunter2');
  },
);
