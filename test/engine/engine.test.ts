// The engine without a transport, on a clock that stands still until the test moves it.

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { inputKey } from '../../src/stores/blobs/blobs.ts';
import { newRunId } from '../../src/system/clock.ts';
import { ANYBODY } from '../../src/domain/access.ts';
import { isEnded } from '../../src/domain/run.ts';
import { milliseconds, minutes, seconds } from '../../src/domain/time.ts';
import { engineForTest } from '../support/engine.ts';
import { newFolder, removeFolder } from '../support/folder.ts';
import { Gates } from '../support/gate.ts';
import { until } from '../support/until.ts';

const never = new AbortController().signal;
let folder: string;
let gates: Gates;

beforeAll(async () => {
  folder = await newFolder();
  gates = new Gates(folder);
});
afterAll(() => removeFolder(folder));

test('a run that waits for the concurrency limit starts when another ends, and not with the next sweep', async ({
  onTestFinished: whenDone,
}) => {
  const { submit, ended } = await engineForTest(
    whenDone,
    { jobs: { concurrencyLimit: 1, replicas: { concurrency: 4 } } },
    'without-sweeps',
  );
  // Large enough to be stored as a blob, which takes a while after the replica is free.
  const value = 'x'.repeat(100_000);
  const runs = await Promise.all(Array.from({ length: 6 }, () => submit({ do: 'say', value })));
  for (const runId of runs) expect((await ended(runId)).run.status).toBe('succeeded');
});

test('a run whose input is not there makes room for the next at once, and not with the next sweep', async ({
  onTestFinished: whenDone,
}) => {
  const { submit, ended, blobs } = await engineForTest(whenDone, { jobs: {} }, 'without-sweeps');
  const held = await submit({ path: gates.path('lost inputs') });
  // Large enough to be stored as a blob.
  const value = 'x'.repeat(100_000);
  const lost = await Promise.all(Array.from({ length: 6 }, () => submit({ do: 'say', value })));
  for (const runId of lost) await blobs.store.delete(inputKey(runId));
  const good = await submit({ do: 'say', value: 1 });
  gates.open('lost inputs');
  await ended(held);
  expect((await ended(good)).run.status).toBe('succeeded');
  for (const runId of lost)
    expect((await ended(runId)).run).toMatchObject({ status: 'failed', error: { type: 'payload-damaged' } });
});

describe.concurrent('a retry', () => {
  test('waits for its delay, says that this is what it waits for, and starts when it is over', async ({
    onTestFinished: whenDone,
  }) => {
    const { engine, clock, submit, ended } = await engineForTest(whenDone, { jobs: {} });
    // A replica that has finished a run is replaced at once.
    await ended(await submit({ do: 'say', value: 0 }));
    const runId = await submit({ do: 'exit-before-attempt', until: 2 });
    const waiting = await until('the first attempt is over', async () => {
      const view = await engine.runs.view(runId, ANYBODY);
      return view.attempts[0]?.outcome === 'failed' ? view : null;
    });
    expect(waiting).toMatchObject({ waitingOn: 'retry_delay', run: { status: 'queued', attempt: 1 } });
    // Later ones go first meanwhile.
    expect((await ended(await submit({ do: 'say', value: 1 }))).run.status).toBe('succeeded');
    expect(await engine.runs.view(runId, ANYBODY)).toMatchObject({ waitingOn: 'retry_delay', run: { attempt: 1 } });
    clock.advance(seconds(1));
    expect(await ended(runId)).toMatchObject({ run: { status: 'succeeded', attempt: 2 } });
  });
});

