import { describe, expect, test } from 'vitest';
import { milliseconds, minutes, seconds } from '../../src/domain/time.ts';
import { ManualClock } from '../stores/ledger/manual-clock.ts';
import { Gates } from '../support/gate.ts';
import { folderForTest } from '../support/folder.ts';
import { isAlive } from '../support/processes.ts';
import { until } from '../support/until.ts';
import { ANYTHING, ask, fleetForTest, PROGRAM, told } from './fleet.ts';

const never = new AbortController().signal;

test('no replica runs before there is work, and one run starts one and not the fleet', async () => {
  const { supervisor, launched, slot } = await fleetForTest({ model: ANYTHING, replicas: { max: 4 } });
  expect(launched).toHaveLength(0);
  expect(supervisor.counts()).toEqual({ current: 0, desired: 0, min: 0, max: 4 });
  supervisor.demand(1);
  supervisor.demand(1);
  (await slot()).release();
  supervisor.demand(1);
  expect(launched).toHaveLength(1);
  expect(supervisor.counts()).toEqual({ current: 1, desired: 1, min: 0, max: 4 });
});

test('a thousand runs start one replica while nothing is known of them, and as many as there may be once one of them has ended', async () => {
  // Time stands still: a run takes as long as a start, so each deserves a replica of its own.
  const clock = new ManualClock();
  const { supervisor, launched, slot } = await fleetForTest({ model: ANYTHING, replicas: { max: 3 } }, { clock });
  supervisor.demand(1_000);
  expect(supervisor.counts()).toEqual({ current: 0, desired: 1, min: 0, max: 3 });
  await told(await slot(), { do: 'pid' });
  expect(launched).toHaveLength(1);
  supervisor.demand(999);
  expect(launched).toHaveLength(3);
  expect(supervisor.counts()).toEqual({ current: 1, desired: 3, min: 0, max: 3 });
  await until('three replicas are ready', () => supervisor.counts().current === 3);
  supervisor.demand(0);
  expect(supervisor.counts()).toEqual({ current: 3, desired: 0, min: 0, max: 3 });
});

test('a run that has been going on for longer than a start has others start beside it, though none has ended', async () => {
  const clock = new ManualClock();
  const gates = new Gates(await folderForTest());
  const { supervisor, launched, slot } = await fleetForTest({ model: ANYTHING, replicas: { max: 2 } }, { clock });
  const taken = await slot();
  supervisor.demand(1);
  expect(launched).toHaveLength(1);
  const held = told(taken, { do: 'say', value: 'done', path: gates.path('open') });
  clock.advance(seconds(1));
  supervisor.demand(1);
  expect(launched).toHaveLength(2);
  gates.open('open');
  expect(await held).toBe('done');
});

test('however much waits, there are never more replicas than max', async () => {
  const { supervisor, launched } = await fleetForTest({ model: ANYTHING, replicas: { max: 2 } });
  supervisor.warm(1_000);
  await until('two replicas are ready', () => supervisor.counts().current === 2);
  await Promise.all(supervisor.reserve(2).map((slot) => told(slot, { do: 'pid' })));
  supervisor.demand(1_000_000);
  expect(launched).toHaveLength(2);
  expect(supervisor.counts()).toMatchObject({ current: 2, desired: 2 });
});

test('replicas that take several runs at once are started for as many as they can keep busy', async () => {
  const replicas = { max: 4, concurrency: 3 };
  const { supervisor, launched, slot } = await fleetForTest(
    { model: ANYTHING, replicas },
    { clock: new ManualClock() },
  );
  await told(await slot(), { do: 'pid' });
  supervisor.demand(4);
  await until('two replicas are ready', () => supervisor.counts().current === 2);
  expect(launched).toHaveLength(2);
});

