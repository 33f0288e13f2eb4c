import { expect, onTestFinished, test } from 'vitest';
import { seconds } from '../../src/domain/time.ts';
import { Heartbeat, StoreAway } from '../../src/engine/heartbeat.ts';
import { openSqliteLedger } from '../../src/stores/ledger/sqlite/driver.ts';
import { openLog } from '../../src/system/log.ts';
import { ManualClock } from '../stores/ledger/manual-clock.ts';
import { faulty } from '../support/faulty.ts';
import { until } from '../support/until.ts';

/** The heartbeat of a store that answers as long as it is let. */
async function heartbeatForTest() {
  const clock = new ManualClock();
  const { store: ledger, failNext, failuresLeft } = faulty(await openSqliteLedger(':memory:', clock));
  const heartbeat = new Heartbeat({ ledger, clock, log: openLog('silent') });
  heartbeat.start();
  onTestFinished(async () => {
    await heartbeat.stop();
    await ledger.close();
  });
  return {
    clock,
    heartbeat,
    /** From now on it does not answer; resolves when it was asked. */
    async silence(): Promise<void> {
      failNext('check', 1_000);
      await until('it was asked', () => failuresLeft('check') < 1_000);
    },
    /** From now on it answers. */
    speak: () => failNext('check', 0),
  };
}

test('a store that is slow for a moment is not away', async () => {
  const { clock, heartbeat, silence } = await heartbeatForTest();
  await silence();
  clock.advance(seconds(2));
  expect(heartbeat.away).toBeNull();
});

test('a store that has not answered for seconds is away, and soon nothing is asked of it for a request any more', async () => {
  const { clock, heartbeat, silence } = await heartbeatForTest();
  await silence();
  clock.advance(seconds(3));
  expect(heartbeat.away).toBe(seconds(3));
  expect(() => heartbeat.assertThere()).not.toThrow();
  clock.advance(seconds(3));
  expect(() => heartbeat.assertThere()).toThrow(StoreAway);
});

test('a store that was away and answers again is there', async () => {
  const { clock, heartbeat, silence, speak } = await heartbeatForTest();
  await silence();
  clock.advance(seconds(60));
  expect(() => heartbeat.assertThere()).toThrow('The store of runs has not answered for 60 s.');
  speak();
  await until('it is there again', () => heartbeat.away === null);
  expect(() => heartbeat.assertThere()).not.toThrow();
});
