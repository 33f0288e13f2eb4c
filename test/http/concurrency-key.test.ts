import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { Gates } from '../support/gate.ts';
import { newFolder, removeFolder } from '../support/folder.ts';
import { startTestService, type TestService } from '../support/service.ts';

let server: TestService;
let folder: string;
let gates: Gates;
let key = '';
let count = 0;

beforeAll(async () => {
  folder = await newFolder();
  gates = new Gates(folder);
  server = await startTestService({
    endpoints: {
      jobs: { model: './anything.ts', mode: 'async', replicas: { concurrency: 8 } },
      calls: { model: './anything.ts', replicas: { concurrency: 8 } },
    },
  });
});
afterAll(async () => {
  await server.stop();
  await removeFolder(folder);
});
beforeEach(() => {
  count += 1;
  key = `key-${count}`;
});

const wish = () => ({ do: 'say', value: key, path: gates.path(key) });
const submit = (endpoint: string, more: object = {}) =>
  server.post(`/endpoints/${endpoint}/invoke`, { input: wish(), concurrency_key: key, ...more });

describe('a concurrency key', () => {
  test('gets the run that has it, as long as that has not ended, and a new one afterwards', async () => {
    const first = await submit('jobs');
    expect(first.json).toMatchObject({ concurrency_key: key });
    expect(first.json).not.toHaveProperty('deduplicated');
    const second = await submit('jobs', { input: 'another', priority: 5 });
    expect(second.status).toBe(202);
    expect(second.headers).toMatchObject({ location: `/runs/${first.json.run_id}` });
    expect(second.json).toMatchObject({ run_id: first.json.run_id, deduplicated: true, priority: 0 });
    gates.open(key);
    const ended = await server.ended(first.json.run_id);
    expect(ended).not.toHaveProperty('deduplicated');
    const third = await submit('jobs');
    expect(third.json.run_id).not.toBe(first.json.run_id);
    expect(third.json).not.toHaveProperty('deduplicated');
  });

  test('of one endpoint says nothing about another', async () => {
    const [one, other] = [await submit('jobs'), await submit('calls', { async: true })];
    expect(one.json.run_id).not.toBe(other.json.run_id);
    gates.open(key);
  });

  test('makes one run of many submissions that come at the same time', async () => {
    const answers = await Promise.all(Array.from({ length: 20 }, () => submit('jobs')));
    expect(new Set(answers.map(({ json }) => json.run_id)).size).toBe(1);
    expect(answers.filter(({ json }) => json.deduplicated === true)).toHaveLength(19);
    gates.open(key);
  });

  test('makes who waits wait for that run, and get its output', async () => {
    const first = await submit('calls', { async: true });
    const waiting = submit('calls', { input: 'another' });
    const raw = server.post('/endpoints/calls/invoke', { input: 1, concurrency_key: key }, { accept: 'text/plain' });
    const impatient = await server.post(
      '/endpoints/calls/invoke',
      { input: 1, concurrency_key: key },
      { prefer: 'wait=0' },
    );
    expect(impatient.status).toBe(202);
    expect(impatient.json).toMatchObject({ run_id: first.json.run_id, deduplicated: true });
    gates.open(key);
    const answer = await waiting;
    expect(answer.status).toBe(200);
    expect(answer.json).toMatchObject({ run_id: first.json.run_id, deduplicated: true, outputs: key });
    expect((await raw).text).toBe(JSON.stringify(key));
  });

  test('comes in the query of a raw body', async () => {
    const first = await submit('jobs');
    const raw = await server.postRaw(`/endpoints/jobs/invoke?concurrency_key=${key}`, 'text/plain', 'x');
    expect(raw.json).toMatchObject({ run_id: first.json.run_id, deduplicated: true });
    gates.open(key);
  });

  test('is not asked where an Idempotency-Key has its run already', async () => {
    const idempotency = { 'idempotency-key': `once ${key}` };
    const body = { input: wish(), concurrency_key: key };
    const first = await server.post('/endpoints/jobs/invoke', body, idempotency);
    const again = await server.post('/endpoints/jobs/invoke', body, idempotency);
    expect(again.headers).toMatchObject({ 'idempotency-replayed': 'true' });
    expect(again.json).toMatchObject({ run_id: first.json.run_id });
    expect(again.json).not.toHaveProperty('deduplicated');
    gates.open(key);
  });

  test('holds for a retry, too', async () => {
    gates.open(key);
    const ended = await server.ended((await submit('jobs')).json.run_id);
    const open = await submit('jobs', { input: { do: 'hang' } });
    const answer = await server.send('POST', `/runs/${ended.run_id}/retry`);
    expect(answer.status).toBe(202);
    expect(answer.json).toMatchObject({ run_id: open.json.run_id, deduplicated: true });
    await server.send('DELETE', `/runs/${open.json.run_id}`);
  });

  test.each([
    ['an envelope', '/concurrency_key', () => submit('jobs', { concurrency_key: 'a\0b' })],
    ['an envelope', '/concurrency_key', () => submit('jobs', { concurrency_key: '\ud800' })],
    ['an envelope', '/concurrency_key', () => submit('jobs', { concurrency_key: 'x'.repeat(256) })],
    ['an envelope', '/concurrency_key', () => submit('jobs', { concurrency_key: '' })],
    ...['concurrency_key=a%00b', 'concurrency_key=%ED%A0%80', 'concurrency_key=%FF', 'concurrency_key='].map(
      (query) =>
        [
          query,
          'query:concurrency_key',
          () => server.postRaw(`/endpoints/jobs/invoke?${query}`, 'text/plain', 'x'),
        ] as const,
    ),
  ] as const)('that cannot be kept as it is, is refused with its place: %s', async (_, pointer, request) => {
    const answer = await request();
    expect(answer.status).toBe(422);
    expect(answer.json.errors).toMatchObject([{ pointer }]);
  });
});
