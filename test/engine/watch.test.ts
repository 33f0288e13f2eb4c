// What a hint brings about. No interval ever fires in these tests, so nothing is looked for: it is
// the hint that does it.

import { systemClock } from '../../src/system/clock.ts';
import { afterAll, beforeAll, beforeEach, expect, onTestFinished, test, vi } from 'vitest';
import { Leases } from '../../src/engine/leases.ts';
import { type RunEnded, RunEvents } from '../../src/engine/run-events.ts';
import { Watch } from '../../src/engine/watch.ts';
import { seconds } from '../../src/domain/time.ts';
import type { Claim, Ledger, NewRun } from '../../src/stores/ledger/ledger.ts';
import { openPostgresLedger } from '../../src/stores/ledger/postgres/driver.ts';
import { openLog } from '../../src/system/log.ts';
import { batch, call, chunk, inline } from '../stores/ledger/runs.ts';
import { type PostgresServer, startPostgres } from '../support/postgres.ts';
import { until } from '../support/until.ts';

let postgres: PostgresServer;
beforeAll(async () => {
  postgres = await startPostgres();
});
afterAll(() => postgres.stop());

let here: Ledger;
let elsewhere: Ledger;
let leases: Leases;
let watch: Watch;
let queued: string[];
beforeEach(async () => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
  onTestFinished(() => void vi.useRealTimers());
  const url = await postgres.newDatabase();
  onTestFinished(() => postgres.dropDatabase(url));
  [here, elsewhere] = [await openPostgresLedger(url), await openPostgresLedger(url)];
  await here.deploy({
    name: 'echo',
    fingerprint: 'a',
    spec: 'null',
    source: 'config',
    queueLimit: 100,
    concurrencyLimit: null,
  });
  const log = openLog('silent');
  leases = new Leases(here, log, systemClock);
  queued = [];
  watch = new Watch({ ledger: here, events: new RunEvents(), leases, log, onQueued: (name) => queued.push(name) });
  onTestFinished(async () => {
    leases.close();
    await Promise.all([here.close(), elsewhere.close()]);
  });
});

async function claimed(ledger: Ledger, run: NewRun, lane: 'replica' | 'engine' = 'replica'): Promise<Claim> {
  await here.enqueue([run]);
  const slots = [{ replica: lane === 'engine' ? null : 'r', coldStart: null }];
  const [taken] = await ledger.claim({
    endpoint: 'echo',
    version: 1,
    lane,
    slots,
    alone: true,
    owner: 'a',
    lease: seconds(30),
  });
  return taken!.claim;
}

const succeed = (claim: Claim) =>
  elsewhere.finish([{ claim, result: { kind: 'succeeded', output: inline('{}') }, progress: null }]);

test('a run that was queued elsewhere wakes its endpoint', async () => {
  await elsewhere.enqueue([call()]);
  await until('the endpoint is woken', () => queued.includes('echo'));
});

test('a run that ended elsewhere is told to those who wait for it, with its outcome', async () => {
  const claim = await claimed(elsewhere, call());
  const ends: RunEnded[] = [];
  onTestFinished(watch.onEnd(claim.runId, (end) => ends.push(end)));
  await succeed(claim);
  await until('the end is heard of', () => ends.length > 0);
  const { runId } = claim;
  // The server that has ended it carries its delivery out.
  const end = { runId, parentId: null, rows: null, status: 'succeeded', error: null, hasCallback: false };
  expect(ends).toEqual([end]);
});

test('a chunk that ended elsewhere is told to its batch, with its rows', async () => {
  const parent = await claimed(here, batch(), 'engine');
  const ends: RunEnded[] = [];
  onTestFinished(watch.onChunkEnd(parent.runId, (end) => ends.push(end)));
  const { runId } = await claimed(elsewhere, chunk(parent, 1, 2));
  await succeed({ runId, attempt: 1 });
  await until('the end is heard of', () => ends.length > 0);
  expect(ends).toMatchObject([{ runId, parentId: parent.runId, rows: { from: 1, to: 2 }, status: 'succeeded' }]);
});

test('work on a run that was cancelled elsewhere is stopped, and other work is not', async () => {
  const [claim, other] = [await claimed(here, call()), await claimed(here, call())];
  const [held, kept] = [leases.hold(claim), leases.hold(other)];
  await elsewhere.cancel(claim.runId);
  await until('the work is stopped', () => held.signal.aborted);
  expect(held.signal.reason).toBe('lost');
  expect(kept.signal.aborted).toBe(false);
});
