// A server with one endpoint for each way to misbehave, and a healthy one: every way ends its own
// run with the right error, and nothing else.

import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { thisMachine } from '../../src/replicas/isolation/machine.ts';
import type { EndpointFile } from '../../src/config/config-file.ts';
import { isAlive, processesWith } from '../support/processes.ts';
import { FIXTURES, startTestService, type TestService } from '../support/service.ts';
import { until } from '../support/until.ts';

const { memory, pids } = thisMachine().cgroups.folders;
const WITHOUT_MEMORY = memory === undefined ? ' (skipped: no memory cgroup can be made here)' : '';
const WITHOUT_PIDS = pids === undefined ? ' (skipped: no pids cgroup can be made here)' : '';

const MIB = 2 ** 20;
const BAD_PROGRAM = [process.execPath, `${FIXTURES}bad-program.ts`];
const PROGRAM = [process.execPath, `${FIXTURES}obeying-program.js`];

/** Every endpoint's processes have its marker in their environment. */
const markerOf = new Map<string, string>();
const bad = (name: string, changes: Partial<EndpointFile> = {}): [string, EndpointFile] => {
  markerOf.set(name, randomUUID());
  const env = { ...changes.env, MARKER: markerOf.get(name)! };
  return [name, { model: './badmodel.ts', retry: { maxAttempts: 1 }, ...changes, env }];
};

// oxlint-disable-next-line typescript/no-explicit-any -- a run, or what a model said, as it came
type Anything = any;

let server: TestService;

beforeAll(async () => {
  server = await startTestService({
    endpoints: Object.fromEntries([
      bad('healthy'),
      bad('crashing'),
      bad('hanging', { timeout: '1s' }),
      bad('talkative', { replicas: { outputBytes: '1MiB' } }),
      bad('forking', { replicas: { pids: 48 } }),
      bad('zombie'),
      bad('tables', { onRowError: 'mark' }),
      bad('greedy', { replicas: { memory: '256MB' } }),
      bad('greedy-together', { replicas: { memory: '256MB', concurrency: 2, max: 2 }, retry: { maxAttempts: 2 } }),
      bad('program', { model: BAD_PROGRAM, replicas: { outputBytes: '1MiB' } }),
      bad('never-ready', { model: PROGRAM, env: { NEVER_READY: '1' }, replicas: { startTimeout: '1s' } }),
      bad('short-lived', { model: PROGRAM, env: { ENDS_WHEN_READY: '1' } }),
    ]),
  });
});

afterAll(async () => {
  await server.stop();
  expect([...markerOf.values()].flatMap(processesWith)).toEqual([]);
});

/**
 * A run's end, and that a run of its endpoint after it and one of the healthy endpoint meanwhile
 * are as if nothing had been.
 */
async function harm(endpoint: string, wish: unknown): Promise<Anything> {
  const runId = await server.submit(endpoint, wish);
  const meanwhile = await server.ended(await server.submit('healthy', { do: 'nothing' }));
  expect(meanwhile).toMatchObject({ status: 'succeeded', attempts: [{ attempt: 1 }] });
  const run = await server.ended(runId);
  const afterwards = await server.ended(await server.submit(endpoint, { do: 'nothing' }));
  expect(afterwards).toMatchObject({ status: 'succeeded' });
  return run;
}

/** What an endpoint answers to a wish, once it has. */
async function told(endpoint: string, wish: unknown): Promise<Anything> {
  const { run_id: runId } = await server.ended(await server.submit(endpoint, wish));
  return (await server.get(`/runs/${runId}/output`)).json;
}

const pidOf = (endpoint: string): Promise<number> => told(endpoint, { do: 'nothing' });

describe('a model whose process ends', () => {
  test.each([
    ['segfault', 'killed by SIGSEGV'],
    ['exit', 'exit code 0'],
  ])('by %s fails its run as crashed, with how', async (way, how) => {
    const pid = await pidOf('crashing');
    const run = await harm('crashing', { do: way });
    expect(run).toMatchObject({ status: 'failed', error: { type: 'replica-crashed' } });
    expect(run.error.detail).toContain(how);
    expect(isAlive(pid)).toBe(false);
  });
});

describe('a model that does not come back', () => {
  test.each(['hang', 'spin', 'ignore-sigterm'])('because it would %s is stopped at its timeout', async (way) => {
    const pid = await pidOf('hanging');
    const run = await harm('hanging', { do: way });
    expect(run).toMatchObject({ status: 'failed', error: { type: 'run-timeout' } });
    expect(isAlive(pid)).toBe(false);
  });
});

describe('a model whose answer is wrong', () => {
  test('because it is no HTTP has an invalid output', async () => {
    const run = await harm('program', { do: 'garbage' });
    expect(run).toMatchObject({ status: 'failed', error: { type: 'invalid-output' } });
    expect(run.error.detail).toContain('is not HTTP');
  });

  test('because it breaks off has an invalid output, and goes on', async () => {
    const [before] = processesWith(markerOf.get('program')!);
    const run = await harm('program', { do: 'truncate' });
    expect(run).toMatchObject({ status: 'failed', error: { type: 'invalid-output' }, attempts: [{ attempt: 1 }] });
    expect(processesWith(markerOf.get('program')!)).toContain(before);
  });

  test('because rows are missing fails those rows, named', async () => {
    const runId = await server.submit('tables', [{ id: 1 }, { id: 2 }], { batch: { size: 1 } });
    expect(await server.ended(runId)).toMatchObject({ status: 'succeeded' });
    const chunks = await server.chunks(runId);
    expect(chunks.map(({ error }) => error.type)).toEqual(['invalid-output', 'invalid-output']);
    expect(await pidOf('healthy')).toBeGreaterThan(0);
  });

  test.each([
    ['talkative', { do: 'huge-output', count: 64 * MIB }],
    ['program', { do: 'endless-output' }],
  ])('because %s says more than it may has an invalid output, and is not read whole', async (endpoint, wish) => {
    const run = await harm(endpoint, wish);
    expect(run).toMatchObject({ status: 'failed', error: { type: 'invalid-output' } });
    expect(run.error.detail).toContain('longer than 1 MiB');
  });
});

