import { describe, expect, test } from 'vitest';
import { serviceForTest, type TestService } from '../../support/service.ts';

const APP = 'https://app.example';
const PREFLIGHT = {
  'access-control-request-method': 'POST',
  'access-control-request-headers': 'authorization, content-type, idempotency-key',
};
const endpoints = { echo: { model: './echo.ts', mode: 'async' } } as const;
const submit = (server: TestService, origin: string) =>
  server.post('/endpoints/echo/invoke', { input: [{ a: 1 }] }, { origin, 'sec-fetch-site': 'cross-site' });

describe('a page of a site that the configuration names', () => {
  test('may use the server, and read what it answers', async () => {
    const server = await serviceForTest({ endpoints, corsOrigins: [APP] });
    const { status, headers } = await server.send('OPTIONS', '/endpoints/echo/invoke', {
      headers: { origin: APP, ...PREFLIGHT },
    });
    expect([status, headers['access-control-allow-origin']]).toEqual([204, APP]);
    expect(headers['access-control-allow-headers']).toContain('Idempotency-Key');
    expect(headers['access-control-allow-credentials']).toBeUndefined();
    const answer = await submit(server, APP);
    expect(answer).toMatchObject({ status: 202, headers: { 'access-control-allow-origin': APP } });
    expect(answer.headers['access-control-expose-headers']).toContain('Location');
  });

  test('does not open the server to any other', async () => {
    const server = await serviceForTest({ endpoints, corsOrigins: [APP] });
    for (const origin of ['https://evil.example', 'http://app.example', `${APP}.evil.example`, `${APP}:444`, 'null']) {
      const preflight = await server.send('OPTIONS', '/endpoints/echo/invoke', { headers: { origin, ...PREFLIGHT } });
      expect([origin, preflight.headers['access-control-allow-origin']]).toEqual([origin, undefined]);
      expect(await submit(server, origin)).toMatchObject({ status: 403 });
      const read = await server.get('/runs', { origin });
      expect(read.headers['access-control-allow-origin']).toBeUndefined();
    }
  });
});

test('where no site is named, no page of another is told anything', async () => {
  const server = await serviceForTest({ endpoints });
  const preflight = await server.send('OPTIONS', '/endpoints/echo/invoke', { headers: { origin: APP, ...PREFLIGHT } });
  expect(preflight.status).toBeGreaterThanOrEqual(400);
  expect(preflight.headers['access-control-allow-origin']).toBeUndefined();
  expect(await submit(server, APP)).toMatchObject({ status: 403 });
});
