// Stopping replicas that will not stop takes as long as their grace: these tests wait for it
// together.

import { existsSync, readFileSync } from 'node:fs';
import { beforeEach, describe, test } from 'vitest';
import { Gates } from '../support/gate.ts';
import { folderForTest, type WhenDone } from '../support/folder.ts';
import { isAlive } from '../support/processes.ts';
import { hasPython, NO_PYTHON } from '../support/python.ts';
import { until } from '../support/until.ts';
import { ANYTHING, ask, fleetForTest, PROGRAM, told } from './fleet.ts';

const gatesForTest = async (whenDone: WhenDone): Promise<Gates> => new Gates(await folderForTest(whenDone));

const MODELS = [
  { model: ANYTHING, isThere: true },
  { model: './anything.py', isThere: hasPython },
];

describe.concurrent.for(MODELS)('a model ($model) whose run is cancelled', ({ model, isThere }) => {
  beforeEach(({ skip }) => skip(!isThere, NO_PYTHON));

  test('and that listens to its signal stops, and keeps its replica', async ({ expect, onTestFinished: whenDone }) => {
    const gates = await gatesForTest(whenDone);
    const { slot } = await fleetForTest({ model, replicas: { min: 1 } }, { whenDone });
    const pid = await told(await slot(), { do: 'pid' });
    const cancel = new AbortController();
    const reply = ask(await slot(), { do: 'hang', log: gates.path('started') }, cancel.signal);
    await until('the model works on it', () => existsSync(gates.path('started')));
    cancel.abort();
    expect(await reply).toEqual({ kind: 'stopped' });
    expect(await told(await slot(), { do: 'pid' })).toBe(pid);
  });

  test('is not called stopped before it has stopped', async ({ expect, onTestFinished: whenDone }) => {
    const gates = await gatesForTest(whenDone);
    const { supervisor, slot } = await fleetForTest({ model, replicas: { min: 1 } }, { whenDone });
    const cancel = new AbortController();
    const wish = { do: 'stubborn', path: gates.path('open'), log: gates.path('started') };
    let stopped = false;
    const reply = ask(await slot(), wish, cancel.signal).finally(() => (stopped = true));
    await until('the model works on it', () => existsSync(gates.path('started')));
    cancel.abort();
    // While it is still at it, its slot is nobody else's.
    expect(supervisor.reserve(1)).toHaveLength(0);
    expect(stopped).toBe(false);
    gates.open('open');
    expect(await reply).toEqual({ kind: 'stopped' });
    expect(await until('the slot is free', () => supervisor.reserve(1)[0])).toBeDefined();
  });

  test('and that neither listens nor lets go is killed', async ({ expect, onTestFinished: whenDone }) => {
    const gates = await gatesForTest(whenDone);
    const { supervisor, slot } = await fleetForTest({ model, replicas: { min: 1 } }, { whenDone });
    const pid = (await told(await slot(), { do: 'pid' })) as number;
    const cancel = new AbortController();
    const wish = { do: 'stubborn', path: gates.path('never opened'), log: gates.path('started') };
    const reply = ask(await slot(), wish, cancel.signal);
    await until('the model works on it', () => existsSync(gates.path('started')));
    cancel.abort();
    expect(await reply).toEqual({ kind: 'stopped' });
    expect(isAlive(pid)).toBe(false);
    await until('its place is free', () => supervisor.counts().current === 0);
  });

  test('goes on with the other runs of its replica', async ({ expect, onTestFinished: whenDone }) => {
    const gates = await gatesForTest(whenDone);
    const replicas = { min: 1, concurrency: 2 };
    const { supervisor } = await fleetForTest({ model, replicas }, { whenDone });
    await until('a replica is ready', () => supervisor.counts().current === 1);
    const [hanging, working] = supervisor.reserve(2);
    const cancel = new AbortController();
    const work = ask(working!, { do: 'say', value: 'done', path: gates.path('open'), log: gates.path('working') });
    const hang = ask(hanging!, { do: 'hang', log: gates.path('hanging') }, cancel.signal);
    await until('the model works on both', () => ['working', 'hanging'].every((name) => existsSync(gates.path(name))));
    cancel.abort();
    expect(await hang).toEqual({ kind: 'stopped' });
    // It works on nothing that was stopped, and takes others in its place.
    const [another] = supervisor.reserve(1);
    expect(await ask(another!, { do: 'say', value: 'in its place' })).toMatchObject({ kind: 'output' });
    gates.open('open');
    expect(await work).toMatchObject({ kind: 'output' });
  });
});