test('a model that prints without end costs the server no memory', async () => {
  await pidOf('talkative');
  const before = process.memoryUsage().rss;
  expect(await harm('talkative', { do: 'chatter', count: 512 * MIB })).toMatchObject({ status: 'succeeded' });
  expect(process.memoryUsage().rss - before).toBeLessThan(256 * MIB);
});

describe('a model that starts processes', () => {
  test('leaves none behind that are in its group', async () => {
    const child = await told('crashing', { do: 'child' });
    expect(isAlive(child)).toBe(true);
    await harm('crashing', { do: 'segfault' });
    await until('the child is gone', () => !isAlive(child));
  });

  test.skipIf(pids === undefined && memory === undefined)(
    `leaves none behind that have left it${WITHOUT_PIDS}`,
    async () => {
      const started = await told('crashing', { do: 'daemons' });
      expect(started.map(isAlive)).toEqual([true, true]);
      await harm('crashing', { do: 'segfault' });
      expect(started.filter(isAlive)).toEqual([]);
    },
  );

  test.skipIf(pids === undefined)(`gets no more of them than it may have${WITHOUT_PIDS}`, async () => {
    const count = await told('forking', { do: 'fork-bomb' });
    expect(count).toBeGreaterThan(0);
    expect(count).toBeLessThan(48);
    expect(processesWith(markerOf.get('forking')!).length).toBeGreaterThan(count);
    expect(await pidOf('healthy')).toBeGreaterThan(0);
  });
});

describe('a model that is not ready', () => {
  test('ever, is said to be unavailable to who waits', async () => {
    const answer = await server.post('/endpoints/never-ready/invoke', { input: {}, async: false });
    expect(answer).toMatchObject({ status: 503 });
    expect(answer.json.type).toContain('replica-unavailable');
    expect(answer.json.detail).toContain('was not ready within 1 s');
    expect(await pidOf('healthy')).toBeGreaterThan(0);
  });

  test('for longer than a moment, crashes or is unavailable, as who waits is told', async () => {
    const answer = await server.post('/endpoints/short-lived/invoke', { input: {}, async: false });
    expect(answer.json.type).toMatch(/replica-(?:crashed|unavailable)$/);
    expect(await pidOf('healthy')).toBeGreaterThan(0);
  });
});

describe('a model that is healthy by its own word and fails everything', () => {
  test('is replaced after three failures in a row', async () => {
    const first = await pidOf('zombie');
    for (let count = 0; count < 3; count += 1) {
      const run = await server.ended(await server.submit('zombie', { do: 'break' }));
      expect(run).toMatchObject({ status: 'failed', error: { type: 'model-error' } });
    }
    const second = await pidOf('zombie');
    expect(second).not.toBe(first);
    await until('the first one is gone', () => !isAlive(first));
  });

  test('is kept where a run between them succeeds', async () => {
    const pid = await pidOf('zombie');
    for (const way of ['throw', 'throw', 'nothing', 'throw', 'throw'])
      await server.ended(await server.submit('zombie', { do: way }));
    expect(await pidOf('zombie')).toBe(pid);
  });

  test('is replaced ever more rarely while its successors fail as well', async () => {
    const pids = new Set<string>();
    for (let count = 0; count < 9; count += 1) {
      const run = await server.ended(await server.submit('zombie', { do: 'throw' }));
      pids.add(run.attempts[0].replica);
    }
    // After three, and then after six.
    expect(pids.size).toBe(2);
  });
});

describe.skipIf(memory === undefined)(`a model that takes memory without end${WITHOUT_MEMORY}`, () => {
  test('is ended at its limit, which is named, and its run is not tried again', async () => {
    const run = await harm('greedy', { do: 'allocate' });
    expect(run).toMatchObject({ status: 'failed', error: { type: 'out-of-memory', retryable: false } });
    expect(run.error.detail).toContain('out of memory (limit 256 MB)');
    expect(run.attempts).toHaveLength(1);
  });

  test('costs no other run in its replica more than an attempt', async () => {
    const waiting = await server.submit('greedy-together', { do: 'hang' });
    await server.inStatus(waiting, 'running');
    const greedy = await server.submit('greedy-together', { do: 'allocate' });
    const run = await server.ended(greedy);
    expect(run.error.type).toBe('out-of-memory');
    expect(run.attempts.map(({ error }: { error: { type: string } }) => error.type)).toEqual([
      'replica-crashed',
      'out-of-memory',
    ]);
    await server.send('POST', `/runs/${waiting}/cancel`);
    expect(await server.ended(waiting)).toMatchObject({ status: 'cancelled' });
  });
});
