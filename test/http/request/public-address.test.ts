import { createServer } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import type { FastifyRequest } from 'fastify';
import { describe, expect, onTestFinished, test } from 'vitest';
import { connect } from '../../../src/client/connect.ts';
import { baseFinder, DIRECT, trustOf } from '../../../src/http/request/public-address.ts';
import { exchange } from '../../support/http.ts';
import { operatorHeaders, serviceForTest, type TestServiceOptions } from '../../support/service.ts';

const endpoints: TestServiceOptions['endpoints'] = {
  jobs: { model: './anything.ts', mode: 'async', default: true },
  rows: { model: './echo.ts', mode: 'sync', target: 'y', prediction: 'y', idColumn: 'id' },
  piped: { model: './anything.ts', mode: 'sync', face: 'zenml' },
};

/** For tests that invoke nothing: no model is looked into. */
const idle: TestServiceOptions['endpoints'] = { jobs: { model: ['true'], mode: 'async' } };

describe('a server behind a name', () => {
  test('refuses names that nobody has told it of, and says which key of the configuration is for that', async () => {
    const server = await serviceForTest({ endpoints: idle });
    const answer = await server.get('/runs', { host: 'models.example.com' });
    expect(answer).toMatchObject({ status: 421 });
    expect(answer.json.detail).toMatch(/"models\.example\.com".*`hosts`.*`publicUrl`/);
    expect((await server.get('/metrics', { host: 'models.example.com' })).status).toBe(421);
  });

  test.each(['/health', '/ready', '/health?x=1'])('answers probes under any name: %s', async (path) => {
    const server = await serviceForTest({ endpoints: idle });
    const { status } = await exchange(server.url, 'GET', path, { headers: { host: '10.1.2.3:8080' } });
    expect(status).not.toBe(421);
    expect((await exchange(server.url, 'POST', path, { headers: { host: '10.1.2.3:8080' } })).status).toBe(421);
  });

  test.each<[string, Partial<TestServiceOptions>, string, number]>([
    ['one of hosts', { hosts: ['Models.Example.com'] }, 'models.example.com', 200],
    ['one of hosts with a port', { hosts: ['models.example.com'] }, 'models.example.com:8443', 200],
    ['any', { hosts: ['*'] }, 'whatever.example', 200],
    ['the host of its public URL', { publicUrl: 'https://models.example.com/x' }, 'models.example.com', 200],
    ['this machine', { hosts: ['models.example.com'] }, 'localhost:1', 200],
    ['another', { hosts: ['models.example.com'] }, 'evil.example', 421],
    ['a longer one', { hosts: ['models.example.com'] }, 'models.example.com.evil.example', 421],
    ['another on all addresses', { host: '0.0.0.0', insecure: true, hosts: ['a.example'] }, 'evil.example', 421],
    ['any on all addresses where none is named', { host: '0.0.0.0', insecure: true }, 'any.example', 200],
  ])('takes or refuses %s', async (_what, options, host, status) => {
    const server = await serviceForTest({ endpoints: idle, ...options });
    const url = server.url.replace('0.0.0.0', '127.0.0.1');
    expect((await exchange(url, 'GET', '/runs', { headers: { host } })).status).toBe(status);
  });

  test('takes changes from pages of its public URL, and from no other', async () => {
    const server = await serviceForTest({ endpoints, publicUrl: 'https://models.example.com/x' });
    const cancelFrom = (origin: string) =>
      server.send('DELETE', '/endpoints/jobs/queue', { headers: { origin, ...operatorHeaders(server.data) } });
    expect((await cancelFrom('https://models.example.com')).status).toBe(200);
    expect((await cancelFrom('https://evil.example')).status).toBe(403);
  });
});

/** Every text in a body that is a path of the server's. */
const pathsIn = (text: string): string[] => [...text.matchAll(/"(\/[^"\s]*)"/g)].map(([, path]) => path!);

