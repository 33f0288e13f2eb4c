// A machine's clock that is set while an embedded ledger is open, or while it is not.

import { join } from 'node:path';
import { beforeEach, expect, onTestFinished, test } from 'vitest';
import { after, days, type Duration, hours, milliseconds, minutes, seconds } from '../../../src/domain/time.ts';
import type { ClaimedRun, Ledger } from '../../../src/stores/ledger/ledger.ts';
import { openSqliteLedger } from '../../../src/stores/ledger/sqlite/driver.ts';
import { folderForTest } from '../../support/folder.ts';
import { ManualClock } from './manual-clock.ts';
import { call, deployment, inline } from './runs.ts';

const LEASE = seconds(30);
const ME = 'this server';

let clock: ManualClock;
let ledger: Ledger;
let told: Duration[];
let file: string;

async function open(): Promise<Ledger> {
  const opened = await openSqliteLedger(file, clock, { onClockSet: (by) => told.push(by) });
  onTestFinished(() => opened.close());
  return opened;
}

beforeEach(async () => {
  clock = new ManualClock();
  told = [];
  file = join(await folderForTest(), 'ledger.sqlite');
  ledger = await open();
  await ledger.deploy(deployment());
});

const claim = (slots = 1): Promise<ClaimedRun[]> =>
  ledger.claim({
    endpoint: 'echo',
    version: 1,
    lane: 'replica',
    slots: Array.from({ length: slots }, () => ({ replica: 'one', coldStart: null })),
    alone: true,
    owner: ME,
    lease: LEASE,
  });
const succeed = ({ claim: held }: ClaimedRun) =>
  ledger.finish([{ claim: held, result: { kind: 'succeeded', output: inline('1') }, progress: null }]);

test.each([days(-1), hours(-1), seconds(-3), seconds(3), hours(1), days(1)])(
  'set by %i ms: what is queued can be claimed, and a run that is to be tried again waits for its delay and no longer',
  async (by) => {
    const again = call();
    await ledger.enqueue([again]);
    const [held] = await claim();
    const error = { type: 'model-error', detail: 'no' } as const;
    const result = { kind: 'retry', error, delay: seconds(20) } as const;
    await ledger.finish([{ claim: held!.claim, result, progress: null }]);
    await ledger.enqueue([call()]);
    clock.set(by);
    expect(await claim(2)).toHaveLength(1);
    clock.advance(milliseconds(19_999));
    expect(await claim()).toEqual([]);
    clock.advance(milliseconds(1));
    expect(await claim()).toMatchObject([{ claim: { runId: again.runId, attempt: 2 } }]);
    expect(told).toEqual([by]);
  },
);

test.each([days(-1), hours(1)])(
  'set by %i ms: a claim lapses at the end of its lease, not before and not after; what waits has its whole queue_ttl',
  async (by) => {
    await ledger.enqueue([call(), call({ queueTtl: minutes(10) })]);
    await claim();
    clock.set(by);
    clock.advance(milliseconds(LEASE - 1));
    expect(await ledger.reclaim(ME)).toEqual([]);
    clock.advance(milliseconds(1));
    expect(await ledger.reclaim(ME)).toHaveLength(1);
    clock.advance(milliseconds(minutes(10) - LEASE - 1));
    expect(await ledger.expire()).toEqual([]);
    clock.advance(milliseconds(1));
    expect(await ledger.expire()).toHaveLength(1);
  },
);

test.each([days(-2), days(2)])(
  'set by %i ms: outputs and idempotency keys are kept as long as was promised',
  async (by) => {
    const idempotency = { key: 'k', fingerprint: 'f' };
    const run = call({ retention: hours(2), idempotency });
    await ledger.enqueue([run]);
    await succeed((await claim())[0]!);
    clock.set(by);
    clock.advance(milliseconds(hours(2) - 1));
    await ledger.collect();
    expect(await ledger.payload(run.runId, 'output')).not.toBeNull();
    expect(await ledger.enqueue([call({ idempotency })])).toEqual([{ result: 'replayed', runId: run.runId }]);
    clock.advance(milliseconds(1));
    await ledger.collect();
    expect(await ledger.payload(run.runId, 'output')).toBeNull();
  },
);

test('the times of a run stay in their order, and as far apart as they were', async () => {
  const run = call();
  await ledger.enqueue([run]);
  clock.advance(seconds(5));
  const [held] = await claim();
  clock.set(hours(-1));
  clock.advance(seconds(7));
  await succeed(held!);
  const now = clock.now();
  expect(await ledger.run(run.runId)).toMatchObject({
    createdAt: after(now, seconds(-12)),
    startedAt: after(now, seconds(-7)),
    finishedAt: now,
  });
  expect(await ledger.attempts(run.runId)).toMatchObject([{ startedAt: after(now, seconds(-7)), finishedAt: now }]);
  expect(await ledger.audit()).toEqual([]);
});

test('a clock that is slowed down or hurried on is one that goes on', async () => {
  await ledger.enqueue([call()]);
  await claim();
  for (let second = 0; second < 29; second += 1) {
    clock.advance(seconds(1));
    clock.set(milliseconds(100));
    expect(await ledger.reclaim(ME)).toEqual(second < 27 ? [] : expect.anything());
  }
  expect(told).toEqual([]);
});

test('set back while no server was there: what is queued is not waited for', async () => {
  await ledger.enqueue([call({ queueTtl: minutes(10) })]);
  await ledger.close();
  clock.set(hours(-1));
  ledger = await open();
  expect(await claim()).toHaveLength(1);
});
