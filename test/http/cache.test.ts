// The routes of the cache, as a client of another language would use them.

import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { keysOf } from '../../src/cache/keys.ts';
import { sha256Hex } from '../../src/client/environment.ts';
import type { TestAnswer } from '../support/http.ts';
import { startTestService, type TestService } from '../support/service.ts';
import { until } from '../support/until.ts';

let server: TestService;
beforeAll(async () => {
  server = await startTestService({
    endpoints: { rows: { model: './anything.ts' }, others: { model: './anything.ts' } },
  });
});
afterAll(() => server.stop());
beforeEach(async () => {
  await server.send('DELETE', '/endpoints/rows/cache');
});

const keyOf = (number: number): string => number.toString(16).padStart(32, '0');
const CALLER = 'caller-of-the-test';
const lookUp = (numbers: readonly number[], changes: object = {}, endpoint = 'rows'): Promise<TestAnswer> =>
  server.post(`/endpoints/${endpoint}/cache/lookup`, {
    version: 1,
    caller: CALLER,
    lease: 30,
    keys: numbers.map(keyOf),
    ...changes,
  });
const keep = (body: string | Uint8Array, query = `version=1&caller=${CALLER}`): Promise<TestAnswer> =>
  server.postRaw(`/endpoints/rows/cache/entries?${query}`, 'application/jsonlines', body);
const lineOf = (number: number, answer: string): string => `{"key":"${keyOf(number)}","answer":${answer}}\n`;

test('answers are looked up, kept to the last digit, shown and forgotten', async () => {
  expect((await lookUp([1, 2])).text).toBe('"mine"\n"mine"\n');
  expect((await lookUp([1, 3], { caller: 'somebody-else' })).text).toBe('"others"\n"mine"\n');
  expect((await keep(lineOf(1, '{"n": 9007199254740993, "e": 1e400}') + lineOf(2, '[true,{}]'))).json).toEqual({
    kept: 2,
  });
  const found = await lookUp([2, 1, 3]);
  expect([found.status, found.headers['content-type']]).toEqual([200, 'application/jsonlines; charset=utf-8']);
  expect(found.text).toBe('[true,{}]\n{"n": 9007199254740993, "e": 1e400}\n"others"\n');
  expect((await server.get('/endpoints/rows/cache')).json).toMatchObject({
    rows: 2,
    bytes: 44,
    versions: [{ version: 1, rows: 2, bytes: 44 }],
  });
  const deleted = await server.post('/endpoints/rows/cache/entries/delete', { keys: [keyOf(1), keyOf(9)] });
  expect(deleted.json).toEqual({ deleted: 1 });
  expect((await server.send('DELETE', '/endpoints/rows/cache')).json).toEqual({ deleted: 1 });
  expect((await server.send('POST', '/endpoints/rows/cache/compact')).json.freed_bytes).toBeGreaterThanOrEqual(0);
});

test('answers are taken as bytes as well, from clients that were generated and know no JSON Lines', async () => {
  const path = `/endpoints/rows/cache/entries?version=1&caller=${CALLER}`;
  const kept = await server.postRaw(path, 'application/octet-stream', lineOf(7, '[7]'));
  expect([kept.status, kept.json]).toEqual([200, { kept: 1 }]);
  expect((await lookUp([7])).text).toBe('[7]\n');
});

test('claims are renewed, and released', async () => {
  await lookUp([11, 12]);
  const claims = `/endpoints/rows/cache/claims/${CALLER}`;
  const renewed = await server.send('PUT', claims, {
    headers: { 'content-type': 'application/json' },
    body: '{"lease": 60}',
  });
  expect(renewed.json.claims).toBeGreaterThanOrEqual(2);
  expect((await server.send('DELETE', claims)).status).toBe(204);
  expect((await lookUp([11], { caller: 'somebody-else' })).text).toBe('"mine"\n');
});

/** Renews claims and names the run that computes them. */
const nameRun = (runId: string, run: object = {}, endpoint = 'rows'): Promise<TestAnswer> =>
  server.send('PUT', `/endpoints/${endpoint}/cache/claims/${CALLER}`, {
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ lease: 30, run: { id: runId, key_columns: ['n'], ...run } }),
  });

/** Submits a table as JSON Lines, and answers the id of its run. */
async function submitLines(rows: readonly object[], query = 'batch=true', type = 'application/jsonlines') {
  const text = type === 'text/csv' ? 'n\n1\n' : rows.map((row) => `${JSON.stringify(row)}\n`).join('');
  const { json } = await server.postRaw(`/endpoints/rows/invoke?async=true&${query}`, type, text);
  return json.run_id as string;
}

const keysOfRows = (rows: readonly { n: number }[]) =>
  keysOf(
    rows.map(({ n }) => new Map([['n', String(n)]])),
    ['n'],
    sha256Hex,
  );

test('the answers of a run that is named are kept, though its client never comes back', async () => {
  const rows = [{ n: 1 }, { n: 2 }, { n: 3 }];
  const keys = await keysOfRows(rows);
  await lookUp([], { keys });
  expect((await nameRun(await submitLines(rows))).json).toEqual({ claims: 3 });
  const found = await until('all are kept', async () => {
    const { text } = await lookUp([], { keys, caller: 'somebody-else' });
    return text.includes('others') ? undefined : text;
  });
  expect(
    found
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as unknown),
  ).toEqual(rows.map(() => ({ handedOn: true, made: {}, alike: {}, filled: [] })));
});

