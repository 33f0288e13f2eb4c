import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { Gates } from '../support/gate.ts';
import { newFolder, removeFolder } from '../support/folder.ts';
import { startTestService, type TestService } from '../support/service.ts';
import { until } from '../support/until.ts';

let server: TestService;
let folder: string;
let gates: Gates;
let number = 0;

beforeAll(async () => {
  folder = await newFolder();
  gates = new Gates(folder);
  server = await startTestService({
    endpoints: {
      jobs: { model: './anything.ts', mode: 'async' },
      fragile: { model: './anything.ts', mode: 'async' },
      broken: { model: './anything.ts', mode: 'async' },
      once: { model: './anything.ts', mode: 'async', retry: { maxAttempts: 1 } },
      stubborn: { model: './anything.ts', mode: 'async' },
      forgiving: {
        model: './anything.ts',
        mode: 'async',
        retry: { maxAttempts: 2, on: ['model-error', 'run-timeout'] },
      },
      month: { model: './anything.ts', timeout: '30d', syncTimeout: '30d' },
      two: { model: './anything.ts', mode: 'async', replicas: { concurrency: 2 } },
    },
  });
});
afterAll(async () => {
  await server.stop();
  await removeFolder(folder);
});
beforeEach(() => {
  number += 1;
});

const myGate = (): string => gates.path(String(number));
const openGate = (): void => gates.open(String(number));
/** What the model answers when it is asked once more. */
const asked = async (endpoint: string, wish: unknown): Promise<unknown> =>
  (await server.ended(await server.submit(endpoint, wish))).outputs;

describe.concurrent('a replica that crashes', () => {
  test('costs its run an attempt, and the run succeeds with the next one', async () => {
    const runId = await server.submit('fragile', { do: 'exit-before-attempt', until: 3 });
    const run = await server.ended(runId);
    expect(run).toMatchObject({
      status: 'succeeded',
      outputs: { attempt: 3 },
      attempts: [
        { attempt: 1, outcome: 'failed', error: { type: 'replica-crashed' } },
        { attempt: 2, outcome: 'failed', error: { type: 'replica-crashed' } },
        { attempt: 3, outcome: 'succeeded', error: null },
      ],
    });
    expect(new Set(run.attempts.map(({ replica }: { replica: string }) => replica)).size).toBe(3);
    // Every one was the first run of a new replica.
    expect(
      run.attempts.every((attempt: { cold_start_seconds: number | null }) => attempt.cold_start_seconds !== null),
    ).toBe(true);
  });

  test('too often fails its run, with the last words of the replica', async () => {
    const run = await server.ended(await server.submit('broken', { do: 'exit' }));
    expect(run).toMatchObject({ status: 'failed', error: { type: 'replica-crashed', retryable: true } });
    expect(run.error.detail).toContain('exit code 3');
    expect(run.error.detail).toContain('the last words of a replica');
    expect(run.attempts).toHaveLength(3);
  });

  test('fails its run at once where the endpoint does not try again', async () => {
    const run = await server.ended(await server.submit('once', { do: 'exit' }));
    expect(run).toMatchObject({ status: 'failed', error: { type: 'replica-crashed' } });
    expect(run.attempts).toHaveLength(1);
  });

  test('does not keep the runs behind it from their turn', async () => {
    const [bad, good] = await Promise.all([
      server.submit('once', { do: 'exit' }),
      server.submit('once', { do: 'say', value: 'good' }),
    ]);
    expect(await server.ended(good)).toMatchObject({ status: 'succeeded', outputs: 'good' });
    expect(await server.ended(bad)).toMatchObject({ status: 'failed' });
  });
});

describe.concurrent('a model that fails', () => {
  test('is not asked again where the policy does not say so', async () => {
    const run = await server.ended(await server.submit('jobs', { do: 'throw' }));
    expect(run).toMatchObject({ status: 'failed', attempts: [{ outcome: 'failed', error: { type: 'model-error' } }] });
  });

  test('is asked again where it says so, and no more often', async () => {
    const run = await server.ended(await server.submit('forgiving', { do: 'throw' }));
    expect(run).toMatchObject({ status: 'failed', error: { detail: 'The model does not like this.' } });
    expect(run.attempts).toMatchObject([
      { attempt: 1, outcome: 'failed', error: { type: 'model-error' } },
      { attempt: 2, outcome: 'failed', error: { type: 'model-error' } },
    ]);
  });
});

