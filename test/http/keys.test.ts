import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { newKey, readKey } from '../../src/http/access/key-format.ts';
import { systemClock } from '../../src/system/clock.ts';
import { readDeploySettings } from '../../src/config/deploy-rules.ts';
import { after, milliseconds, seconds } from '../../src/domain/time.ts';
import { startService } from '../../src/service.ts';
import { databaseOf, onPostgres } from '../support/database.ts';
import { folderForTest } from '../support/folder.ts';
import { send, sendBytes, type TestAnswer } from '../support/http.ts';
import { makeKey, revokeKey, serviceWithKeys } from '../support/keys.ts';
import { FIXTURES, serviceForTest, testConfig, type TestServiceOptions } from '../support/service.ts';
import { until } from '../support/until.ts';

const endpoints: TestServiceOptions['endpoints'] = { jobs: { model: './anything.ts', mode: 'async', default: true } };

/** An answer but for what differs between any two. */
const sameButForItsId = ({ status, headers, json }: TestAnswer) => ({
  status,
  challenge: headers['www-authenticate'],
  body: { ...json, instance: null },
});

describe('a request is refused with 401', () => {
  test('for everything that is wrong with its key, in the same words', async () => {
    const server = await serviceWithKeys(
      { endpoints },
      {
        good: {},
        revoked: { revokedAt: systemClock.now() },
        expired: { expiresAt: after(systemClock.now(), milliseconds(-1)) },
      },
    );
    const { good, revoked, expired } = server.keys;
    const stranger = newKey().key;
    const wrong = {
      revoked: revoked.key,
      expired: expired.key,
      'of another server': stranger,
      'with the secret of another': `${good.key.slice(0, 17)}${stranger.slice(17)}`,
      'cut off': good.key.slice(0, -1),
      'with one character changed': `${good.key.slice(0, 30)}${good.key[30] === '0' ? '1' : '0'}${good.key.slice(31)}`,
      'in capitals': good.key.toUpperCase(),
      'with something behind it': `${good.key}0`,
      'with a space in it': `${good.key.slice(0, 20)} ${good.key.slice(20)}`,
      twice: `${good.key}, ${good.key}`,
      'very long': 'x'.repeat(15_000),
      'a lone high byte': `${good.key}\u00ff`,
      'escaped NUL': `${good.key}%00`,
      empty: '',
    };
    const answers: TestAnswer[] = [];
    for (const key of Object.values(wrong)) answers.push(await server.get('/runs', { authorization: `Bearer ${key}` }));
    for (const [at, name] of Object.keys(wrong).entries())
      expect([name, sameButForItsId(answers[at]!)]).toEqual([name, sameButForItsId(answers[0]!)]);
    expect(answers[0]).toMatchObject({
      status: 401,
      headers: { 'www-authenticate': 'Bearer realm="claimcheck", error="invalid_token"' },
      json: { type: 'https://claimcheck.dev/problems/unauthorized', retryable: false },
    });
    for (const { text } of answers) expect(text).not.toContain('cck_');
    expect((await server.get('/runs', good.headers)).status).toBe(200);
  });

  test('where it has no key, or anything else in its place', async () => {
    const server = await serviceWithKeys({ endpoints }, { good: {} });
    const { key } = server.keys.good;
    for (const authorization of [
      undefined,
      'Bearer',
      'Bearer ',
      key,
      `Basic ${Buffer.from(`${key}:`).toString('base64')}`,
      `Token ${key}`,
      `Bearer:${key}`,
    ])
      expect([
        authorization,
        (await server.send('GET', '/runs', { headers: authorization === undefined ? {} : { authorization } })).status,
      ]).toEqual([authorization, 401]);
  });

  test('where its key is in the query, or in a cookie', async () => {
    const server = await serviceWithKeys({ endpoints }, { good: {} });
    const { key } = server.keys.good;
    for (const name of ['api_key', 'key', 'access_token', 'token', 'authorization'])
      expect((await server.get(`/runs?${name}=${key}`)).status).toBe(401);
    expect((await server.get('/runs', { cookie: `authorization=${key}; key=${key}` })).status).toBe(401);
    expect((await server.get('/runs', { 'x-api-key': key })).status).toBe(401);
  });

  test('before its body is read, for any body', async () => {
    const server = await serviceWithKeys({ endpoints, limits: { bodyBytes: 1_024 } }, { good: {} });
    const body = 'x'.repeat(100_000);
    expect((await server.postRaw('/invoke', 'text/csv', body)).status).toBe(401);
    expect((await server.send('PUT', '/endpoints/jobs', { headers: { 'content-type': 'x' }, body: '{' })).status).toBe(
      401,
    );
  });
});

