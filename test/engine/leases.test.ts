import { expect, onTestFinished, test } from 'vitest';
import { newRunId, systemClock } from '../../src/clock.ts';
import { Leases } from '../../src/engine/leases.ts';
import { openSqliteLedger } from '../../src/ledger/sqlite/driver.ts';
import { openLog } from '../../src/log.ts';

test('a server that stops at once does not wait for ever for a run that it was claiming', async () => {
  const ledger = await openSqliteLedger(':memory:', systemClock);
  onTestFinished(() => ledger.close());
  const leases = new Leases(ledger, openLog('silent'));
  onTestFinished(() => leases.close());
  const before = leases.hold({ runId: newRunId(), attempt: 1 });
  leases.stopAll('draining');
  const after = leases.hold({ runId: newRunId(), attempt: 1 });
  expect([before, after].map(({ signal }) => signal.reason as unknown)).toEqual(['draining', 'draining']);
});
