import { expect, test } from 'vitest';
import { engineForTest } from '../support/engine.ts';
import { folderForTest } from '../support/folder.ts';
import { Gates } from '../support/gate.ts';
import { until } from '../support/until.ts';

const ONE = { replicas: { min: 1, max: 1, concurrency: 1 } } as const;

test('a claim that fails keeps no slot, and the next wake-up claims what waits', async ({
  onTestFinished: whenDone,
}) => {
  const { submit, ended, failNext, failuresLeft } = await engineForTest(whenDone, { jobs: ONE }, 'without-sweeps');
  await ended(await submit({}));
  failNext('claim');
  const first = await submit({});
  await until('the claim has failed', () => failuresLeft('claim') === 0);
  const second = await submit({});
  expect((await ended(first)).run.status).toBe('succeeded');
  expect((await ended(second)).run.status).toBe('succeeded');
});

test('a slot that nothing was claimed for is there for the next run', async ({ onTestFinished: whenDone }) => {
  const gates = new Gates(await folderForTest(whenDone));
  const jobs = { replicas: { min: 1, max: 1, concurrency: 2 } };
  const { submit, ended } = await engineForTest(whenDone, { jobs }, 'without-sweeps');
  const first = await submit({ do: 'say', path: gates.path('on') });
  expect((await ended(await submit({}))).run.status).toBe('succeeded');
  gates.open('on');
  expect((await ended(first)).run.status).toBe('succeeded');
});

test('runs that arrive while others are being claimed wait for no sweep', async ({ onTestFinished: whenDone }) => {
  const { submit, ended } = await engineForTest(whenDone, { jobs: ONE }, 'without-sweeps');
  await ended(await submit({}));
  for (let round = 0; round < 20; round += 1) {
    const runs = [submit({}), submit({}), submit({})];
    for (const run of runs) expect((await ended(await run)).run.status).toBe('succeeded');
  }
});

test('a run that arrives while another is being claimed does not wait for that one to end', async ({
  onTestFinished: whenDone,
}) => {
  const gates = new Gates(await folderForTest(whenDone));
  const jobs = { replicas: { min: 1, max: 1, concurrency: 2 } };
  const { submit, ended, holdNext } = await engineForTest(whenDone, { jobs }, 'without-sweeps');
  await ended(await submit({}));
  const claim = holdNext('claim');
  const first = await submit({ do: 'say', path: gates.path('on') });
  await until('it is being claimed', claim.isHeld);
  const second = await submit({});
  claim.release();
  expect((await ended(second)).run.status).toBe('succeeded');
  gates.open('on');
  expect((await ended(first)).run.status).toBe('succeeded');
});