test('min replicas run without any work', async () => {
  const { supervisor } = await fleetForTest({ model: ANYTHING, replicas: { min: 1, max: 2 } });
  await until('a replica is ready', () => supervisor.counts().current === 1);
  expect(supervisor.counts()).toEqual({ current: 1, desired: 1, min: 1, max: 2 });
});

test('a replica has as many slots as its concurrency, and a slot that is given back can be had again', async () => {
  const { supervisor } = await fleetForTest({ model: ANYTHING, replicas: { min: 1, concurrency: 2 } });
  await until('a replica is ready', () => supervisor.counts().current === 1);
  const slots = supervisor.reserve(10);
  expect(slots).toHaveLength(2);
  expect(supervisor.reserve(10)).toHaveLength(0);
  slots[0]!.release();
  expect(supervisor.reserve(10)).toHaveLength(1);
});

test('slots are given out on the least busy replicas first', async () => {
  const { supervisor } = await fleetForTest({ model: ANYTHING, replicas: { min: 2, max: 2, concurrency: 2 } });
  await until('two replicas are ready', () => supervisor.counts().current === 2);
  const [first] = supervisor.reserve(1);
  const [second] = supervisor.reserve(1);
  expect(second!.replica).not.toBe(first!.replica);
  expect(new Set(supervisor.reserve(2).map(({ replica }) => replica)).size).toBe(2);
});

test('the whole of an idle replica can be had as one slot, and the rest of it is nobody else’s until it is shared or given back', async () => {
  const { supervisor } = await fleetForTest({ model: ANYTHING, replicas: { min: 1, concurrency: 3 } });
  await until('a replica is ready', () => supervisor.counts().current === 1);
  const whole = supervisor.reserveWhole()!;
  expect(supervisor.reserve(10)).toHaveLength(0);
  expect(supervisor.reserveWhole()).toBeNull();
  whole.share();
  const rest = supervisor.reserve(10);
  expect(rest).toHaveLength(2);
  for (const slot of [whole, ...rest]) slot.release();
  supervisor.reserveWhole()!.release();
  const again = supervisor.reserveWhole()!;
  await told(again, { do: 'pid' });
  expect(supervisor.reserve(10)).toHaveLength(3);
});

test('a replica that does anything cannot be had whole, and becomes idle once it is spared', async () => {
  const { supervisor } = await fleetForTest({ model: ANYTHING, replicas: { min: 2, max: 2, concurrency: 2 } });
  await until('two replicas are ready', () => supervisor.counts().current === 2);
  const [first, second, third] = supervisor.reserve(3);
  expect(supervisor.reserveWhole()).toBeNull();
  // The second replica has one run, and the other, which has two, has no place left.
  expect(supervisor.reserve(10, true)).toHaveLength(0);
  first!.release();
  // Now both have one: one of them is spared, and the other one is not.
  const others = supervisor.reserve(10, true);
  expect(others).toHaveLength(1);
  const spared = [second!, third!].find(({ replica }) => replica !== others[0]!.replica)!;
  spared.release();
  expect(supervisor.reserveWhole()!.replica).toBe(spared.replica);
});

test('replicas are started beside one that is taken whole', async () => {
  const replicas = { max: 2, concurrency: 4 };
  const { supervisor, launched, slot } = await fleetForTest(
    { model: ANYTHING, replicas },
    { clock: new ManualClock() },
  );
  await told(await slot(), { do: 'pid' });
  expect(supervisor.reserveWhole()).not.toBeNull();
  supervisor.demand(1);
  expect(launched).toHaveLength(2);
});

test('only the first invocation of a replica has its cold start, also after a slot that went unused', async () => {
  const { supervisor, slot } = await fleetForTest({ model: ANYTHING });
  supervisor.demand(1);
  const unused = await slot();
  expect(unused.coldStart).toBeGreaterThan(0);
  unused.release();
  const first = await slot();
  expect(first.coldStart).toBe(unused.coldStart);
  await told(first, { do: 'pid' });
  expect((await slot()).coldStart).toBeNull();
});

