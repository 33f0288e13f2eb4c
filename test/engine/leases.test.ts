import { expect, onTestFinished, test } from 'vitest';
import { newRunId, systemClock } from '../../src/clock.ts';
import { seconds } from '../../src/domain/time.ts';
import { LEASE, Leases } from '../../src/engine/leases.ts';
import { observeWith } from '../../src/engine/observer.ts';
import { RunEvents } from '../../src/engine/run-events.ts';
import { Sweeper } from '../../src/engine/sweeper.ts';
import { openSqliteLedger } from '../../src/ledger/sqlite/driver.ts';
import { openLog } from '../../src/log.ts';
import { ManualClock } from '../ledger/manual-clock.ts';
import { call, deployment } from '../ledger/runs.ts';

test('a server that stood still for longer than its leases loses none of its runs to itself', async () => {
  const clock = new ManualClock();
  const ledger = await openSqliteLedger(':memory:', clock);
  onTestFinished(() => ledger.close());
  await ledger.deploy(deployment());
  await ledger.enqueue([call(), call()]);
  const slots = [{ replica: 'one', coldStart: null }];
  const asked = {
    endpoint: 'echo',
    version: 1,
    lane: 'replica',
    slots,
    alone: true,
    owner: 'me',
    lease: LEASE,
  } as const;
  const leases = new Leases(ledger, openLog('silent'), clock);
  onTestFinished(() => leases.close());
  const [held] = await ledger.claim(asked);
  leases.hold(held!.claim);
  const [dropped] = await ledger.claim(asked);
  leases.hold(dropped!.claim).release();
  clock.advance(seconds(36));
  const swept: (string | undefined)[] = [];
  const observer = observeWith([]);
  const sweeper = new Sweeper({
    ledger,
    leases,
    owner: 'me',
    events: new RunEvents(() => {}),
    observer: { ...observer, reclaimed: ({ runId }) => swept.push(runId) },
    log: openLog('silent'),
    onSwept: () => {},
  });
  await sweeper.sweep();
  // What nobody works on any more is taken back as ever.
  expect(swept).toEqual([dropped!.claim.runId]);
  expect(await ledger.run(held!.claim.runId)).toMatchObject({ status: 'running', attempt: 1 });
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
