import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { sendBytes } from '../../support/http.ts';
import { startTestService, type TestService } from '../../support/service.ts';

let server: TestService;
beforeAll(async () => {
  server = await startTestService({ endpoints: { any: { model: './anything.ts' } } });
});
afterAll(() => server.stop());

const ask = (...lines: string[]): Promise<string> =>
  sendBytes(server.url, `${[...lines, 'Connection: close'].join('\r\n')}\r\n\r\n`);

describe('a change', () => {
  const FOREIGN: [string, Record<string, string>][] = [
    ['another site, whatever its origin', { 'sec-fetch-site': 'cross-site' }],
    ['a neighbouring site', { 'sec-fetch-site': 'same-site' }],
    ['another origin, in a browser that does not say the site', { origin: 'https://evil.example' }],
    ['an origin that begins as this one does', { origin: 'http://127.0.0.1.evil.example' }],
    ['a file, whose origin is null', { origin: 'null' }],
  ];

  test.each(FOREIGN)('from a page of %s is refused, and makes no run', async (_whose, headers) => {
    const before = (await server.get('/runs')).json;
    const answer = await server.post('/endpoints/any/invoke', { input: 1, async: true }, headers);
    expect([answer.status, answer.json.type]).toEqual([403, 'https://claimcheck.dev/problems/forbidden']);
    expect((await server.get('/runs')).json).toEqual(before);
  });

  test('from a page of this server is taken', async () => {
    const headers = { origin: server.url, 'sec-fetch-site': 'same-origin' };
    expect((await server.post('/endpoints/any/invoke', { input: 1, async: true }, headers)).status).toBe(202);
  });
});

test.each(['evil.example', '127.0.0.1.evil.example', 'evil.example:80', 'localhost.'])(
  'a request for the host %s is refused, as a name that another may point here',
  async (host) => {
    const answer = await server.get('/runs', { host });
    expect([answer.status, answer.json.type]).toEqual([421, 'https://claimcheck.dev/problems/misdirected-request']);
  },
);

test('a request with two Host headers is refused, though the first one is right', async () => {
  const heard = await ask('GET /runs HTTP/1.1', 'Host: localhost', 'Host: evil.example');
  expect(heard).toMatch(/^HTTP\/1\.1 400 /);
  expect(heard).toContain('more than one Host header');
});

test('a body in a coding that is not read is refused, and not stored as it came', async () => {
  const ids = async (): Promise<string[]> =>
    (await server.get('/runs')).json.runs.map(({ run_id: id }: { run_id: string }) => id);
  const before = await ids();
  const heard = await ask(
    'POST /endpoints/any/invoke?async=true HTTP/1.1',
    'Host: localhost',
    'Content-Type: application/octet-stream',
    'Transfer-Encoding: gzip, chunked',
  );
  expect(heard).toMatch(/^HTTP\/1\.1 400 /);
  expect(heard).toContain('Transfer-Encoding');
  expect(await ids()).toEqual(before);
});