describe.each<[string, Partial<TestServiceOptions>, Record<string, string>]>([
  ['publicUrl', { publicUrl: 'https://example.com/models/' }, {}],
  ['X-Forwarded-Prefix', { trustProxy: ['127.0.0.0/8'] }, { 'x-forwarded-prefix': '/models/' }],
])('a server in part of a site, by %s', (_how, options, headers) => {
  test('has its base path in Location and in every link of every answer', async () => {
    const server = await serviceForTest({ endpoints, ...options });
    const json = { 'content-type': 'application/json', ...headers };
    const accepted = await server.post(
      '/endpoints/jobs/invoke',
      { input: { do: 'pid' }, callback_url: 'http://127.0.0.1:9999/x' },
      headers,
    );
    const id = accepted.json.run_id as string;
    expect(accepted.headers.location).toBe(`/models/runs/${id}`);
    await server.ended(id);
    const table = await server.send('POST', '/endpoints/rows/invoke?batch=true', {
      headers: { 'content-type': 'text/csv', ...headers },
      body: 'id,y\n1,2\n',
    });
    const batch = table.headers['run-id'] as string;
    const captured = await server.post('/endpoints/rows/captures', { run_id: batch, name: 'first' }, headers);
    const bytes = await server.send('POST', '/endpoints/piped/invoke', {
      headers: json,
      body: '{"parameters":{"do":"bytes"}}',
    });
    const answers = [accepted, captured, bytes];
    for (const path of [
      `/runs/${id}`,
      `/runs/${batch}`,
      '/runs',
      `/runs/${id}/events`,
      `/runs/${id}/deliveries`,
      '/endpoints/rows/captures',
      '/endpoints/rows/captures/first',
      '/endpoints/piped/info',
      '/endpoints',
    ])
      answers.push(await server.get(path, headers));
    answers.push(await server.send('DELETE', `/runs/${id}`, { headers }));
    const found = answers.flatMap(({ text }) => pathsIn(text));
    expect(found.length).toBeGreaterThan(40);
    expect(found.filter((path) => !path.startsWith('/models/'))).toEqual([]);
    expect(captured.headers.location).toMatch(/^\/models\/endpoints\/rows\/captures\/first/);
    expect((await server.get('/openapi.json', headers)).json.servers).toMatchObject([{ url: '/models' }]);
    const page = await exchange(server.url, 'GET', '/docs', { headers });
    expect([page.status, page.headers.location]).toEqual([302, '/models/docs/']);
    const docs = await exchange(server.url, 'GET', '/docs/', { headers });
    expect(docs.text).not.toMatch(/(?:src|href)="\//);
    const problem = await server.post('/endpoints/jobs/invoke', { input: { do: 'throw' }, async: false }, headers);
    expect(problem.headers.location).toMatch(/^\/models\/runs\//);
  });
});

test.each<[boolean | readonly string[], string, boolean]>([
  [false, '127.0.0.1', false],
  [true, '192.0.2.1', true],
  [['10.0.0.0/8', '192.0.2.1', '2001:db8::/32'], '10.1.2.3', true],
  [['10.0.0.0/8', '192.0.2.1', '2001:db8::/32'], '192.0.2.1', true],
  [['10.0.0.0/8', '192.0.2.1', '2001:db8::/32'], '192.0.2.2', false],
  [['10.0.0.0/8', '192.0.2.1', '2001:db8::/32'], '2001:db8::7', true],
  // An IPv4 peer, on a socket for both.
  [['10.0.0.0/8'], '::ffff:10.1.2.3', true],
  [['10.0.0.0/8'], '::ffff:11.1.2.3', false],
])('where the configuration trusts %j, it is %s that is believed: %s', (trustProxy, peer, isBelieved) => {
  const address = { ...DIRECT, trustProxy };
  expect(trustOf(address)(peer)).toBe(isBelieved);
  const request = { headers: { 'x-forwarded-prefix': '/models' }, socket: { remoteAddress: peer } };
  expect(baseFinder(address)(request as unknown as FastifyRequest)).toBe(isBelieved ? '/models' : '');
});

test('a header of nobody who is believed, or that is no path, changes nothing', async () => {
  const server = await serviceForTest({ endpoints });
  const trusting = await serviceForTest({ endpoints, trustProxy: true });
  const linkOf = async ({ get }: typeof server, prefix: string) =>
    (await get('/openapi.json', { 'x-forwarded-prefix': prefix })).json.servers[0].url as string;
  expect(await linkOf(server, '/models')).toBe('/');
  expect(await linkOf(trusting, '/models')).toBe('/models');
  for (const prefix of [
    '//evil.example',
    'https://evil.example',
    '/a b',
    '/a"b',
    '/a?b',
    `/${'x'.repeat(300)}`,
    '',
    '/',
  ])
    expect([prefix, await linkOf(trusting, prefix)]).toEqual([prefix, '/']);
});

test('a path that a proxy leaves before those of the server is taken away, and our client works through it', async () => {
  const server = await serviceForTest({ endpoints, publicUrl: 'https://example.com/models' });
  expect((await exchange(server.url, 'GET', '/models/runs')).status).toBe(200);
  expect((await exchange(server.url, 'GET', '/models')).status).toBe(404);
  expect((await exchange(server.url, 'GET', '/modelsruns')).status).toBe(404);
  expect((await exchange(server.url, 'GET', '/runs')).status).toBe(200);
  // One that takes it away itself.
  const proxy = createServer(async (request, response) => {
    const parts = await Array.fromAsync(request as AsyncIterable<Buffer>);
    const { status, headers, bytes } = await exchange(
      server.url,
      request.method!,
      request.url!.replace(/^\/models/, ''),
      {
        headers: request.headers as Record<string, string>,
        ...(parts.length > 0 && { body: Buffer.concat(parts) }),
      },
    );
    response.writeHead(status, headers).end(bytes);
  }).listen(0, '127.0.0.1');
  await once(proxy, 'listening');
  onTestFinished(() => void proxy.close());
  for (const url of [
    `http://127.0.0.1:${(proxy.address() as AddressInfo).port}/models`,
    server.url,
    `${server.url}/models`,
  ]) {
    const rows = connect({ url }).endpoint('rows');
    const run = await rows.submit([{ id: 1, y: 2 }]);
    await run.result();
    const capture = await rows.captureRun(run.id, { name: 'through' });
    expect(await capture.predictions()).toMatchObject([{ y: 2 }]);
    expect(await capture.ids()).toEqual([1]);
  }
});
