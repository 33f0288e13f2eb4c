import { execFile } from 'node:child_process';
import { createServer } from 'node:net';
import { promisify } from 'node:util';
import { gzipSync } from 'node:zlib';
import { describe, expect, onTestFinished, test } from 'vitest';
import { milliseconds, seconds } from '../../src/domain/time.ts';
import { Egress, type EgressAnswer, type EgressRequest } from '../../src/egress/egress.ts';
import type { Resolve } from '../../src/egress/names.ts';
import { answering, badHookForTest, dying, endless, hanging, trickling } from '../support/bad-hook.ts';
import { until } from '../support/until.ts';
import { namesForTest } from './name-server.ts';

const NOBODY = new AbortController().signal;

function sendWith(
  { allow = ['127.0.0.1'], resolve, ownPort = null }: { allow?: string[]; resolve?: Resolve; ownPort?: number | null },
  request: Partial<EgressRequest> & { readonly url: string },
): Promise<EgressAnswer> {
  const egress = new Egress({
    settings: { httpsOnly: false, allow },
    ownPort: () => ownPort,
    ...(resolve === undefined ? {} : { resolve }),
  });
  return egress.send({
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    bytesMax: 4_096,
    timeout: seconds(30),
    signal: NOBODY,
    ...request,
  });
}

describe('a request', () => {
  test('has the headers and the body that it was given, and none of this server’s besides its name', async () => {
    const hook = await badHookForTest(answering(202, { 'x-said': 'yes' }, 'thanks'));
    const answer = await sendWith({}, { url: `${hook.url}/hook?a=1`, body: '{"é":1}' });
    expect(answer).toMatchObject({ status: 202, headers: { 'x-said': 'yes' }, extent: 'whole' });
    expect(Buffer.from(answer.body).toString()).toBe('thanks');
    expect(hook.requests).toEqual([
      {
        method: 'POST',
        path: '/hook?a=1',
        body: '{"é":1}',
        headers: {
          host: `127.0.0.1:${hook.port}`,
          connection: 'close',
          'content-type': 'application/json',
          'content-length': '8',
          'user-agent': expect.stringMatching(/^claimcheck\/\d+\.\d+\.\d+$/),
        },
      },
    ]);
  });

  test('leaves no connection behind', async () => {
    const hook = await badHookForTest(answering(200));
    await sendWith({}, { url: hook.url });
    await until('the connection is closed', () => hook.open() === 0);
  });

  test.each([301, 302, 303, 307, 308])('is not led on by a %i', async (status) => {
    const elsewhere = await badHookForTest(answering(200));
    const hook = await badHookForTest(answering(status, { location: `${elsewhere.url}/` }));
    expect(await sendWith({}, { url: hook.url })).toMatchObject({ status });
    expect(hook.requests).toHaveLength(1);
    expect(elsewhere.requests).toEqual([]);
  });

  test('asks no proxy that the environment names', async () => {
    const proxy = await badHookForTest(answering(200));
    const hook = await badHookForTest(answering(204));
    const program = `
      const { Egress } = await import('./src/egress/egress.ts');
      const egress = new Egress({ settings: { httpsOnly: false, allow: ['127.0.0.1'] }, ownPort: () => null });
      const signal = new AbortController().signal;
      const answer = await egress.send({ method: 'GET', url: '${hook.url}', headers: {}, bytesMax: 10, timeout: 30_000, signal });
      console.log(answer.status);`;
    const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', program], {
      env: {
        ...process.env,
        NODE_USE_ENV_PROXY: '1',
        HTTP_PROXY: proxy.url,
        http_proxy: proxy.url,
        ALL_PROXY: proxy.url,
      },
    });
    expect(stdout.trim()).toBe('204');
    expect(proxy.requests).toEqual([]);
  });
});

describe('an answer', () => {
  test('without an end is read as far as was asked for, and its connection closed', async () => {
    const hook = await badHookForTest(endless(500));
    const answer = await sendWith({}, { url: hook.url });
    expect(answer).toMatchObject({ status: 500, extent: 'too-long' });
    expect(answer.body).toHaveLength(4_096);
    await until('the connection is closed', () => hook.open() === 0);
  });

  test('that stops in the middle is cut', async () => {
    const hook = await badHookForTest((response) => {
      response.writeHead(200, { 'content-length': '100' }).write('half');
      response.socket!.end();
    });
    const answer = await sendWith({}, { url: hook.url });
    expect(answer).toMatchObject({ status: 200, extent: 'cut' });
    expect(Buffer.from(answer.body).toString()).toBe('half');
  });

  test('that is compressed stays so: nothing unfolds to more than was asked for', async () => {
    const bomb = gzipSync(Buffer.alloc(1_024 * 1_024));
    const hook = await badHookForTest((response) => response.writeHead(200, { 'content-encoding': 'gzip' }).end(bomb));
    const { body } = await sendWith({}, { url: hook.url });
    expect(Buffer.from(body).equals(bomb)).toBe(true);
  });
});