test('several invocations are in one replica at the same time', async () => {
  const gates = new Gates(await folderForTest());
  const { supervisor } = await fleetForTest({ model: ANYTHING, replicas: { min: 1, concurrency: 2 } });
  await until('a replica is ready', () => supervisor.counts().current === 1);
  const [waiting, other] = supervisor.reserve(2);
  const held = told(waiting!, { do: 'say', value: 'first', path: gates.path('open') });
  // The second is answered while the first is still in there.
  expect(await told(other!, { do: 'say', value: 'second' })).toBe('second');
  gates.open('open');
  expect(await held).toBe('first');
});

test('a slot is given back when its invocation is over', async () => {
  const { supervisor, slot } = await fleetForTest({ model: ANYTHING });
  supervisor.demand(1);
  await told(await slot(), { do: 'say', value: 1 });
  expect(supervisor.reserve(5)).toHaveLength(1);
});

test('a replica that ends is replaced when there is work again', async () => {
  const { supervisor, launched, slot } = await fleetForTest({ model: ANYTHING });
  supervisor.demand(1);
  expect(await ask(await slot(), { do: 'exit' }, never)).toMatchObject({ kind: 'crashed' });
  await until('it is gone', () => supervisor.counts().current === 0);
  supervisor.demand(1);
  expect(await told(await slot(), { do: 'say', value: 'again' })).toBe('again');
  expect(launched).toHaveLength(2);
});

test('a supervisor that is closed has stopped every replica, also those that were starting, and starts none anymore', async () => {
  const { supervisor, launched } = await fleetForTest({ model: ANYTHING, replicas: { min: 1, max: 3 } });
  await until('a replica is ready', () => supervisor.counts().current === 1);
  const pid = (await told(supervisor.reserve(1)[0]!, { do: 'pid' })) as number;
  supervisor.warm(3);
  await supervisor.close();
  expect(isAlive(pid)).toBe(false);
  expect(launched).toHaveLength(3);
  supervisor.warm(3);
  expect(launched).toHaveLength(3);
});

describe('replicas that are warmed', () => {
  test('are started without any work, once however often it is asked for, and are idle like any others', async () => {
    const clock = new ManualClock();
    const { supervisor, launched } = await fleetForTest({ model: ANYTHING, replicas: { max: 3 } }, { clock });
    supervisor.warm(2);
    expect(supervisor.counts()).toEqual({ current: 0, desired: 2, min: 0, max: 3 });
    expect(supervisor.health()).toMatchObject({ state: 'starting', lastStart: null });
    supervisor.warm(2);
    await until('two replicas are ready', () => supervisor.counts().current === 2);
    supervisor.warm(1);
    expect(launched).toHaveLength(2);
    supervisor.demand(0);
    expect(supervisor.counts()).toEqual({ current: 2, desired: 0, min: 0, max: 3 });
    expect(supervisor.health()).toMatchObject({ state: 'ready', lastStart: 0 });
    clock.advance(minutes(10));
    await until('they are gone', () => supervisor.counts().current === 0);
    expect(supervisor.health()).toMatchObject({ state: 'idle' });
  });

  test('are idle from then on, also those that were there', async () => {
    const clock = new ManualClock();
    const { supervisor } = await fleetForTest({ model: ANYTHING, replicas: { max: 2 } }, { clock });
    supervisor.warm(2);
    await until('two replicas are ready', () => supervisor.counts().current === 2);
    clock.advance(minutes(9));
    const [kept] = supervisor.reserve(1);
    kept!.release();
    supervisor.warm(1);
    clock.advance(minutes(9));
    const pids = await Promise.all(supervisor.reserve(2).map((slot) => told(slot, { do: 'pid' })));
    expect(new Set(pids).size).toBe(2);
  });

  test('are tried once more where a start has failed, and given up where it is trouble', async () => {
    const clock = new ManualClock();
    const { supervisor, launched } = await fleetForTest({ model: PROGRAM, env: { DIES: '1' } }, { clock });
    supervisor.warm(1);
    await until('the first start has failed', () => supervisor.health().state === 'backing-off');
    expect(supervisor.health()).toMatchObject({ trouble: null, failures: 1, retryAt: clock.now() + seconds(1) });
    clock.advance(seconds(1));
    supervisor.demand(0);
    await until('it is trouble', () => supervisor.health().state === 'failing');
    expect(supervisor.health()).toMatchObject({ failures: 2, retryAt: clock.now() + seconds(2) });
    clock.advance(seconds(2));
    supervisor.demand(0);
    expect(launched).toHaveLength(2);
    expect(supervisor.counts().desired).toBe(0);
  });
});

