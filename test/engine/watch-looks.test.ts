// What a watch finds by looking: the ledger is shared, and no hint ever comes. The test has the
// ticks pass.

import { beforeEach, expect, onTestFinished, test, vi } from 'vitest';
import { Leases } from '../../src/engine/leases.ts';
import { type RunEnded, RunEvents } from '../../src/engine/run-events.ts';
import { Watch } from '../../src/engine/watch.ts';
import type { Claim, Ledger } from '../../src/stores/ledger/ledger.ts';
import { openSqliteLedger } from '../../src/stores/ledger/sqlite/driver.ts';
import { openLog } from '../../src/system/log.ts';
import { ManualClock } from '../stores/ledger/manual-clock.ts';
import { batch, call, chunk, deployment, inline } from '../stores/ledger/runs.ts';
import { claimedRun } from '../support/claimed.ts';
import { type Faulty, faulty } from '../support/faulty.ts';
import { until } from '../support/until.ts';

let ledger: Ledger;
let faults: Faulty<Ledger>;
let watch: Watch;
beforeEach(async () => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
  onTestFinished(() => void vi.useRealTimers());
  ledger = await openSqliteLedger(':memory:', new ManualClock());
  await ledger.deploy(deployment());
  // The same ledger as a server sees it that shares it with others.
  const shared = new Proxy(ledger, {
    get: (target, verb) => {
      if (verb === 'isShared') return true;
      const value: unknown = Reflect.get(target, verb, target);
      return typeof value === 'function' ? (value.bind(target) as unknown) : value;
    },
  });
  faults = faulty(shared);
  const log = openLog('silent');
  const leases = new Leases(ledger, log, new ManualClock());
  watch = new Watch({ ledger: faults.store, events: new RunEvents(), leases, log, onQueued: () => {} });
  onTestFinished(async () => {
    leases.close();
    await ledger.close();
  });
});

const succeed = (claim: Claim) =>
  ledger.finish([{ claim, result: { kind: 'succeeded', output: inline('{}') }, progress: null }]);

/** Lets ticks pass until a condition holds. */
const ticksUntil = (what: string, condition: () => boolean): Promise<boolean> =>
  until(what, () => {
    vi.advanceTimersByTime(50);
    return condition();
  });

test('the end of a run is found though nothing was heard of it, also after a look that failed', async () => {
  const { claim } = await claimedRun(ledger, call());
  const ends: RunEnded[] = [];
  onTestFinished(watch.onEnd(claim.runId, (end) => ends.push(end)));
  faults.failNext('run');
  await ticksUntil('a look has failed', () => faults.failuresLeft('run') === 0);
  await succeed(claim);
  await ticksUntil('the end is found', () => ends.length > 0);
  expect(ends).toMatchObject([{ runId: claim.runId, status: 'succeeded' }]);
});

test('of a batch each chunk that has ended is told once, and none that goes on', async () => {
  const { claim: parent } = await claimedRun(ledger, batch(), 'engine');
  const { claim: first } = await claimedRun(ledger, chunk(parent, 0, 1));
  const { claim: second } = await claimedRun(ledger, chunk(parent, 1, 2));
  const ends: RunEnded[] = [];
  onTestFinished(watch.onChunkEnd(parent.runId, (end) => ends.push(end)));
  await succeed(first);
  await ticksUntil('the first is found', () => ends.length > 0);
  await succeed(second);
  await ticksUntil('the second is found', () => ends.some(({ runId }) => runId === second.runId));
  expect(ends.map(({ runId, status }) => [runId, status])).toEqual([
    [first.runId, 'succeeded'],
    [second.runId, 'succeeded'],
  ]);
});

test('nothing is looked for once nobody waits', () => {
  const stop = watch.onEnd(call().runId, () => {});
  expect(vi.getTimerCount()).toBeGreaterThan(0);
  const before = vi.getTimerCount();
  stop();
  expect(vi.getTimerCount()).toBe(before - 1);
});
