import { expect, onTestFinished, test } from 'vitest';
import { cancelRun } from '../../src/engine/cancel.ts';
import { Leases } from '../../src/engine/leases.ts';
import { observeWith } from '../../src/engine/observer.ts';
import { RunEnds } from '../../src/engine/run-ends.ts';
import { type RunEnded, RunEvents } from '../../src/engine/run-events.ts';
import { openSqliteLedger } from '../../src/stores/ledger/sqlite/driver.ts';
import { openLog } from '../../src/system/log.ts';
import { ManualClock } from '../stores/ledger/manual-clock.ts';
import { batch, chunk, deployment } from '../stores/ledger/runs.ts';
import { claimedRun } from '../support/claimed.ts';

test('a cancel of a batch stops the work on its chunks here, and is told to those who wait', async () => {
  const clock = new ManualClock();
  const ledger = await openSqliteLedger(':memory:', clock);
  await ledger.deploy(deployment());
  const leases = new Leases(ledger, openLog('silent'), clock);
  onTestFinished(async () => {
    leases.close();
    await ledger.close();
  });
  const parent = await claimedRun(ledger, batch(), 'engine');
  const atWork = await claimedRun(ledger, chunk(parent.claim, 0, 1));
  const held = [parent, atWork].map(({ claim }) => leases.hold(claim));
  const events = new RunEvents();
  const ends: RunEnded[] = [];
  events.onEnd(parent.claim.runId, (end) => ends.push(end));
  const run = (await ledger.run(parent.claim.runId))!;
  expect(await cancelRun({ ledger, leases, clock, ends: new RunEnds(events, observeWith([])) }, run)).toBe('cancelled');
  expect(held.map(({ signal }) => signal.reason as unknown)).toEqual(['cancelled', 'cancelled']);
  expect(ends).toMatchObject([{ runId: run.runId, status: 'cancelled' }]);
});