describe.concurrent('a run that outlasts its timeout', () => {
  test('fails with how long it had, and leaves a replica that listens to its signal as it was', async () => {
    const pid = await asked('jobs', { do: 'pid' });
    const run = await server.ended(await server.submit('jobs', { do: 'hang' }, { timeout: 0.1 }));
    expect(run).toMatchObject({
      status: 'failed',
      error: { type: 'run-timeout', detail: expect.stringContaining('0.1 s') as string },
      attempts: [{ outcome: 'failed', error: { type: 'run-timeout' } }],
    });
    expect(await asked('jobs', { do: 'pid' })).toBe(pid);
  });

  test('is stopped from outside where its model does not listen, and another replica takes its place', async () => {
    const pid = await asked('stubborn', { do: 'pid' });
    const wish = { do: 'stubborn', path: gates.path('never opened') };
    const run = await server.ended(await server.submit('stubborn', wish, { timeout: 0.1 }));
    expect(run).toMatchObject({ status: 'failed', error: { type: 'run-timeout' } });
    expect(await asked('stubborn', { do: 'pid' })).not.toBe(pid);
  });

  test('is tried again where the policy says so', async () => {
    const run = await server.ended(await server.submit('forgiving', { do: 'hang' }, { timeout: 0.1 }));
    expect(run).toMatchObject({ status: 'failed', error: { type: 'run-timeout' } });
    expect(run.attempts).toHaveLength(2);
  });

  test('has its deadline said to the model', async () => {
    const run = await server.ended(await server.submit('jobs', { do: 'run' }, { timeout: 60 }));
    expect(run.outputs).toMatchObject({ id: run.run_id, attempt: 1 });
    expect(Date.parse(run.outputs.deadline)).toBeGreaterThan(Date.parse(run.started_at));
  });

  test('has all of it, also where that is more than a timer of Node holds', async () => {
    const answer = await server.post('/endpoints/month/invoke', { input: { do: 'say', value: 'in time' } });
    expect(answer.json).toMatchObject({ status: 'succeeded', outputs: 'in time', timeout: 30 * 86_400 });
  });
});

describe('a run that waits too long', () => {
  test('fails as queue-expired and is never started, and those who wait for it are told', async () => {
    const held = await server.submit('jobs', { path: myGate() });
    await server.inStatus(held, 'running');
    const log = `${myGate()}.log`;
    const answer = await server.post('/endpoints/jobs/invoke', { input: { log }, queue_ttl: 0.05, async: false });
    expect(answer.status).toBe(504);
    expect(answer.json.type).toContain('/queue-expired');
    openGate();
    await server.ended(held);
    const run = await server.run(answer.json.run_id);
    expect(run).toMatchObject({ status: 'failed', attempts: [], started_at: null, error: { type: 'queue-expired' } });
    expect(await server.endpoint('jobs')).toMatchObject({ queued: 0, running: 0 });
  });
});

describe('a run that is cancelled while it runs', () => {
  test('leaves the other run of its replica alone', async () => {
    const kept = await server.submit('two', { do: 'say', value: 'kept', path: myGate() });
    const cancelled = await server.submit('two', { do: 'hang' });
    await server.inStatus(kept, 'running');
    await server.inStatus(cancelled, 'running');
    await server.send('DELETE', `/runs/${cancelled}`);
    await until('it has stopped', async () => (await server.run(cancelled)).attempts[0].stopped_at);
    openGate();
    expect(await server.ended(kept)).toMatchObject({
      status: 'succeeded',
      outputs: 'kept',
      attempts: [{ attempt: 1, outcome: 'succeeded' }],
    });
  });

  test('never succeeds later, with any answer of its model', async () => {
    const wish = { do: 'stubborn', path: myGate(), log: `${myGate()}.log` };
    const runId = await server.submit('stubborn', wish);
    await server.inStatus(runId, 'running');
    await server.send('DELETE', `/runs/${runId}`);
    openGate();
    await until('it has stopped', async () => (await server.run(runId)).attempts[0].stopped_at);
    expect(await server.run(runId)).toMatchObject({
      status: 'cancelled',
      outputs: null,
      attempts: [{ outcome: 'cancelled' }],
    });
  });
});
