import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { newRunId } from '../../src/system/clock.ts';
import { Gates } from '../support/gate.ts';
import { newFolder, removeFolder } from '../support/folder.ts';
import { FIXTURES, serviceForTest, startTestService, type TestService } from '../support/service.ts';

let server: TestService;
let folder: string;
let gates: Gates;

beforeAll(async () => {
  folder = await newFolder();
  gates = new Gates(folder);
  server = await startTestService({
    endpoints: {
      jobs: { model: './anything.ts', mode: 'async', replicas: { concurrency: 4 } },
      rows: { model: './echo.ts', mode: 'async', batchSize: 1 },
      mirror: { model: [process.execPath, join(FIXTURES, 'obeying-program.js')], env: { ECHOES: '1' } },
    },
  });
});
afterAll(async () => {
  await server.stop();
  await removeFolder(folder);
});

const retry = (runId: string, headers: Record<string, string> = {}) =>
  server.send('POST', `/runs/${runId}/retry`, { headers });
const problemOf = (slug: string) => `https://claimcheck.dev/problems/${slug}`;

describe('POST /runs/{id}/retry', () => {
  test('makes a new run of the same input and options, which says what it tries again', async () => {
    const options = {
      run_name: 'nightly',
      timeout: 30.5,
      queue_ttl: 600,
      priority: 7,
      metadata: { id: 1 },
      concurrency_key: 'one at a time',
    };
    const first = await server.ended(await server.submit('jobs', { do: 'throw' }, options));
    const answer = await retry(first.run_id);
    expect(answer.status).toBe(202);
    expect(answer.headers).toMatchObject({ location: `/runs/${answer.json.run_id}`, 'retry-after': '1' });
    expect(answer.json).toMatchObject({ ...options, status: 'queued', retry_of: first.run_id, endpoint: 'jobs' });
    expect(answer.json.run_id).not.toBe(first.run_id);
    expect(await server.ended(answer.json.run_id)).toMatchObject({ status: 'failed', error: { type: 'model-error' } });
    expect(await server.run(first.run_id)).toEqual(first);
  });

  test('gives the model the input as it was sent, also one that is large or no JSON', async () => {
    const large = Buffer.alloc(300_000, 'claimcheck');
    for (const [type, body] of [
      ['application/octet-stream', large],
      ['text/csv', 'a,b\n1,2\n'],
    ] as const) {
      const first = await server.postRaw('/endpoints/jobs/invoke?async=true&batch=false', type, body, {
        accept: '*/*',
      });
      await server.ended(first.json.run_id);
      const { json } = await retry(first.json.run_id);
      await server.ended(json.run_id);
      const output = await server.get(`/runs/${json.run_id}/output`);
      expect(output.bytes.equals(Buffer.from(body))).toBe(true);
    }
    const number = await server.post('/endpoints/mirror/invoke', '{"input":9007199254740993,"async":true}');
    await server.ended(number.json.run_id);
    const { json } = await retry(number.json.run_id);
    await server.ended(json.run_id);
    expect((await server.get(`/runs/${json.run_id}/output`)).text).toBe('9007199254740993');
  });

  test('runs a batch as it ran before, in the format that was asked for', async () => {
    const first = await server.postRaw(
      '/endpoints/rows/invoke?batch_size=2&max_in_flight=3&on_row_error=drop',
      'text/csv',
      'id,fail\n1,\n2,throw\n3,\n',
      { accept: 'application/jsonlines' },
    );
    const before = await server.ended(first.json.run_id);
    const { json } = await retry(before.run_id);
    expect(json).toMatchObject({ batch: { size: 2, max_in_flight: 3, on_row_error: 'drop' }, retry_of: before.run_id });
    const after = await server.ended(json.run_id);
    expect(after.output).toMatchObject({ content_type: 'application/jsonlines', sha256: before.output.sha256 });
  });

  test('is possible for a run that succeeded or was cancelled, and for a retry', async () => {
    const succeeded = await server.ended(await server.submit('jobs', 5));
    const again = await server.ended((await retry(succeeded.run_id)).json.run_id);
    expect(again).toMatchObject({ status: 'succeeded', outputs: 5, retry_of: succeeded.run_id });
    expect((await retry(again.run_id)).json).toMatchObject({ retry_of: again.run_id });
    const cancelled = await server.submit('jobs', { do: 'hang' });
    await server.send('DELETE', `/runs/${cancelled}`);
    const hanging = (await retry(cancelled)).json.run_id;
    expect((await server.send('DELETE', `/runs/${hanging}`)).status).toBe(200);
  });

  test('of a run that has not ended is a 409, and makes none', async () => {
    const runId = await server.submit('jobs', { path: gates.path('not-ended') }, { run_name: 'not ended' });
    const answer = await retry(runId);
    expect(answer.status).toBe(409);
    expect(answer.json).toMatchObject({ type: problemOf('run-not-ended'), run_id: runId, retryable: true });
    expect((await server.get('/runs?run_name=not%20ended')).json.runs).toHaveLength(1);
    gates.open('not-ended');
    await server.ended(runId);
    expect((await retry(runId)).status).toBe(202);
  });

  test('of a chunk is a 422 that names its batch', async () => {
    const { json } = await server.postRaw('/endpoints/rows/invoke', 'text/csv', 'id\n1\n2\n');
    await server.ended(json.run_id);
    const [chunk] = await server.chunks(json.run_id);
    const answer = await retry(chunk.run_id);
    expect(answer.status).toBe(422);
    expect(answer.json).toMatchObject({ type: problemOf('invalid-request'), parent_id: json.run_id });
    expect(answer.json.detail).toContain(json.run_id);
  });

  test.each([newRunId(), 'nonsense'])('of an id that names no run is a 404: %s', async (runId) => {
    expect((await retry(runId)).json).toMatchObject({ status: 404, type: problemOf('run-not-found') });
  });

  test('with the same Idempotency-Key is the same run; the key of another request is refused', async () => {
    const [one, other] = await Promise.all(
      [5, 5].map(async (input) => server.ended(await server.submit('jobs', input))),
    );
    const key = { 'idempotency-key': 'retry once' };
    const first = await retry(one.run_id, key);
    const second = await retry(one.run_id, key);
    expect(second.json.run_id).toBe(first.json.run_id);
    expect(second.headers).toMatchObject({ 'idempotency-replayed': 'true' });
    expect((await retry(other.run_id, key)).json).toMatchObject({
      status: 422,
      type: problemOf('idempotency-mismatch'),
    });
  });

  test('takes no options: they are those of the run', async () => {
    const { run_id: runId } = await server.ended(await server.submit('jobs', 1));
    const path = `/runs/${runId}/retry`;
    expect(await server.post(path, { priority: 3 })).toMatchObject({ status: 422 });
    expect((await server.send('POST', `${path}?priority=3`)).json.errors).toMatchObject([
      { pointer: 'query:priority' },
    ]);
    expect(await server.post(path, {})).toMatchObject({ status: 202 });
  });

  test('counts for the queue limit like any other run', async () => {
    const small = await serviceForTest({
      endpoints: { jobs: { model: './anything.ts', mode: 'async', queueLimit: 1 } },
    });
    const { run_id: ended } = await small.ended(await small.submit('jobs', 1));
    await small.inStatus(await small.submit('jobs', { do: 'hang' }), 'running');
    await small.submit('jobs', 2);
    const answer = await small.send('POST', `/runs/${ended}/retry`);
    expect(answer.json).toMatchObject({ status: 429, type: problemOf('queue-full') });
  });

  test('runs under the current version of the endpoint, and is refused where there is no such endpoint any more', async () => {
    const data = await newFolder();
    const endpoints = { jobs: { model: './anything.ts', mode: 'async' }, rows: { model: './echo.ts' } } as const;
    const before = await startTestService({ data, endpoints });
    const jobs = await before.ended(await before.submit('jobs', 1));
    const rows = await before.ended(await before.submit('rows', { id: 1 }, { batch: false }));
    await before.stop();
    const later = await startTestService({ data, endpoints: { jobs: { ...endpoints.jobs, timeout: '1m' } } });
    const answer = await later.send('POST', `/runs/${jobs.run_id}/retry`);
    expect(answer.json).toMatchObject({ version: 2, timeout: jobs.timeout, retry_of: jobs.run_id });
    const gone = await later.send('POST', `/runs/${rows.run_id}/retry`);
    expect(gone.json).toMatchObject({ status: 404, type: problemOf('endpoint-not-found') });
    await later.stop();
    await removeFolder(data);
  });
});