describe('there is no answer', () => {
  test.each([
    ['that never comes', hanging],
    ['that comes a byte at a time', trickling],
  ])('from a receiver %s', async (_what, behave) => {
    const hook = await badHookForTest(behave);
    await expect(sendWith({}, { url: hook.url, timeout: milliseconds(300) })).rejects.toThrow(
      'did not answer within 0.3 s',
    );
    await until('the connection is closed', () => hook.open() === 0);
  });

  test('from a receiver that dies with the request in its hands', async () => {
    const hook = await badHookForTest(dying);
    await expect(sendWith({}, { url: hook.url })).rejects.toThrow('hung up before it had answered');
  });

  test('where nobody listens', async () => {
    const closed = createServer().listen(0, '127.0.0.1');
    await until('it listens', () => closed.listening);
    const { port } = closed.address() as { port: number };
    await new Promise((resolve) => closed.close(resolve));
    await expect(sendWith({}, { url: `http://127.0.0.1:${port}/` })).rejects.toThrow('refused the connection');
  });

  test('where something else than HTTP is spoken', async () => {
    const server = createServer((socket) => {
      socket.on('error', () => {});
      socket.end('220 mail.example ESMTP\r\n');
    }).listen(0, '127.0.0.1');
    onTestFinished(() => void server.close());
    await until('it listens', () => server.listening);
    const { port } = server.address() as { port: number };
    await expect(sendWith({}, { url: `http://127.0.0.1:${port}/` })).rejects.toThrow('no HTTP');
  });

  test('once it is cut short', async () => {
    const hook = await badHookForTest(hanging);
    const stop = new AbortController();
    const sent = sendWith({}, { url: hook.url, signal: stop.signal });
    await until('the request has come', () => hook.requests.length === 1);
    stop.abort();
    await expect(sent).rejects.toThrow('was not waited for any longer');
    await until('the connection is closed', () => hook.open() === 0);
  });
});

describe('a name', () => {
  test('that leads to an address which is allowed is connected to', async () => {
    const hook = await badHookForTest(answering(200));
    const resolve = await namesForTest(() => ['127.0.0.1']);
    expect(await sendWith({ resolve }, { url: `http://hooks.example:${hook.port}/` })).toMatchObject({ status: 200 });
    expect(hook.requests[0]!.headers.host).toBe(`hooks.example:${hook.port}`);
  });

  test.each([
    ['a private address', ['10.0.0.1']],
    ['the loopback', ['127.0.0.1']],
    ['the metadata service', ['169.254.169.254']],
    ['nothing', ['0.0.0.0']],
    ['the Internet and the loopback', ['8.8.8.8', '127.0.0.1']],
    ['the loopback, behind many others', [...Array.from({ length: 25 }, (_, n) => `8.8.4.${n}`), '127.0.0.1']],
  ])('that leads to %s is not', async (_what, addresses) => {
    const hook = await badHookForTest(answering(200));
    const resolve = await namesForTest(() => addresses);
    const sent = sendWith({ resolve, allow: [] }, { url: `http://hooks.example:${hook.port}/` });
    await expect(sent).rejects.toThrow('leads to an address that is not public');
    expect(hook.requests).toEqual([]);
  });

  test('that does not exist has no address', async () => {
    const resolve = await namesForTest(() => []);
    await expect(sendWith({ resolve }, { url: 'http://hooks.example/' })).rejects.toThrow('no address was found');
  });

  test('whose meaning changes between two looks is looked up once for each request, and checked each time', async () => {
    const asked: number[] = [];
    const inner = await badHookForTest(answering(200));
    // In the place of a public address, one that is allowed; the other one stands for what it must
    // not lead to.
    const outer = await badHookForTest(answering(200), '127.0.0.2');
    const resolve = await namesForTest((_name, count) => {
      asked.push(count);
      return count === 0 ? ['127.0.0.2'] : ['127.0.0.1'];
    });
    const rebinding = { resolve, allow: ['127.0.0.2'] };
    expect(await sendWith(rebinding, { url: `http://rebinding.example:${outer.port}/` })).toMatchObject({
      status: 200,
    });
    expect(asked.filter((count) => count > 0)).toEqual([1]);
    await expect(sendWith(rebinding, { url: `http://rebinding.example:${inner.port}/` })).rejects.toThrow('not public');
    expect(outer.requests).toHaveLength(1);
    expect(inner.requests).toEqual([]);
  });

  test('that an operator has named may lead anywhere but back', async () => {
    const hook = await badHookForTest(answering(200), 'localhost');
    const url = `http://localhost:${hook.port}/`;
    expect(await sendWith({ allow: ['localhost'] }, { url })).toMatchObject({ status: 200 });
    await expect(sendWith({ allow: ['localhost'], ownPort: hook.port }, { url })).rejects.toThrow(
      'back to this server',
    );
  });

  test('that nobody answers for is waited for no longer than the request may take', async () => {
    const resolve: Resolve = () => new Promise(() => {});
    const sent = sendWith({ resolve }, { url: 'http://hooks.example/', timeout: milliseconds(100) });
    await expect(sent).rejects.toThrow('did not answer within 0.1 s');
  });
});