// These wait for pauses of the supervisor, and do so together.

describe.concurrent('an idle replica', () => {
  test('is stopped, down to min, and not before its time', async ({ onTestFinished: whenDone }) => {
    const clock = new ManualClock();
    const { supervisor } = await fleetForTest(
      { model: ANYTHING, replicas: { min: 1, max: 3, idle: '10m' } },
      { clock, whenDone },
    );
    supervisor.warm(3);
    await until('three replicas are ready', () => supervisor.counts().current === 3);
    const pids = await Promise.all(supervisor.reserve(3).map((slot) => told(slot, { do: 'pid' })));
    const [busy] = supervisor.reserve(1);
    clock.advance(minutes(10));
    await until('the idle ones are gone', () => supervisor.counts().current === 1);
    // The busy one is the one that stays.
    expect(await told(busy!, { do: 'pid' })).toBeOneOf(pids);
    await until('their processes are gone', () => pids.filter((pid) => isAlive(pid as number)).length === 1);
    expect(supervisor.counts()).toEqual({ current: 1, desired: 1, min: 1, max: 3 });
  });

  test('is not stopped where it was taken again before its time was over', async ({ onTestFinished: whenDone }) => {
    const clock = new ManualClock();
    const { supervisor } = await fleetForTest(
      { model: ANYTHING, replicas: { max: 2, idle: '10m' } },
      { clock, whenDone },
    );
    supervisor.warm(2);
    await until('two replicas are ready', () => supervisor.counts().current === 2);
    const [used, unused] = supervisor.reserve(2);
    unused!.release();
    clock.advance(minutes(9));
    const pid = await told(used!, { do: 'pid' });
    clock.advance(minutes(5));
    await until('the unused one is gone', () => supervisor.counts().current === 1);
    expect(await told(supervisor.reserve(1)[0]!, { do: 'pid' })).toBe(pid);
  });
});

test('no replica is idle as long as runs are known to wait', async () => {
  const clock = new ManualClock();
  const { supervisor } = await fleetForTest({ model: ANYTHING, replicas: { idle: '20ms' } }, { clock });
  supervisor.demand(1);
  await until('a replica is ready', () => supervisor.counts().current === 1);
  const [other] = supervisor.reserve(1);
  clock.advance(seconds(1));
  supervisor.demand(1);
  other!.release();
  // The look for idle replicas is over by the time that another one of this pace is gone.
  const faster = await fleetForTest({ model: ANYTHING, replicas: { idle: 0 } });
  faster.supervisor.warm(1);
  await until(
    'the other one has come and gone',
    () => faster.launched.length === 1 && faster.supervisor.health().state === 'idle',
  );
  expect(supervisor.counts().current).toBe(1);
  clock.advance(milliseconds(20));
  await until('it is gone', () => supervisor.counts().current === 0);
});