test('a header that is no HTTP is refused before anybody looks for a key in it, and the server goes on', async () => {
  const server = await serviceWithKeys({ endpoints }, { good: {} });
  const { key } = server.keys.good;
  const line = (value: string) => `GET /runs HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer ${value}\r\n\r\n`;
  for (const value of [`${key}\0`, `${key}\nx`])
    expect(await sendBytes(server.url, line(value))).toMatch(/^HTTP\/1\.1 400 /);
  // The server hangs up before it has read all of that, so the answer may be lost on its way.
  const long = await sendBytes(server.url, line('x'.repeat(1_000_000))).catch((error: { code: string }) => error.code);
  expect(long).toMatch(/^(?:HTTP\/1\.1 431 |ECONNRESET|EPIPE)/);
  expect((await server.get('/runs', server.keys.good.headers)).status).toBe(200);
});

test('a page that may ask is told why it is refused, and may read that', async () => {
  const origin = 'https://app.example';
  const server = await serviceWithKeys({ endpoints, corsOrigins: [origin] }, { good: {} });
  const preflight = await server.send('OPTIONS', '/runs', {
    headers: { origin, 'access-control-request-method': 'GET', 'access-control-request-headers': 'authorization' },
  });
  expect(preflight).toMatchObject({ status: 204, headers: { 'access-control-allow-origin': origin } });
  const refused = await server.get('/runs', { origin });
  expect(refused).toMatchObject({ status: 401, headers: { 'access-control-allow-origin': origin } });
  expect(refused.headers['access-control-expose-headers']).toContain('WWW-Authenticate');
  expect((await server.get('/runs', { origin, ...server.keys.good.headers })).status).toBe(200);
});

test('white space around a header is no part of it, as in all of HTTP', async () => {
  const server = await serviceWithKeys({ endpoints }, { good: {} });
  const answer = await sendBytes(
    server.url,
    `GET /runs HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nauthorization:   bearer   ${server.keys.good.key}  \r\n\r\n`,
  );
  expect(answer).toMatch(/^HTTP\/1\.1 200 /);
});

test('guessing is slowed down, and keeps nobody out who has a key, not even at the same address', async () => {
  const server = await serviceWithKeys({ endpoints }, { good: {} });
  const guess = () => server.get('/runs', { authorization: `Bearer ${newKey().key}` });
  const slowed = await until('an address is told to wait', async () => {
    const answer = await guess();
    return answer.status === 429 ? answer : null;
  });
  expect(slowed).toMatchObject({
    headers: { 'retry-after': '1' },
    json: { type: 'https://claimcheck.dev/problems/too-many-attempts' },
  });
  const [good, ...guesses] = await Promise.all([
    server.get('/runs', server.keys.good.headers),
    ...Array.from({ length: 20 }, guess),
  ]);
  expect(good.status).toBe(200);
  for (const { status } of guesses) expect([401, 429]).toContain(status);
});

describe('while a server runs', () => {
  test('the first key is asked for once it is made', async () => {
    const server = await serviceForTest({ endpoints });
    expect((await server.get('/runs')).status).toBe(200);
    const { headers } = await makeKey(server.data);
    await until('a key is asked for', async () => (await server.get('/runs')).status === 401);
    expect((await server.get('/runs', headers)).status).toBe(200);
  });

  test('a key that is revoked is refused, and the others are not', async () => {
    const server = await serviceWithKeys({ endpoints }, { first: {}, second: {} });
    const { first, second } = server.keys;
    expect((await server.get('/runs', first.headers)).status).toBe(200);
    await revokeKey(server.data, first);
    await until('it is refused', async () => (await server.get('/runs', first.headers)).status === 401);
    expect((await server.get('/runs', second.headers)).status).toBe(200);
    await revokeKey(server.data, second);
    await until('it is refused', async () => (await server.get('/runs', second.headers)).status === 401);
    expect((await server.get('/runs')).status).toBe(401);
  });

  test('a key expires', async () => {
    const server = await serviceWithKeys({ endpoints }, { other: {} });
    const { headers } = await makeKey(server.data, { expiresAt: after(systemClock.now(), seconds(4)) });
    await until('it is taken', async () => (await server.get('/runs', headers)).status === 200);
    await until('it is refused', async () => (await server.get('/runs', headers)).status === 401);
  });
});

