import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { RunPage } from '../../src/wire/runs.ts';
import { exchange, sendBytes } from '../support/http.ts';
import { noNginx, type Proxy, startNginx } from '../support/nginx.ts';
import { orWhy } from '../support/optional.ts';
import { startTestService, type TestService } from '../support/service.ts';
import { BAD_BYTES, BAD_REQUESTS, BODY_BYTES_MAX, CANARY } from '../corpus/requests.ts';

describe.skipIf(noNginx !== null)(`behind nginx${orWhy(noNginx)}`, () => {
  let server: TestService;
  let proxy: Proxy;
  beforeAll(async () => {
    server = await startTestService({
      limits: { bodyBytes: BODY_BYTES_MAX },
      endpoints: {
        rows: { model: './echo.ts', mode: 'async', features: ['ID'] },
        jobs: { model: './anything.ts', mode: 'async' },
      },
    });
    proxy = await startNginx(server.url);
  });
  afterAll(async () => {
    await proxy.stop();
    await server.stop();
  });

  const stored = async (): Promise<number> => ((await server.get('/runs?limit=500')).json as RunPage).runs.length;

  test('a good request is answered as it would be without it', async () => {
    const answer = await exchange(proxy.url, 'POST', '/endpoints/jobs/invoke', {
      headers: { 'content-type': 'application/json', prefer: 'respond-async' },
      body: '{"input":{"do":"pid"}}',
    });
    expect(answer).toMatchObject({ status: 202, headers: { 'preference-applied': 'respond-async' } });
    expect((await server.ended(answer.json.run_id as string)).status).toBe('succeeded');
  });

  test.each(
    Object.entries(BAD_REQUESTS).flatMap(([kind, requests]) => requests.map((one) => [kind, one.name, one] as const)),
  )('%s is refused, and stores nothing: %s', async (_kind, _name, { method, path, status, slug, ...request }) => {
    const before = await stored();
    const answer = await exchange(proxy.url, method, path, request);
    expect(await stored()).toBe(before);
    expect(answer.text).not.toContain(CANARY);
    if (isOurs(answer.text)) expect([answer.status, answer.json.type.split('/').at(-1)]).toEqual([status, slug]);
    else expect(answer.status).toBeGreaterThanOrEqual(400);
    expect(answer.status).toBeLessThan(500);
  });

  test.each(BAD_BYTES.map((bad) => [bad.name, bad] as const))(
    'bytes that are no request get at most one answer, and store nothing unless nginx mends them: %s',
    async (_, { bytes, isMendable }) => {
      const before = await stored();
      const heard = await sendBytes(proxy.url, bytes);
      if (isMendable !== true) expect(await stored()).toBe(before);
      expect([...heard.matchAll(/^HTTP\/1\.1 (?!100)/gm)].length).toBeLessThanOrEqual(1);
    },
  );

  test('what is left of a broken request is never taken for the next one', async () => {
    const smuggled =
      'POST /endpoints/jobs/invoke HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/plain\r\nContent-Length: 1\r\n\r\nx';
    const before = await stored();
    await sendBytes(
      proxy.url,
      `POST /endpoints/jobs/invoke HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${smuggled}`,
    );
    expect(await stored()).toBe(before);
  });
});

/** Whether an answer is the server's and not the proxy's. */
const isOurs = (text: string): boolean => text.includes('https://claimcheck.dev/problems/');
