import { expect, onTestFinished, test } from 'vitest';
import type { RunId } from '../../../src/domain/ids.ts';
import { ChunkEnds } from '../../../src/engine/batch/chunk-ends.ts';
import { Leases } from '../../../src/engine/leases.ts';
import { RunEvents } from '../../../src/engine/run-events.ts';
import { Watch } from '../../../src/engine/watch.ts';
import { openSqliteLedger } from '../../../src/stores/ledger/sqlite/driver.ts';
import { openLog } from '../../../src/system/log.ts';
import { ManualClock } from '../../stores/ledger/manual-clock.ts';
import { batch, call, chunk, deployment } from '../../stores/ledger/runs.ts';
import { claimedRun } from '../../support/claimed.ts';

/** A batch that is at work, and what it hears of its chunks. */
async function batchAtWork() {
  const clock = new ManualClock();
  const ledger = await openSqliteLedger(':memory:', clock);
  const log = openLog('silent');
  const leases = new Leases(ledger, log, clock);
  onTestFinished(async () => {
    leases.close();
    await ledger.close();
  });
  await ledger.deploy(deployment());
  const events = new RunEvents(() => {});
  const watch = new Watch({ ledger, events, leases, log, onQueued: () => {} });
  const parent = await claimedRun(ledger, batch(), 'engine');
  const held = leases.hold(parent.claim);
  const ends = new ChunkEnds(watch, ledger, held);
  onTestFinished(() => ends.close());
  return { ledger, events, parent, held, ends };
}

test('a chunk that a sweep has ended is told with its rows, which the sweep does not know', async () => {
  const { ledger, parent, ends, events } = await batchAtWork();
  const { claim } = await claimedRun(ledger, { ...chunk(parent.claim, 1, 3), lostWorkersMax: 1 });
  const error = { type: 'replica-crashed', detail: 'Its server is gone.' } as const;
  await ledger.finish([{ claim, result: { kind: 'failed', error }, progress: null }]);
  const { runId } = claim;
  events.ended({ runId, parentId: parent.claim.runId, rows: null, status: 'failed', error: null, hasCallback: true });
  expect(await ends.next()).toMatchObject([{ runId, rows: { from: 1, to: 3 }, status: 'failed', error }]);
});

test('chunks that end between two waits are told together, each once', async () => {
  const { events, parent, ends } = await batchAtWork();
  const tell = (runId: RunId, from: number): void =>
    events.ended({
      runId,
      parentId: parent.claim.runId,
      rows: { from, to: from + 1 },
      status: 'succeeded',
      error: null,
      hasCallback: false,
    });
  const [one, two, three] = [call().runId, call().runId, call().runId];
  tell(one, 0);
  tell(two, 1);
  expect((await ends.next()).map(({ runId }) => runId)).toEqual([one, two]);
  const waiting = ends.next();
  tell(three, 2);
  expect((await waiting).map(({ runId }) => runId)).toEqual([three]);
});

test('a batch that is told to stop waits for no chunk', async () => {
  const { held, ends } = await batchAtWork();
  const waiting = ends.next();
  held.stop('draining');
  expect(await waiting).toEqual([]);
});