describe.concurrent('a model that does not start', () => {
  test('is trouble from the second time on, with the last lines that it printed', async ({
    onTestFinished: whenDone,
  }) => {
    const clock = new ManualClock();
    const { supervisor, changes } = await fleetForTest({ model: PROGRAM, env: { DIES: '1' } }, { clock, whenDone });
    supervisor.demand(1);
    await until('the first start has failed', () => changes() === 1);
    expect(supervisor.trouble()).toBeNull();
    await until('it is trouble', () => {
      clock.advance(seconds(1));
      supervisor.demand(1);
      return supervisor.trouble();
    });
    expect(supervisor.trouble()).toContain('exit code 7');
    expect(supervisor.trouble()).toContain('this program has no weights to load');
    expect(supervisor.trouble()).toContain('a program says hello');
  });

  test('is not tried again before its pause is over', async ({ onTestFinished: whenDone }) => {
    const clock = new ManualClock();
    const { supervisor, launched } = await fleetForTest({ model: PROGRAM, env: { DIES: '1' } }, { clock, whenDone });
    supervisor.demand(1);
    await until('the failed start is noticed', () => {
      clock.advance(seconds(1));
      supervisor.demand(1);
      return launched.length === 2;
    });
    await until('two starts have failed', () => supervisor.trouble());
    supervisor.demand(1);
    clock.advance(seconds(1));
    supervisor.demand(1);
    expect(launched).toHaveLength(2);
    clock.advance(seconds(1));
    supervisor.demand(1);
    expect(launched).toHaveLength(3);
  });

  test('is stopped when its start timeout is over, and the message says so', async ({ onTestFinished: whenDone }) => {
    const written = { model: PROGRAM, env: { NEVER_READY: '1' }, replicas: { startTimeout: '2s' } };
    const { supervisor } = await fleetForTest(written, { whenDone });
    await until('it is trouble', () => {
      supervisor.demand(1);
      return supervisor.trouble();
    });
    expect(supervisor.trouble()).toContain('was not ready within 2 s');
    expect(supervisor.trouble()).toContain('a program says hello');
  });

  test('because its command does not exist is named', async ({ onTestFinished: whenDone }) => {
    const { supervisor } = await fleetForTest({ model: ['/no/such/program'] }, { whenDone });
    await until('it is trouble', () => {
      supervisor.demand(1);
      return supervisor.trouble();
    });
    expect(supervisor.trouble()).toContain('/no/such/program');
  });

  test('is no trouble anymore once one has started', async ({ onTestFinished: whenDone }) => {
    const gates = new Gates(await folderForTest(whenDone));
    const model = ['sh', '-c', `test -e ${gates.path('weights')} && exec ${PROGRAM.join(' ')}`];
    const { supervisor } = await fleetForTest({ model }, { whenDone });
    await until('it is trouble', () => {
      supervisor.demand(1);
      return supervisor.trouble();
    });
    gates.open('weights');
    await until('a replica is ready', () => {
      supervisor.demand(1);
      return supervisor.counts().current === 1;
    });
    expect(supervisor.trouble()).toBeNull();
  });
});