describe.concurrent('a program', () => {
  test('that hangs up without an answer has lost that run alone, and is replaced when it does so time and again', async ({
    expect,
    onTestFinished: whenDone,
  }) => {
    const { supervisor, slot } = await fleetForTest({ model: PROGRAM, replicas: { min: 1 } }, { whenDone });
    const pid = (await told(await slot(), { do: 'pid' })) as number;
    expect(await ask(await slot(), { do: 'hang-up' })).toMatchObject({ kind: 'crashed' });
    expect(await told(await slot(), { do: 'pid' })).toBe(pid);
    for (let count = 0; count < 3; count += 1) await ask(await slot(), { do: 'hang-up' });
    await until('it has ended', () => !isAlive(pid));
    await until('its place is free', () => supervisor.counts().current === 0);
  });

  test('whose run is cancelled is not called working because others of its runs go on, and ends with those', async ({
    expect,
    onTestFinished: whenDone,
  }) => {
    const gates = await gatesForTest(whenDone);
    const replicas = { min: 1, concurrency: 3 };
    const { supervisor, slot } = await fleetForTest({ model: PROGRAM, replicas }, { whenDone });
    const pid = (await told(await slot(), { do: 'pid' })) as number;
    const [hanging, working] = supervisor.reserve(2);
    const cancel = new AbortController();
    let worked = false;
    const work = ask(working!, { do: 'wait', path: gates.path('open') }).finally(() => (worked = true));
    const hang = ask(hanging!, { do: 'hang' }, cancel.signal);
    cancel.abort();
    expect(await hang).toEqual({ kind: 'stopped' });
    expect(worked).toBe(false);
    // Nobody knows whether it still works on what was stopped: it gets nothing new.
    expect(supervisor.reserve(1)).toHaveLength(0);
    expect(isAlive(pid)).toBe(true);
    gates.open('open');
    expect(await work).toMatchObject({ kind: 'output' });
    await until('it has ended', () => !isAlive(pid));
  });

  test('that goes on when its run is cancelled is killed', async ({ expect, onTestFinished: whenDone }) => {
    const { slot } = await fleetForTest({ model: PROGRAM, replicas: { min: 1 } }, { whenDone });
    const pid = (await told(await slot(), { do: 'pid' })) as number;
    const cancel = new AbortController();
    const reply = ask(await slot(), { do: 'hang' }, cancel.signal);
    cancel.abort();
    expect(await reply).toEqual({ kind: 'stopped' });
    expect(isAlive(pid)).toBe(false);
  });

  test('that does not listen to SIGTERM is killed', async ({ expect, onTestFinished: whenDone }) => {
    const written = { model: PROGRAM, env: { IGNORES_SIGTERM: '1' }, replicas: { min: 1 } };
    const { supervisor, slot } = await fleetForTest(written, { whenDone });
    const pid = (await told(await slot(), { do: 'pid' })) as number;
    await supervisor.close();
    expect(isAlive(pid)).toBe(false);
  });

  test('can be stopped though a process that it has started left its group and holds its output open', async ({
    expect,
    onTestFinished: whenDone,
  }) => {
    const gates = await gatesForTest(whenDone);
    const escaped = `setsid sh -c 'echo $$ > ${gates.path('pid')}; exec sleep 600' & exec ${PROGRAM.join(' ')}`;
    const { supervisor, slot } = await fleetForTest(
      { model: ['sh', '-c', escaped], replicas: { min: 1 } },
      { whenDone },
    );
    const pid = (await told(await slot(), { do: 'pid' })) as number;
    await until('the other process has left', () => existsSync(gates.path('pid')));
    whenDone(() => void process.kill(Number(readFileSync(gates.path('pid'), 'utf8')), 'SIGKILL'));
    await supervisor.close();
    expect(isAlive(pid)).toBe(false);
  });
});