describe.concurrent('a run that waits', () => {
  test('expires when its time is over, and not a millisecond before', async ({ onTestFinished: whenDone }) => {
    const { engine, ledger, clock, submit, ended } = await engineForTest(whenDone, { jobs: {} });
    const held = await submit({ path: gates.path('expiry') });
    await until('it runs', async () => (await engine.runs.view(held, ANYBODY)).run.status === 'running');
    const runId = await submit({}, { queueTtl: minutes(1) });
    clock.advance(milliseconds(59_999));
    expect(await ledger.expire()).toEqual([]);
    expect((await engine.runs.view(runId, ANYBODY)).run.status).toBe('queued');
    clock.advance(milliseconds(1));
    expect(await ended(runId)).toMatchObject({
      run: { status: 'failed', error: { type: 'queue-expired' } },
      attempts: [],
    });
    gates.open('expiry');
    await ended(held);
  });

  test('is told how long that may take, once runs have ended', async ({ onTestFinished: whenDone }) => {
    const { engine, clock, submit, ended } = await engineForTest(whenDone, { jobs: {} });
    for (let count = 0; count < 2; count += 1) await ended(await submit({}));
    clock.advance(seconds(1));
    const held = await submit({ path: gates.path('estimate') });
    await until('it runs', async () => (await engine.runs.view(held, ANYBODY)).run.status === 'running');
    const [first, second] = [await submit({}), await submit({})];
    // Two runs in the last second: half a second for each that is ahead.
    expect((await engine.runs.view(first, ANYBODY)).queue).toEqual({ ahead: 0, estimatedStart: 0 });
    expect((await engine.runs.view(second, ANYBODY)).queue).toEqual({ ahead: 1, estimatedStart: 500 });
    gates.open('estimate');
    await ended(second);
  });
});

test('a batch that waits is told how long by the batches that ended, however many chunks they had', async ({
  onTestFinished: whenDone,
}) => {
  const { engine, clock, submit, ended } = await engineForTest(whenDone, { jobs: {} });
  const table = [{ id: 1 }, { id: 2 }, { id: 3 }];
  const batch = { size: 1 };
  for (let count = 0; count < 2; count += 1) await ended(await submit(table, { batch }));
  clock.advance(seconds(1));
  // With the only replica held, two batches are taken up and wait for their chunks; the next ones
  // stay in the queue.
  const held = await submit({ path: gates.path('batches') });
  await until('it runs', async () => (await engine.runs.view(held, ANYBODY)).run.status === 'running');
  const [first, second, third, last] = [
    await submit(table, { batch }),
    await submit(table, { batch }),
    await submit(table, { batch }),
    await submit(table, { batch }),
  ];
  for (const runId of [first, second])
    await until('it is taken up', async () => (await engine.runs.view(runId, ANYBODY)).run.status === 'running');
  expect((await engine.runs.view(third, ANYBODY)).queue).toEqual({ ahead: 0, estimatedStart: 0 });
  expect((await engine.runs.view(last, ANYBODY)).queue).toEqual({ ahead: 1, estimatedStart: 500 });
  expect((await engine.endpoints.views(ANYBODY))[0]).toMatchObject({ drainRate: 2, oldestAge: 0 });
  clock.advance(seconds(3));
  expect((await engine.endpoints.views(ANYBODY))[0]).toMatchObject({ drainRate: 0.5, oldestAge: seconds(3) });
  gates.open('batches');
  await ended(last);
});

test('the history of a run goes on where it was read before', async ({ onTestFinished: whenDone }) => {
  const { engine, submit, ended } = await engineForTest(whenDone, { jobs: {} });
  const runId = await submit({ do: 'throw' });
  await ended(runId);
  expect((await engine.runs.history(runId, ANYBODY)).map(({ number }) => number)).toEqual([1, 2, 3]);
  expect(await engine.runs.history(runId, ANYBODY, 2)).toMatchObject([
    { number: 3, status: 'failed', attempt: { attempt: 1 } },
  ]);
  expect(await engine.runs.history(runId, ANYBODY, 3)).toEqual([]);
  await expect(engine.runs.history(newRunId(), ANYBODY)).rejects.toMatchObject({ slug: 'run-not-found' });
});

describe.concurrent('a claim that was taken back while its server was still at work', () => {
  test('is another attempt, and any answer of the first one is refused', async ({ onTestFinished: whenDone }) => {
    const { engine, ledger, submit, ended } = await engineForTest(whenDone, { jobs: { replicas: { concurrency: 2 } } });
    const runId = await submit({ do: 'run', path: gates.path('lapsed') });
    await until('it runs', async () => (await engine.runs.view(runId, ANYBODY)).run.status === 'running');
    await ledger.reclaim('another server');
    await until('it was claimed again', async () => (await engine.runs.view(runId, ANYBODY)).run.attempt === 2);
    gates.open('lapsed');
    const { run, attempts } = await ended(runId);
    expect(run).toMatchObject({ status: 'succeeded', attempt: 2 });
    expect(attempts.map(({ outcome }) => outcome)).toEqual(['lost', 'succeeded']);
    const output = await engine.runs.output((await engine.runs.view(runId, ANYBODY)).run);
    expect(JSON.parse(new TextDecoder().decode(output!.content))).toMatchObject({ attempt: 2 });
  });

  test('has its replica told to stop, so that nothing is worked on twice', async ({ onTestFinished: whenDone }) => {
    const { engine, ledger, submit } = await engineForTest(whenDone, { jobs: { replicas: { concurrency: 2 } } });
    const log = join(folder, 'told');
    const runId = await submit({ do: 'hang', log });
    await until('the model works on it', () => existsSync(log));
    await ledger.reclaim('another server');
    const [first] = await until('the first attempt has stopped', async () => {
      const { attempts } = await engine.runs.view(runId, ANYBODY);
      return attempts[0]!.stoppedAt === null ? null : attempts;
    });
    expect(first).toMatchObject({ attempt: 1, outcome: 'lost' });
    await engine.cancel(runId, ANYBODY);
  });
});

