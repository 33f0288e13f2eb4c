// Versions where the ledger has a bad moment. Nobody waits for the regular look
// here: the test has the engine look.

import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { DeploymentState } from '../../src/stores/ledger/ledger.ts';
import type { Deployed } from '../../src/engine/deployment.ts';
import { engineForTest } from '../support/engine.ts';
import { folderForTest } from '../support/folder.ts';
import { Gates } from '../support/gate.ts';
import { isAlive } from '../support/processes.ts';
import { until } from '../support/until.ts';

type Tested = Awaited<ReturnType<typeof engineForTest>>;

/** Stages another version of the only endpoint, with another model where one is given. */
async function staged({ ledger, deployed: [first] }: Tested, file?: string): Promise<Deployed> {
  const { spec } = first!;
  const { name, queueLimit, concurrencyLimit } = spec;
  const version = await ledger.stage({
    name,
    fingerprint: file ?? 'b',
    spec: 'null',
    source: 'api',
    queueLimit,
    concurrencyLimit,
  });
  return { ...first!, version, spec: file === undefined ? spec : { ...spec, model: { runtime: 'node', file } } };
}

const states = async ({ ledger }: Tested): Promise<DeploymentState[]> =>
  (await ledger.deployments()).map(({ state }) => state);

test('a version whose taking over could not be written down takes over with the next look', async ({
  onTestFinished: whenDone,
}) => {
  const tested = await engineForTest(whenDone, { jobs: {} }, 'without-sweeps');
  tested.failNext('settle');
  await tested.engine.endpoints.deploy(await staged(tested));
  const versions = tested.engine.endpoints.versionsOf('jobs')!;
  await until('its replica is ready', () => versions.current.at(-1)!.supervisor.counts().current > 0);
  await until('it takes over', async () => {
    await tested.engine.endpoints.tidy();
    return versions.active.deployed.version === 2;
  });
  expect(await states(tested)).toEqual(['superseded', 'active']);
});

test('a version that was given up leaves no replica and does not stay "starting", also where that could not be written at once', async ({
  onTestFinished: whenDone,
}) => {
  const tested = await engineForTest(whenDone, { jobs: {} }, 'without-sweeps');
  const folder = await folderForTest(whenDone);
  const [file, started] = [join(folder, 'slow.mjs'), join(folder, 'pid')];
  writeFileSync(
    file,
    `import { writeFileSync } from 'node:fs';
    writeFileSync(${JSON.stringify(started)}, String(process.pid));
    await new Promise(() => setInterval(() => {}, 1_000));`,
  );
  const slow = await staged(tested, file);
  await tested.engine.endpoints.deploy(slow);
  const versions = tested.engine.endpoints.versionsOf('jobs')!;
  const tried = versions.current.at(-1)!;
  const pid = await until(
    'its replica starts',
    () => existsSync(started) && (Number(readFileSync(started, 'utf8')) || null),
  );
  expect(isAlive(pid)).toBe(true);
  tested.failNext('settle');
  expect(await versions.keep(1)).toBe(true);
  expect(isAlive(pid)).toBe(false);
  expect(await states(tested)).toEqual(['active', 'starting']);
  expect(versions.all.map(({ deployed }) => deployed.version)).toEqual([1]);
  expect(tested.engine.endpoints.atWork).not.toContain(tried);
  await tested.engine.endpoints.tidy();
  expect(await tested.ledger.deployments()).toMatchObject([
    { state: 'active' },
    { state: 'failed', reason: 'Version 1 was deployed again before it was ready.' },
  ]);
});

test('what was handed in to a version before another took over is executed by it, also what waits', async ({
  onTestFinished: whenDone,
}) => {
  const gates = new Gates(await folderForTest(whenDone));
  const jobs = { replicas: { min: 1, max: 1, concurrency: 1 } };
  const tested = await engineForTest(whenDone, { jobs }, 'without-sweeps');
  const { endpoints } = tested.engine;
  const working = await tested.submit({ do: 'say', path: gates.path('on') });
  await until('it is at work', async () => (await tested.ledger.run(working))?.status === 'running');
  const waiting = await tested.submit({ do: 'run' });
  await endpoints.deploy(await staged(tested));
  await until('the next version takes over', async () => {
    await endpoints.tidy();
    return endpoints.versionsOf('jobs')!.active.deployed.version === 2;
  });
  await endpoints.tidy();
  gates.open('on');
  for (const runId of [working, waiting])
    expect((await tested.ended(runId)).run).toMatchObject({ status: 'succeeded', version: 1 });
});

test('the version that is active here is not opened twice, in any state that another server has left the ledger', async ({
  onTestFinished: whenDone,
}) => {
  const tested = await engineForTest(whenDone, { jobs: {} }, 'without-sweeps');
  const { version } = await staged(tested);
  await tested.ledger.settle('jobs', version, { state: 'active' });
  await tested.engine.endpoints.deploy(tested.deployed[0]!);
  expect(tested.engine.endpoints.atWork).toHaveLength(1);
  expect(await states(tested)).toEqual(['active', 'superseded']);
});

test('an endpoint that was taken away is not made active again by a version that becomes ready meanwhile', async ({
  onTestFinished: whenDone,
}) => {
  const tested = await engineForTest(whenDone, { jobs: {} }, 'without-sweeps');
  await tested.engine.endpoints.deploy(await staged(tested));
  const versions = tested.engine.endpoints.versionsOf('jobs')!;
  const next = versions.current.at(-1)!;
  expect(await versions.retire()).toBe('retired');
  await until('it is ready', () => next.supervisor.counts().current > 0);
  await versions.stop();
  expect(await states(tested)).not.toContain('active');
});