describe('two tenants', () => {
  test('do not see, cancel, retry or purge what is the other’s', async () => {
    const server = await serviceWithKeys({ endpoints }, { ada: { tenant: 'ada' }, bob: { tenant: 'bob' } });
    const { ada, bob } = server.keys;
    const gate = join(await folderForTest(), 'gate');
    const submit = async (input: unknown): Promise<string> =>
      (await server.post('/invoke', { input, async: true, run_name: 'canary' }, ada.headers)).json.run_id as string;
    const waiting = await submit({ do: 'say', value: 'canary', path: gate });
    for (const path of [
      `/runs/${waiting}`,
      `/runs/${waiting}?wait=60`,
      `/runs/${waiting}/output`,
      `/runs/${waiting}/logs`,
    ])
      expect((await server.get(path, bob.headers)).status).toBe(404);
    expect((await server.get('/runs', bob.headers)).json.runs).toEqual([]);
    expect((await server.get('/runs?run_name=canary', bob.headers)).json.runs).toEqual([]);
    expect((await server.get(`/runs?parent_id=${waiting}`, bob.headers)).json.runs).toEqual([]);
    expect((await server.send('DELETE', `/runs/${waiting}`, { headers: bob.headers })).status).toBe(404);
    expect((await server.send('POST', `/runs/${waiting}/cancel`, { headers: bob.headers })).status).toBe(404);
    expect((await server.send('POST', `/runs/${waiting}/retry`, { headers: bob.headers })).status).toBe(404);
    const purge = await server.send('DELETE', '/endpoints/jobs/queue', { headers: bob.headers });
    expect(purge.json).toEqual({ cancelled: 0 });
    expect((await server.get(`/runs/${waiting}`, ada.headers)).json.done).toBe(false);
    expect((await server.send('DELETE', `/runs/${waiting}`, { headers: ada.headers })).json.status).toBe('cancelled');
  });

  test('do not see what was told of the other’s runs, nor have it told again', async () => {
    const server = await serviceWithKeys({ endpoints }, { ada: { tenant: 'ada' }, bob: { tenant: 'bob' } });
    const { ada, bob } = server.keys;
    const told = { input: { do: 'say' }, async: false, callback_url: 'https://hooks.example/canary' };
    const { run_id: id } = (await server.post('/invoke', told, ada.headers)).json;
    expect((await server.get(`/runs/${id}/deliveries`, ada.headers)).json.deliveries).toHaveLength(1);
    const again = (headers: Record<string, string>) =>
      server.send('POST', `/runs/${id}/deliveries/${id}_succeeded/redeliver`, { headers });
    expect((await server.get(`/runs/${id}/deliveries`, bob.headers)).status).toBe(404);
    expect((await again(bob.headers)).status).toBe(404);
    expect((await again(ada.headers)).status).toBe(202);
  });

  test('have idempotency and concurrency keys of their own', async () => {
    const server = await serviceWithKeys({ endpoints }, { ada: { tenant: 'ada' }, bob: { tenant: 'bob' } });
    const gate = join(await folderForTest(), 'gate');
    const invoke = async ({ headers }: { headers: object }, options: object, more: object = {}) =>
      server.post('/invoke', { input: { path: gate }, async: true, ...options }, { ...headers, ...more });
    const key = { 'idempotency-key': 'k' };
    const [first, again, others] = [
      await invoke(server.keys.ada, {}, key),
      await invoke(server.keys.ada, {}, key),
      await invoke(server.keys.bob, {}, key),
    ];
    expect(again.json.run_id).toBe(first.json.run_id);
    expect(again.headers['idempotency-replayed']).toBe('true');
    expect(others.headers['idempotency-replayed']).toBeUndefined();
    expect(others.json.run_id).not.toBe(first.json.run_id);
    const once = { concurrency_key: 'c' };
    expect((await invoke(server.keys.ada, once)).json.deduplicated).toBeUndefined();
    expect((await invoke(server.keys.bob, once)).json.deduplicated).toBeUndefined();
    expect((await invoke(server.keys.ada, once)).json.deduplicated).toBe(true);
  });
});