test('of rows that come back under another key nothing is kept, for any caller that names the run', async () => {
  const rows = [
    { n: 21, was: 21 },
    { n: 22, was: 0 },
  ];
  const runId = await submitLines(rows);
  await server.ended(runId);
  await nameRun(runId, { output_key_column: 'was' });
  const after = await submitLines([{ n: 23 }]);
  await nameRun(after);
  await until('what came later is kept', async () => (await server.get('/endpoints/rows/cache')).json.rows > 0);
  expect((await server.get('/endpoints/rows/cache')).json.rows).toBe(1);
});

test('a run that cannot fill the cache is refused, with what it would have to be', async () => {
  const [lines, csv] = [await submitLines([{ n: 1 }]), await submitLines([], 'batch=true', 'text/csv')];
  const single = await server.submit('rows', { n: 1 });
  for (const answer of [await nameRun(lines, {}, 'others'), await nameRun(csv), await nameRun(single)]) {
    expect(answer.status).toBe(422);
    expect(answer.json.detail).toContain('cannot fill this cache: it must be a batch of ');
    expect(answer.json.errors).toMatchObject([{ pointer: '/run/id' }]);
  }
  expect((await nameRun('018f0000-0000-7000-8000-000000000000')).status).toBe(404);
  expect((await nameRun(lines, { key_columns: [] })).status).toBe(422);
});

test('endpoints share no answers', async () => {
  await keep(lineOf(1, '{}'));
  expect((await lookUp([1], {}, 'others')).text).toBe('"mine"\n');
});

test('a hundred thousand keys are one question', async () => {
  const numbers = Array.from({ length: 100_000 }, (_, number) => number);
  const { text } = await lookUp(numbers);
  expect(text.split('\n')).toHaveLength(100_001);
  await server.send('DELETE', `/endpoints/rows/cache/claims/${CALLER}`);
});

test('answers come until there are 16 MiB of them, and the rest with the next question', async () => {
  const answer = `["${'x'.repeat(4_000_000)}"]`;
  for (let number = 0; number < 6; number += 1) await keep(lineOf(number, answer));
  const numbers = [0, 1, 2, 3, 4, 5];
  const first = (await lookUp(numbers)).text.split('\n').length - 1;
  expect(first).toBe(5);
  expect((await lookUp(numbers.slice(first))).text).toBe(`${answer}\n`);
});

describe('a request that cannot be understood is refused, with its place', () => {
  const places = ({ status, json }: TestAnswer) => [
    status,
    ...((json.errors ?? []) as { pointer: string }[]).map(({ pointer }) => pointer),
  ];

  test('in a lookup', async () => {
    expect(places(await lookUp([], { keys: ['1'] }))).toEqual([422, '/keys/0']);
    expect(places(await lookUp([1], { lease: 0 }))).toEqual([422, '/lease']);
    expect(places(await lookUp([1], { version: 0 }))).toEqual([422, '/version']);
    expect(places(await lookUp([1], { caller: 'me' }))).toEqual([422, '/caller']);
    expect(places(await lookUp([1], { colour: 'red' }))).toEqual([422, '/colour']);
    expect((await server.post('/endpoints/rows/cache/lookup', '[]')).status).toBe(400);
    expect((await lookUp([1], { keys: Array.from({ length: 100_001 }, () => keyOf(1)) })).status).toBe(422);
    expect((await server.post('/endpoints/rows/cache/lookup', ' '.repeat(5_000_000))).status).toBe(413);
    expect((await lookUp([1], {}, 'nobody')).status).toBe(404);
  });

  test('in answers', async () => {
    expect(places(await keep('{"key":"1","answer":{}}'))).toEqual([422, '/0/key']);
    expect(places(await keep(`${lineOf(1, '{}')}${lineOf(2, '5')}`))).toEqual([422, '/1/answer']);
    expect(places(await keep(`{"key":"${keyOf(1)}"}`))).toEqual([422, '/0/answer']);
    expect(places(await keep(`{"key":"${keyOf(1)}","answer":{},"more":1}`))).toEqual([422, '/0/more']);
    expect(places(await keep(lineOf(1, `["${'x'.repeat(4_300_000)}"]`)))).toEqual([422, '/0/answer']);
    for (const body of ['{', 'x', `${lineOf(1, '{}').trim()} {}`, lineOf(1, '{"a":}'), lineOf(1, '"mine"').slice(1)])
      expect((await keep(body)).status).toBe(400);
    expect((await keep(Buffer.from(lineOf(1, '["\xff"]'), 'latin1'))).status).toBe(400);
    expect((await keep('', 'version=1')).status).toBe(422);
    expect((await server.get('/endpoints/rows/cache')).json.rows).toBe(0);
  });

  test('in a path', async () => {
    expect((await server.send('DELETE', '/endpoints/rows/cache/claims/me')).status).toBe(422);
  });
});
