import { expect, onTestFinished, test } from 'vitest';
import { systemClock } from '../../src/system/clock.ts';
import type { RunId } from '../../src/domain/ids.ts';
import { seconds } from '../../src/domain/time.ts';
import { Leases } from '../../src/engine/leases.ts';
import { observeWith, type RunObserver } from '../../src/engine/observer.ts';
import { RunEnds } from '../../src/engine/run-ends.ts';
import { RunEvents } from '../../src/engine/run-events.ts';
import { Sweeper } from '../../src/engine/sweeper.ts';
import { openSqliteLedger } from '../../src/stores/ledger/sqlite/driver.ts';
import { openLog } from '../../src/system/log.ts';
import { ManualClock } from '../stores/ledger/manual-clock.ts';
import { call, deployment } from '../stores/ledger/runs.ts';
import { claimedRun } from '../support/claimed.ts';
import { faulty } from '../support/faulty.ts';

/** A sweeper over a ledger whose calls can fail. */
async function sweeperForTest() {
  const clock = new ManualClock();
  const { store: ledger, failNext } = faulty(await openSqliteLedger(':memory:', clock));
  const leases = new Leases(ledger, openLog('silent'), systemClock);
  onTestFinished(async () => {
    leases.close();
    await ledger.close();
  });
  await ledger.deploy(deployment({ queueLimit: 5_000 }));
  const events = new RunEvents(() => {});
  const ended: [RunId, string][] = [];
  const reclaimed: RunId[] = [];
  let sweeps = 0;
  const observer: RunObserver = {
    ...observeWith([]),
    ended: ({ runId }, status) => ended.push([runId, status]),
    reclaimed: ({ runId }) => reclaimed.push(runId),
  };
  const sweeper = new Sweeper({
    ledger,
    leases,
    owner: 'its successor',
    ends: new RunEnds(events, observer),
    observer,
    log: openLog('silent'),
    onSwept: () => (sweeps += 1),
  });
  return { clock, ledger, failNext, events, ended, reclaimed, sweeper, sweeps: () => sweeps };
}

test('one sweep ends all that have waited too long, however many they are', async () => {
  const { clock, ledger, ended, sweeper } = await sweeperForTest();
  const runs = Array.from({ length: 1_001 }, () => call({ queueTtl: seconds(1) }));
  await ledger.enqueue(runs);
  clock.advance(seconds(1));
  await sweeper.sweep();
  expect(ended.length).toBe(runs.length);
});

test('one sweep takes back all that their server has lost, however many they are', async () => {
  const { ledger, reclaimed, sweeper } = await sweeperForTest();
  await ledger.enqueue(Array.from({ length: 1_001 }, () => call()));
  const slots = Array.from({ length: 1_001 }, () => ({ replica: 'r', coldStart: null }));
  const asked = { endpoint: 'echo', version: 1, lane: 'replica', slots, alone: false } as const;
  const claimed = await ledger.claim({ ...asked, owner: 'a server that is gone', lease: seconds(30) });
  expect(claimed.length).toBe(1_001);
  await sweeper.sweep();
  expect(new Set(reclaimed).size).toBe(1_001);
});

test('those who wait for a run that a sweep has ended are told, and so is the deliverer', async () => {
  const { clock, ledger, events, sweeper } = await sweeperForTest();
  const run = call({ queueTtl: seconds(1) });
  await ledger.enqueue([run]);
  const told: unknown[] = [];
  events.onEnd(run.runId, (end) => told.push(end));
  clock.advance(seconds(1));
  await sweeper.sweep();
  expect(told).toMatchObject([{ runId: run.runId, status: 'failed', hasCallback: true }]);
});

test('after every sweep what has become due is looked for', async () => {
  const { sweeper, sweeps } = await sweeperForTest();
  await sweeper.sweep();
  await sweeper.sweep();
  expect(sweeps()).toBe(2);
});

test('a sweep that fails is not the last, and the next one makes up for it', async () => {
  const { ledger, failNext, ended, sweeper } = await sweeperForTest();
  const { claim } = await claimedRun(ledger, call({ lostWorkersMax: 1 }));
  failNext('reclaim');
  await sweeper.sweep();
  expect((await ledger.run(claim.runId))?.status).toBe('running');
  await sweeper.sweep();
  expect(ended).toEqual([[claim.runId, 'failed']]);
});
