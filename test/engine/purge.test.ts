import { systemClock } from '../../src/system/clock.ts';
import { expect, onTestFinished, test } from 'vitest';
import { ANYBODY } from '../../src/domain/access.ts';
import { milliseconds, seconds } from '../../src/domain/time.ts';
import { Leases } from '../../src/engine/leases.ts';
import { observeWith } from '../../src/engine/observer.ts';
import { countPurgeable, purge, type PurgeDeps } from '../../src/engine/purge.ts';
import { RunEnds } from '../../src/engine/run-ends.ts';
import { RunEvents } from '../../src/engine/run-events.ts';
import { PURGE_MAX } from '../../src/stores/ledger/ledger.ts';
import { openSqliteLedger } from '../../src/stores/ledger/sqlite/driver.ts';
import { openLog } from '../../src/system/log.ts';
import { ManualClock } from '../stores/ledger/manual-clock.ts';
import { batch, call, deployment } from '../stores/ledger/runs.ts';

const ALL = { viewer: ANYBODY, endpoint: 'echo', olderThan: null, runName: null };

async function depsForTest(): Promise<PurgeDeps & { readonly clock: ManualClock; readonly events: RunEvents }> {
  const clock = new ManualClock();
  const ledger = await openSqliteLedger(':memory:', clock);
  const leases = new Leases(ledger, openLog('silent'), systemClock);
  onTestFinished(async () => {
    leases.close();
    await ledger.close();
  });
  await ledger.deploy(deployment({ queueLimit: 10 * PURGE_MAX }));
  const events = new RunEvents();
  return { ledger, leases, clock, events, ends: new RunEnds(events, observeWith([])) };
}

test('a purge goes on until nothing is left, and takes no run that arrives meanwhile', async () => {
  const deps = await depsForTest();
  const { ledger, clock, events } = deps;
  const waiting = Array.from({ length: 2 * PURGE_MAX + 1 }, () => call());
  await ledger.enqueue(waiting);
  const late = call();
  let arrives: Promise<unknown> = Promise.resolve();
  // The first are told when the ledger has taken a thousand: the rest is still to come.
  events.onEnd(waiting[0]!.runId, () => {
    clock.advance(milliseconds(1));
    arrives = ledger.enqueue([late]);
  });
  expect(await countPurgeable(deps, ALL)).toBe(waiting.length);
  expect(await purge(deps, ALL)).toBe(waiting.length);
  await arrives;
  expect((await ledger.run(waiting.at(-1)!.runId))?.status).toBe('cancelled');
  expect((await ledger.run(late.runId))?.status).toBe('queued');
});

test('an age is counted from now, and a run that is just as old stays', async () => {
  const deps = await depsForTest();
  const { ledger, clock } = deps;
  await ledger.enqueue([call()]);
  clock.advance(seconds(1));
  await ledger.enqueue([call()]);
  clock.advance(seconds(1));
  expect(await countPurgeable(deps, { ...ALL, olderThan: seconds(2) })).toBe(0);
  expect(await purge(deps, { ...ALL, olderThan: seconds(1) })).toBe(1);
  expect(await purge(deps, { ...ALL, olderThan: seconds(0) })).toBe(1);
});

test('chunks that are at work for a batch in the queue are stopped', async () => {
  const deps = await depsForTest();
  const { ledger, leases } = deps;
  const table = batch();
  await ledger.enqueue([table]);
  const lease = seconds(30);
  const slots = [{ replica: null, coldStart: null }];
  const claimed = { endpoint: 'echo', version: 1, slots, alone: true, owner: 'me', lease } as const;
  const [taken] = await ledger.claim({ ...claimed, lane: 'engine' });
  const chunk = call({
    kind: 'chunk',
    input: null,
    queueTtl: null,
    parent: { claim: taken!.claim, rows: { from: 0, to: 1 } },
  });
  await ledger.enqueue([chunk]);
  const [atWork] = await ledger.claim({ ...claimed, lane: 'replica' });
  const held = leases.hold(atWork!.claim);
  await ledger.finish([{ claim: taken!.claim, result: { kind: 'released' }, progress: null }]);
  expect(await purge(deps, ALL)).toBe(1);
  expect(held.signal).toMatchObject({ aborted: true, reason: 'cancelled' });
  held.release();
});

test('runs of another tenant stay, and where a name is given those of another name', async () => {
  const deps = await depsForTest();
  const { ledger } = deps;
  const mine = [call({ runName: 'nightly' }), call({ runName: 'other' }), call()];
  const theirs = call({ tenant: 'theirs', runName: 'nightly' });
  await ledger.enqueue([...mine, theirs]);
  expect(await purge(deps, { ...ALL, runName: 'nightly' })).toBe(1);
  expect(await purge(deps, ALL)).toBe(2);
  expect((await ledger.run(theirs.runId))?.status).toBe('queued');
});