describe.concurrent('waiting for the end of a run', () => {
  test('is over at once for a run that has ended, and refused for one that does not exist', async ({
    onTestFinished: whenDone,
  }) => {
    const { engine, submit, ended } = await engineForTest(whenDone, { jobs: {} });
    const runId = await submit({});
    await ended(runId);
    expect(await engine.runs.waitForEnd(runId, ANYBODY, minutes(10), never)).toMatchObject({
      run: { status: 'succeeded' },
    });
    await expect(engine.runs.waitForEnd(newRunId(), ANYBODY, minutes(10), never)).rejects.toMatchObject({
      slug: 'run-not-found',
    });
  });

  test('is over when the one who waits is gone, also when that was before', async ({ onTestFinished: whenDone }) => {
    const { engine, submit } = await engineForTest(whenDone, { jobs: {} });
    const runId = await submit({ do: 'hang' });
    const gone = new AbortController();
    const waiting = engine.runs.waitForEnd(runId, ANYBODY, minutes(10), gone.signal);
    gone.abort();
    await waiting;
    await engine.runs.waitForEnd(runId, ANYBODY, minutes(10), gone.signal);
    expect(isEnded((await engine.runs.view(runId, ANYBODY)).run.status)).toBe(false);
  });
});

describe.concurrent('the default endpoint', () => {
  test('is the only one there is', async ({ onTestFinished: whenDone }) => {
    const { engine } = await engineForTest(whenDone, { only: {} });
    expect(engine.endpoints.resolve(null, ANYBODY).spec.name).toBe('only');
  });

  test('is the one that is marked, where there are several', async ({ onTestFinished: whenDone }) => {
    const { engine } = await engineForTest(whenDone, { one: {}, two: { default: true } });
    expect(engine.endpoints.resolve(null, ANYBODY).spec.name).toBe('two');
    expect(engine.endpoints.resolve('one', ANYBODY).spec.name).toBe('one');
  });

  test('is one of those that a key is bound to, and no others are named', async ({ onTestFinished: whenDone }) => {
    const { engine } = await engineForTest(whenDone, { one: {}, two: { default: true }, three: {} });
    const boundTo = (...endpoints: string[]) => ({ tenant: 'default', endpoints });
    expect(engine.endpoints.resolve(null, boundTo('one')).spec.name).toBe('one');
    expect(engine.endpoints.resolve(null, boundTo('one', 'two')).spec.name).toBe('two');
    expect(() => engine.endpoints.resolve(null, boundTo('one', 'three'))).toThrow('name one of: one, three.');
    expect(() => engine.endpoints.resolve('two', boundTo('one'))).toThrow(
      'There is no endpoint "two". Deployed are: one.',
    );
    expect(() => engine.endpoints.resolve(null, boundTo())).toThrow('name one of: none.');
    expect((await engine.endpoints.views(boundTo('three'))).map(({ deployed }) => deployed.spec.name)).toEqual([
      'three',
    ]);
  });

  test('does not exist where none is marked, and the others are named', async ({ onTestFinished: whenDone }) => {
    const { engine } = await engineForTest(whenDone, { one: {}, two: {} });
    expect(() => engine.endpoints.resolve(null, ANYBODY)).toThrow(
      'No endpoint is marked as the default; name one of: one, two.',
    );
    expect(() => engine.endpoints.resolve('three', ANYBODY)).toThrow(
      'There is no endpoint "three". Deployed are: one, two.',
    );
  });
});
