import { afterAll, beforeAll, expect, test } from 'vitest';
import { Gates } from '../support/gate.ts';
import { newFolder, removeFolder } from '../support/folder.ts';
import { startTestService, type TestService } from '../support/service.ts';

const BODY_BYTES_MAX = 64 * 1_024;
let server: TestService;
let folder: string;
let gates: Gates;

beforeAll(async () => {
  folder = await newFolder();
  gates = new Gates(folder);
  server = await startTestService({
    limits: { bodyBytes: BODY_BYTES_MAX },
    endpoints: {
      narrow: { model: './anything.ts', mode: 'async', queueLimit: 5 },
      closed: { model: './anything.ts', mode: 'async', queueLimit: 0 },
      batches: { model: './echo.ts', mode: 'async', queueLimit: 1, batchSize: 1 },
    },
  });
});
afterAll(async () => {
  await server.stop();
  await removeFolder(folder);
});

const runsOf = async (endpoint: string) => (await server.get(`/runs?endpoint=${endpoint}&limit=500`)).json.runs;

test('exactly as many runs are queued as the limit says, however many come at once; the rest is told when to come again', async () => {
  const held = await server.submit('narrow', { path: gates.path('narrow') });
  await server.inStatus(held, 'running');
  const answers = await Promise.all(
    Array.from({ length: 60 }, (_, place) =>
      // Some of them are too large for the ledger: a refused one leaves no blob behind.
      server.post(
        '/endpoints/narrow/invoke',
        { input: place % 2 === 0 ? place : 'x'.repeat(20_000) },
        { 'idempotency-key': `narrow-${place}` },
      ),
    ),
  );
  const taken = answers.filter(({ status }) => status === 202);
  expect(taken).toHaveLength(5);
  expect(new Set(taken.map(({ headers }) => headers['ratelimit']))).toEqual(
    new Set([0, 1, 2, 3, 4].map((left) => `"queue";r=${left}`)),
  );
  const refused = answers.filter(({ status }) => status === 429);
  expect(refused).toHaveLength(55);
  for (const { json, headers } of refused) {
    expect(json).toMatchObject({ type: 'https://claimcheck.dev/problems/queue-full', retryable: true });
    expect(headers['retry-after']).toMatch(/^\d+$/);
    expect(Number(headers['retry-after'])).toBeGreaterThanOrEqual(1);
    expect(Number(headers['retry-after'])).toBeLessThanOrEqual(60);
    expect(Number(headers['retry-after-ms'])).toBeGreaterThan(0);
    expect(headers['ratelimit-policy']).toBe('"queue";q=5;qu="concurrent-requests"');
    // The same point in time, for a client that reads either.
    expect(headers['ratelimit']).toBe(`"queue";r=0;t=${headers['retry-after']!}`);
  }
  expect(await runsOf('narrow')).toHaveLength(6);
  expect(await server.endpoint('narrow')).toMatchObject({ queue_limit: 5, queued: 5, running: 1 });

  // A key that has its run is a replay, and needs no place; one that was refused is free to come
  // again.
  const place = answers.findIndex(({ status }) => status === 202);
  const again = await server.post(
    '/endpoints/narrow/invoke',
    { input: place % 2 === 0 ? place : 'x'.repeat(20_000) },
    { 'idempotency-key': `narrow-${place}` },
  );
  expect(again.status).toBe(202);
  expect(again.json.run_id).toBe(answers[place]!.json.run_id);

  // A cancelled run gives its place back.
  await server.send('DELETE', `/runs/${again.json.run_id}`);
  const refusedPlace = answers.findIndex(({ status }) => status === 429);
  const later = await server.post(
    '/endpoints/narrow/invoke',
    { input: 'later' },
    { 'idempotency-key': `narrow-${refusedPlace}` },
  );
  expect(later.status).toBe(202);
  expect((await server.post('/endpoints/narrow/invoke', { input: 'one too many' })).status).toBe(429);

  gates.open('narrow');
  for (const { run_id: runId } of await runsOf('narrow')) await server.ended(runId);
  expect(await server.endpoint('narrow')).toMatchObject({ queued: 0, backlog: 0, running: 0 });
});

test('an endpoint with a limit of none takes none', async () => {
  expect((await server.post('/endpoints/closed/invoke', { input: 1 })).status).toBe(429);
  expect(await runsOf('closed')).toEqual([]);
});

test('a batch counts once, however many chunks it has', async () => {
  const table = `id,fail\n${'1,hang\n'.repeat(10)}`;
  const first = await server.postRaw('/endpoints/batches/invoke', 'text/csv', table);
  await server.inStatus(first.json.run_id, 'running');
  // Two batches of an endpoint with one slot are at work: the second is cut while the first is
  // executed.
  const second = await server.postRaw('/endpoints/batches/invoke', 'text/csv', table);
  await server.inStatus(second.json.run_id, 'running');
  const third = await server.postRaw('/endpoints/batches/invoke', 'text/csv', table);
  expect(third.status).toBe(202);
  expect((await server.postRaw('/endpoints/batches/invoke', 'text/csv', table)).status).toBe(429);
  for (const { json } of [first, second, third]) await server.send('DELETE', `/runs/${json.run_id}`);
});

test.each([
  ['announced', false],
  ['not announced (chunked)', true],
])('a body of the largest size is taken, and one byte more is a 413, its length %s', async (_, chunked) => {
  const headers = { 'content-type': 'text/plain' };
  const fits = await server.send('POST', '/endpoints/narrow/invoke', {
    headers,
    body: Buffer.alloc(BODY_BYTES_MAX, 'x'),
    chunked,
  });
  expect(fits.status).toBe(202);
  const before = (await runsOf('narrow')).length;
  const over = await server.send('POST', '/endpoints/narrow/invoke', {
    headers,
    body: Buffer.alloc(BODY_BYTES_MAX + 1, 'x'),
    chunked,
  });
  expect(over.status).toBe(413);
  expect(over.json.type).toBe('https://claimcheck.dev/problems/payload-too-large');
  expect(await runsOf('narrow')).toHaveLength(before);
});
