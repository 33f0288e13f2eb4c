import { once } from 'node:events';
import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { pathOfTarget } from '../../../src/http/request/request-target.ts';
import { Gates } from '../../support/gate.ts';
import { folderForTest } from '../../support/folder.ts';
import { sendBytes } from '../../support/http.ts';
import { startTestService, type TestService } from '../../support/service.ts';

let server: TestService;
beforeAll(async () => {
  server = await startTestService({ endpoints: { any: { model: './anything.ts' } } });
});
afterAll(() => server.stop());

const ask = (...lines: string[]): Promise<string> => sendBytes(server.url, `${lines.join('\r\n')}\r\n\r\n`);

test.each([
  ['/runs?limit=1', '/runs?limit=1', 'a'],
  ['http://b/runs?limit=1', '/runs?limit=1', 'b'],
  ['HTTPS://b:8080', '/', 'b:8080'],
  ['http://b?x=1', '/?x=1', 'b'],
  ['http://user@b/', 'http://user@b/', 'a'],
  ['*', '*', 'a'],
])('the target %s stands for the path %s of %s', (url, path, host) => {
  const headers = { host: 'a' };
  expect(pathOfTarget({ url, headers })).toBe(path);
  expect(headers.host).toBe(host);
});

test.each([
  ['a whole URL', ['GET http://localhost/health HTTP/1.1', 'Host: localhost', 'Connection: close'], 200],
  [
    'a whole URL that counts for more than the Host',
    ['GET http://localhost/health HTTP/1.1', 'Host: evil.example', 'Connection: close'],
    200,
  ],
  ['HTTP/1.0 without a Host', ['GET /health HTTP/1.0'], 200],
  ['the options of the whole server', ['OPTIONS * HTTP/1.1', 'Host: localhost', 'Connection: close'], 204],
  [
    'a whole URL of somebody else',
    ['GET http://evil.example/runs HTTP/1.1', 'Host: localhost', 'Connection: close'],
    421,
  ],
  ['the asterisk with another method', ['GET * HTTP/1.1', 'Host: localhost', 'Connection: close'], 400],
  ['two Hosts', ['GET /health HTTP/1.1', 'Host: localhost', 'Host: localhost', 'Connection: close'], 400],
  [
    'two Hosts, one of them somebody else',
    ['GET /runs HTTP/1.1', 'Host: localhost', 'hOsT: evil.example', 'Connection: close'],
    400,
  ],
  [
    'two keys',
    [
      'GET /runs HTTP/1.1',
      'Host: localhost',
      'Authorization: Bearer a',
      'authorization: Bearer b',
      'Connection: close',
    ],
    400,
  ],
  [
    'two types of one body',
    [
      'POST /endpoints/any/invoke HTTP/1.1',
      'Host: localhost',
      'Content-Type: text/csv',
      'Content-Type: application/json',
      'Content-Length: 0',
      'Connection: close',
    ],
    400,
  ],
  [
    'two origins',
    ['GET /health HTTP/1.1', 'Host: localhost', 'Origin: http://a', 'Origin: http://b', 'Connection: close'],
    400,
  ],
  [
    'headers that may be there twice',
    ['GET /health HTTP/1.1', 'Host: localhost', 'Accept: a/b', 'Accept: c/d', 'Connection: close'],
    200,
  ],
  ['HTTP/1.1 without a Host', ['GET /health HTTP/1.1', 'Connection: close'], 400],
  ['a page that speaks HTTP/1.0', ['DELETE /runs/x HTTP/1.0', 'Origin: http://evil.example'], 403],
  ['QUERY', ['QUERY /runs HTTP/1.1', 'Host: localhost', 'Content-Length: 0', 'Connection: close'], 405],
  [
    'QUERY with a body',
    [
      'QUERY /runs HTTP/1.1',
      'Host: localhost',
      'Content-Type: application/json',
      'Content-Length: 2',
      'Connection: close',
      '',
      '{}',
    ],
    405,
  ],
  ['a method that nobody knows', ['FOO /runs HTTP/1.1', 'Host: localhost', 'Connection: close'], 405],
])('%s', async (_, lines, status) => {
  const answer = await ask(...lines);
  expect(answer).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `));
  if (status === 405 || status === 204) expect(answer.toLowerCase()).toMatch(/\r\nallow: get, head/);
});

describe('a client that has said all that it says', () => {
  /** Everything that is answered to a request whose sender closes its side at once. */
  async function halfClosed(request: string): Promise<string> {
    const { hostname, port } = new URL(server.url);
    const socket = connect({ port: Number(port), host: hostname, allowHalfOpen: true });
    let heard = '';
    socket.setEncoding('utf8').on('data', (text: string) => (heard += text));
    socket.end(request);
    await once(socket, 'end');
    return heard;
  }

  test('gets the answer to a run that is made meanwhile', async () => {
    const gates = new Gates(await folderForTest());
    const body = JSON.stringify({ input: { path: gates.path('half') } });
    const answer = halfClosed(
      `POST /endpoints/any/invoke HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
    );
    gates.open('half');
    expect(await answer).toMatch(/^HTTP\/1\.1 200 [^]*"status":"succeeded"/);
  });

  test('gets what there is of a stream, and holds no place for more', async () => {
    const gates = new Gates(await folderForTest());
    const id = await server.submit('any', { path: gates.path('open') });
    const answer = await halfClosed(`GET /runs/${id}/events HTTP/1.1\r\nHost: localhost\r\n\r\n`);
    expect(answer).toContain('event: status');
    expect(answer).not.toContain('event: end');
    gates.open('open');
    await server.ended(id);
    expect(await halfClosed(`GET /runs/${id}/events HTTP/1.1\r\nHost: localhost\r\n\r\n`)).toContain('event: end');
  });
});