describe.concurrent('a model that ends as soon as it is ready', () => {
  const written = { model: PROGRAM, env: { ENDS_WHEN_READY: '1' } };

  test('is started again after a pause that grows, and is trouble from the second time on', async ({
    expect,
    onTestFinished: whenDone,
  }) => {
    const clock = new ManualClock();
    const { supervisor, changes } = await fleetForTest(written, { clock, whenDone });
    const ends = async (times: number): Promise<void> => {
      supervisor.demand(1);
      // It becomes ready, and then it ends.
      await until(`it has ended ${times} times`, () => changes() === 2 * times);
      expect(supervisor.canGrow).toBe(false);
    };
    await ends(1);
    expect(supervisor.trouble()).toBeNull();
    clock.advance(seconds(1));
    await ends(2);
    expect(supervisor.trouble()).toContain('exit code 8');
    clock.advance(seconds(1));
    expect(supervisor.canGrow).toBe(false);
    clock.advance(seconds(1));
    await ends(3);
  });

  test('is started again at once where it had finished an invocation', async ({ expect, onTestFinished: whenDone }) => {
    const { supervisor, launched, slot } = await fleetForTest(
      { model: PROGRAM },
      { clock: new ManualClock(), whenDone },
    );
    await told(await slot(), { do: 'pid' });
    expect(await ask(await slot(), { do: 'exit' }, never)).toMatchObject({ kind: 'crashed' });
    await until('it is gone', () => supervisor.counts().current === 0);
    supervisor.demand(1);
    expect(launched).toHaveLength(2);
  });

  test('is started again at once where it had been ready for a while', async ({ expect, onTestFinished: whenDone }) => {
    const clock = new ManualClock();
    const { supervisor, launched, slot } = await fleetForTest({ model: PROGRAM }, { clock, whenDone });
    const first = await slot();
    clock.advance(seconds(10));
    expect(await ask(first, { do: 'exit' }, never)).toMatchObject({ kind: 'crashed' });
    await until('it is gone', () => supervisor.counts().current === 0);
    supervisor.demand(1);
    expect(launched).toHaveLength(2);
  });

  test('in the middle of an invocation stalls nobody: the next one is started at once, however often', async ({
    expect,
    onTestFinished: whenDone,
  }) => {
    const clock = new ManualClock();
    const { supervisor, slot } = await fleetForTest({ model: PROGRAM }, { clock, whenDone });
    for (let count = 0; count < 4; count += 1) {
      expect(await ask(await slot(), { do: 'exit' }, never)).toMatchObject({ kind: 'crashed' });
      await until('it is gone', () => supervisor.counts().current === 0);
      expect(supervisor.canGrow).toBe(true);
      expect(supervisor.trouble()).toBeNull();
    }
    expect(await told(await slot(), { do: 'say', value: 1 })).toMatchObject({ value: 1 });
  });
});

test('a replica that is to be replaced gets nothing new, and is ended once nobody has a slot on it', async () => {
  const { supervisor } = await fleetForTest({ model: ANYTHING, replicas: { min: 1, concurrency: 5 } });
  await until('a replica is ready', () => supervisor.counts().current === 1);
  const slots = supervisor.reserve(5);
  const pid = (await told(slots[0]!, { do: 'pid' })) as number;
  for (const slot of slots.slice(1, 4))
    expect(await ask(slot, { do: 'throw' }, never)).toMatchObject({ kind: 'model-error' });
  expect(supervisor.reserve(5)).toEqual([]);
  // A caller that had a slot already uses it as if nothing had been.
  expect(await told(slots[4]!, { do: 'pid' })).toBe(pid);
  await until('it is gone', () => !isAlive(pid));
});

test('where max is one, a replica that ends slowly is gone before the next one starts', async () => {
  const replicas = { max: 1, idle: 0 };
  const { supervisor, launched, slot } = await fleetForTest({
    model: PROGRAM,
    env: { IGNORES_SIGTERM: '1' },
    replicas,
  });
  const pid = (await told(await slot(), { do: 'pid' })) as number;
  supervisor.demand(0);
  await until('it is told to end', () => supervisor.counts().current === 0);
  // One that is ready a moment before it is asked for may have been idle for too long already, and
  // another one started.
  const before = launched.length;
  supervisor.demand(1);
  expect(isAlive(pid)).toBe(true);
  expect(supervisor.health().state).toBe('starting');
  expect(launched).toHaveLength(before);
  const next = await slot();
  expect(isAlive(pid)).toBe(false);
  next.release();
});

test('a program that answers its pings with 404 has trouble to tell of long before its startTimeout', async () => {
  const clock = new ManualClock();
  const written = { model: PROGRAM, env: { PING_STATUS: '404' }, replicas: { min: 1 } };
  const { supervisor } = await fleetForTest(written, { clock });
  expect(supervisor.trouble()).toBeNull();
  const trouble = await until('it is told', () => {
    clock.advance(seconds(1));
    return supervisor.trouble();
  });
  expect(trouble).toContain('so far GET /ping was answered with 404.');
});