test('two keys of one tenant see the same runs, and have idempotency keys of their own', async () => {
  const server = await serviceWithKeys({ endpoints }, { first: {}, second: {} });
  const { first, second } = server.keys;
  const invoke = ({ headers }: { headers: object }) =>
    server.post('/invoke', { input: 1, async: true }, { ...headers, 'idempotency-key': 'k' });
  const [mine, theirs] = [await invoke(first), await invoke(second)];
  expect(theirs.json.run_id).not.toBe(mine.json.run_id);
  expect((await server.get(`/runs/${mine.json.run_id as string}`, second.headers)).status).toBe(200);
});

test('a key that is bound to endpoints has the default one of those, and lists no others', async () => {
  const both: TestServiceOptions['endpoints'] = { ...endpoints, other: { model: './anything.ts', mode: 'async' } };
  const server = await serviceWithKeys({ endpoints: both }, { bound: { endpoints: ['other'] }, all: {} });
  const { bound, all } = server.keys;
  const { json } = await server.post('/invoke', { input: 1 }, bound.headers);
  expect(json.endpoint).toBe('other');
  expect((await server.get('/endpoints', bound.headers)).json.endpoints).toMatchObject([{ name: 'other' }]);
  expect((await server.post('/endpoints/jobs/invoke', { input: 1 }, bound.headers)).json).toMatchObject({
    type: 'https://claimcheck.dev/problems/forbidden',
    detail: `The key ${bound.keyId} may not use this endpoint; it may use: other.`,
  });
  // Whether there is such an endpoint is none of its business.
  expect((await server.get('/endpoints/nothing', bound.headers)).status).toBe(403);
  await server.post('/invoke', { input: 1 }, all.headers);
  expect((await server.get('/runs', bound.headers)).json.runs).toMatchObject([{ run_id: json.run_id }]);
  expect((await server.get('/runs?endpoint=jobs', bound.headers)).json.runs).toEqual([]);
});

describe('a server that others can reach', () => {
  const configFor = async (data: string) => ({
    ...testConfig({ endpoints, data, database: await databaseOf(data) }),
    host: '0.0.0.0',
  });

  test('does not start without a key that counts, and says what to type', async () => {
    const data = await folderForTest();
    await expect(startService(await configFor(data))).rejects.toThrow(
      /claimcheck keys create --name me .*--(?:data|config) /,
    );
    await makeKey(data, { revokedAt: systemClock.now() });
    await makeKey(data, { expiresAt: systemClock.now() });
    await expect(startService(await configFor(data))).rejects.toThrow(/anyone who reaches 0\.0\.0\.0 could run models/);
  });

  test('starts with one, asks for it, and lets keys that manage deploy what the configuration allows', async () => {
    const data = await folderForTest();
    const { headers } = await makeKey(data, { scopes: ['manage'] });
    const service = await startService({
      ...(await configFor(data)),
      deploy: readDeploySettings({ allow: ['.'], users: ['own', 'server'] }, FIXTURES),
    });
    onTestFinished(() => service.stop(AbortSignal.abort()));
    expect(service.usableKeys).toBe(1);
    const url = `http://127.0.0.1:${new URL(service.url).port}`;
    expect((await send(url, 'GET', '/runs')).status).toBe(401);
    const body = JSON.stringify({ model: join(FIXTURES, 'anything.ts') });
    const type = { 'content-type': 'application/json' };
    expect((await send(url, 'PUT', '/endpoints/more', { headers: type, body })).status).toBe(401);
    expect((await send(url, 'PUT', '/endpoints/more', { headers: { ...type, ...headers }, body })).status).toBe(201);
  });
});

test.skipIf(onPostgres)('no file of the server has a secret in it', async () => {
  const server = await serviceWithKeys({ endpoints }, { good: {} });
  const { key, headers } = server.keys.good;
  const { secret } = readKey(key)!;
  await server.post('/invoke', { input: 1, async: false }, { ...headers, 'idempotency-key': 'k' });
  const files = readdirSync(server.data, { recursive: true, withFileTypes: true }).filter((one) => one.isFile());
  expect(files.map(({ name }) => name)).toEqual(expect.arrayContaining(['vault.sqlite', 'ledger.sqlite']));
  for (const { parentPath, name } of files)
    expect(readFileSync(join(parentPath, name), 'latin1').includes(secret)).toBe(false);
});
