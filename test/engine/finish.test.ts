// What is told of a run is what was written of it; what a store says is no outcome.

import { describe, expect, onTestFinished, test } from 'vitest';
import { inputKey } from '../../src/stores/blobs/blobs.ts';
import { systemClock } from '../../src/system/clock.ts';
import { ANYBODY } from '../../src/domain/access.ts';
import { StorageFull, StorageUnavailable } from '../../src/domain/errors.ts';
import { minutes } from '../../src/domain/time.ts';
import { finish, handedBack } from '../../src/engine/finish.ts';
import { LEASE, Leases } from '../../src/engine/leases.ts';
import type { ClaimedRun, Ledger } from '../../src/stores/ledger/ledger.ts';
import { openSqliteLedger } from '../../src/stores/ledger/sqlite/driver.ts';
import { openLog } from '../../src/system/log.ts';
import { DiskRoom } from '../../src/stores/disk/disk-room.ts';
import { ManualClock } from '../stores/ledger/manual-clock.ts';
import { call, deployment, inline } from '../stores/ledger/runs.ts';
import { claimedRun } from '../support/claimed.ts';
import { engineForTest } from '../support/engine.ts';
import { folderForTest } from '../support/folder.ts';
import { Gates } from '../support/gate.ts';
import { until } from '../support/until.ts';

const ONE = { replicas: { min: 1, max: 1, concurrency: 1 } } as const;
const AWAY = new StorageUnavailable('The test lets the store be away.');
/** Too large for the ledger. */
const LARGE = 'x'.repeat(20_000);

describe('an outcome that cannot be written', () => {
  test('is told to nobody before it is', async ({ onTestFinished: whenDone }) => {
    const gates = new Gates(await folderForTest(whenDone));
    const { engine, submit, ledger, failNext, failuresLeft } = await engineForTest(whenDone, { jobs: ONE });
    const runId = await submit({ do: 'say', value: 'done', path: gates.path('on') });
    const waiting = engine.runs.waitForEnd(runId, ANYBODY, minutes(5), new AbortController().signal);
    failNext('finish', 2, AWAY);
    gates.open('on');
    const told = await waiting;
    expect(failuresLeft('finish')).toBe(0);
    expect(told.run.status).toBe('succeeded');
    expect((await ledger.run(runId))?.status).toBe('succeeded');
  });

  test('is written again as one that may have been written already', async ({ onTestFinished: whenDone }) => {
    const ledger = await openSqliteLedger(':memory:', new ManualClock());
    const log = openLog('silent');
    const leases = new Leases(ledger, log, systemClock);
    whenDone(async () => {
      leases.close();
      await ledger.close();
    });
    await ledger.deploy(deployment());
    const { claim } = await claimedRun(ledger, call());
    const asked: unknown[] = [];
    // As a ledger whose connection breaks once an outcome is on its way: it alone knows what came
    // of it.
    const losing: Pick<Ledger, 'finish'> = {
      finish(attempts, time) {
        asked.push(time);
        return asked.length < 3 ? Promise.reject(AWAY) : ledger.finish(attempts, time);
      },
    };
    const room = new DiskRoom(await folderForTest(whenDone), log);
    const attempt = { claim, result: { kind: 'succeeded', output: inline('1') }, progress: null } as const;
    expect(await finish({ ledger: losing, room }, attempt, leases.hold(claim))).toBe('recorded');
    expect(asked).toEqual(['first', 'again', 'again']);
  });

  test('for a fault of our own ends its attempt, and its run is made again once its lease is over', async ({
    onTestFinished: whenDone,
  }) => {
    const { submit, ended, failNext, failuresLeft, clock } = await engineForTest(whenDone, { jobs: ONE });
    failNext('finish');
    const runId = await submit({ do: 'say', value: 'done' });
    await until('it could not be written', () => failuresLeft('finish') === 0);
    // By the end of another run it is released.
    await ended(await submit({}));
    clock.advance(LEASE);
    expect((await ended(runId)).run).toMatchObject({ status: 'succeeded', attempt: 2 });
  });
});

test('an output whose run was cancelled while it was stored is deleted', async ({ onTestFinished: whenDone }) => {
  const gates = new Gates(await folderForTest(whenDone));
  const { engine, submit, blobs } = await engineForTest(whenDone, { jobs: ONE });
  const runId = await submit({ do: 'say', value: LARGE, path: gates.path('on') });
  const stored = blobs.holdNext('put');
  gates.open('on');
  await until('its output is there', stored.isHeld);
  await engine.cancel(runId, ANYBODY);
  stored.release();
  await until('its input alone is left', async () => {
    const kept = await Array.fromAsync(blobs.store.list(), ({ key }) => key);
    return kept.length === 1 && kept[0] === inputKey(runId);
  });
});

describe('a run that is put back', () => {
  const claimed = async (): Promise<ClaimedRun> => {
    const ledger = await openSqliteLedger(':memory:', new ManualClock());
    onTestFinished(() => ledger.close());
    await ledger.deploy(deployment());
    return claimedRun(ledger, call());
  };
  const log = openLog('silent');

  test.each<[string, Error]>([
    ['a store that is away', AWAY],
    ['a disk that is full', new StorageFull('The test lets the disk be full.')],
    ['a disk that does not work', Object.assign(new Error('EIO'), { code: 'EIO', syscall: 'read' })],
    ['too many open files', Object.assign(new Error('EMFILE'), { code: 'EMFILE' })],
  ])('because of %s does not end', async (_, error) => {
    expect(handedBack(error, await claimed(), log).kind).toBe('released');
  });

  test('waits longer each time, and never for more than half a minute', async () => {
    const taken = await claimed();
    const delays = [0, 1, 2, 3, 10, 1_000].map((before) => {
      const { runId } = taken.claim;
      const again = { ...taken, claim: { runId, attempt: 1 + before }, countedAttempts: 1 };
      return handedBack(AWAY, again, log);
    });
    expect(delays.map((result) => 'delay' in result && result.delay)).toEqual([
      500, 1_000, 2_000, 4_000, 30_000, 30_000,
    ]);
  });

  test('is none where the fault is our own: it is thrown', async () => {
    const bug = new TypeError('a bug');
    const taken = await claimed();
    expect(() => handedBack(bug, taken, log)).toThrow(bug);
  });
});
