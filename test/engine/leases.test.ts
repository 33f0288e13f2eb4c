import { expect, onTestFinished, test, vi } from 'vitest';
import { newRunId, systemClock } from '../../src/system/clock.ts';
import type { RunId } from '../../src/domain/ids.ts';
import { seconds } from '../../src/domain/time.ts';
import { Leases } from '../../src/engine/leases.ts';
import { observeWith } from '../../src/engine/observer.ts';
import { RunEnds } from '../../src/engine/run-ends.ts';
import { RunEvents } from '../../src/engine/run-events.ts';
import { Sweeper } from '../../src/engine/sweeper.ts';
import { openSqliteLedger } from '../../src/stores/ledger/sqlite/driver.ts';
import { openLog } from '../../src/system/log.ts';
import { ManualClock } from '../stores/ledger/manual-clock.ts';
import { batch, call, chunk, deployment } from '../stores/ledger/runs.ts';
import { claimedRun } from '../support/claimed.ts';
import { faulty } from '../support/faulty.ts';
import { until } from '../support/until.ts';

/**
 * A server with a run at work and one that was taken and released, and its sweeper, on a clock
 * that the test moves.
 */
async function sweptForTest() {
  const clock = new ManualClock();
  const { store: ledger, failNext } = faulty(await openSqliteLedger(':memory:', clock));
  const leases = new Leases(ledger, openLog('silent'), clock);
  onTestFinished(async () => {
    leases.close();
    await ledger.close();
  });
  await ledger.deploy(deployment());
  const [atWork, dropped] = [await claimedRun(ledger, call()), await claimedRun(ledger, call())];
  const held = leases.hold(atWork.claim);
  leases.hold(dropped.claim).release();
  const swept: RunId[] = [];
  const sweeper = new Sweeper({
    ledger,
    leases,
    owner: 'me',
    ends: new RunEnds(new RunEvents(), observeWith([])),
    observer: { ...observeWith([]), reclaimed: ({ runId }) => swept.push(runId) },
    log: openLog('silent'),
    onSwept: () => {},
  });
  return { clock, ledger, leases, failNext, sweeper, swept, held, dropped: dropped.claim.runId };
}

test('a server that stood still for longer than its leases loses none of its runs to itself', async () => {
  const { clock, ledger, sweeper, swept, held, dropped } = await sweptForTest();
  clock.advance(seconds(36));
  await sweeper.sweep();
  // What nobody works on any more is taken back as ever.
  expect(swept).toEqual([dropped]);
  expect(await ledger.run(held.claim.runId)).toMatchObject({ status: 'running', attempt: 1 });
});

test('a server that cannot renew its leases goes on with its runs, and takes none back before it can', async () => {
  const { clock, ledger, failNext, sweeper, swept, held, dropped } = await sweptForTest();
  clock.advance(seconds(36));
  failNext('renew');
  await sweeper.sweep();
  expect([swept, held.signal.aborted]).toEqual([[], false]);
  await sweeper.sweep();
  expect(swept).toEqual([dropped]);
  expect(await ledger.run(held.claim.runId)).toMatchObject({ status: 'running', attempt: 1 });
});

test('leases that were renewed a moment ago are not renewed with every sweep', async () => {
  const { leases, failNext } = await sweptForTest();
  failNext('renew', Infinity);
  expect(await leases.renewOverdue()).toBe(true);
});

test('a server that stops at once does not wait for ever for a run that it was claiming', async () => {
  const ledger = await openSqliteLedger(':memory:', systemClock);
  onTestFinished(() => ledger.close());
  const leases = new Leases(ledger, openLog('silent'), systemClock);
  onTestFinished(() => leases.close());
  const before = leases.hold({ runId: newRunId(), attempt: 1 });
  leases.stopAll('draining');
  const after = leases.hold({ runId: newRunId(), attempt: 1 });
  expect([before, after].map(({ signal }) => signal.reason as unknown)).toEqual(['draining', 'draining']);
});

async function leasesForTest() {
  const ledger = await openSqliteLedger(':memory:', systemClock);
  await ledger.deploy(deployment());
  const leases = new Leases(ledger, openLog('silent'), systemClock);
  onTestFinished(async () => {
    leases.close();
    await ledger.close();
  });
  return { ledger, leases };
}

test('of two attempts at a run that this server has in hand the earlier one is lost, and ends nothing of the later', async () => {
  const { leases } = await leasesForTest();
  const runId = newRunId();
  const earlier = leases.hold({ runId, attempt: 1 });
  const later = leases.hold({ runId, attempt: 2 });
  expect([earlier.signal.reason, later.signal.aborted]).toEqual(['lost', false]);
  leases.stop({ runId, attempt: 1 }, 'cancelled');
  earlier.release();
  expect(later.signal.aborted).toBe(false);
  leases.stop({ runId, attempt: 2 }, 'cancelled');
  expect(later.signal.reason).toBe('cancelled');
});

test('work on a run that somebody else has ended is stopped, and with a batch that on its chunks', async () => {
  // The renewals that come by themselves never do.
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
  onTestFinished(() => void vi.useRealTimers());
  const { ledger, leases } = await leasesForTest();
  const parent = await claimedRun(ledger, batch(), 'engine');
  const atWork = await claimedRun(ledger, chunk(parent.claim, 0, 1));
  const other = await claimedRun(ledger, call());
  const held = leases.hold(atWork.claim, parent.claim.runId);
  const kept = leases.hold(other.claim);
  await ledger.cancel(parent.claim.runId);
  leases.check(parent.claim.runId);
  await until('the chunk is stopped', () => held.signal.aborted);
  expect([held.signal.reason, kept.signal.aborted]).toEqual(['lost', false]);
});

test('a run that is over its time still has somebody who is told of it; a cancelled one has not', async () => {
  const { leases } = await leasesForTest();
  const late = leases.hold({ runId: newRunId(), attempt: 1 });
  late.stop('timeout');
  const cancelled = leases.hold({ runId: newRunId(), attempt: 1 });
  cancelled.stop('cancelled');
  expect([late.over.aborted, cancelled.over.aborted]).toEqual([false, true]);
});
