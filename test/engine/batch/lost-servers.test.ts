import { describe, expect, onTestFinished, test } from 'vitest';
import { seconds } from '../../../src/domain/time.ts';
import { LOST_SERVERS_MAX, lostInARow, whyGivenUp } from '../../../src/engine/batch/lost-servers.ts';
import type { AttemptResult, ClaimedRun, NewRun } from '../../../src/stores/ledger/ledger.ts';
import { openSqliteLedger } from '../../../src/stores/ledger/sqlite/driver.ts';
import { ManualClock } from '../../stores/ledger/manual-clock.ts';
import { batch, chunk, deployment, inline } from '../../stores/ledger/runs.ts';

/** A batch in a ledger, and servers that come and go. */
async function batchForTest() {
  const clock = new ManualClock();
  const ledger = await openSqliteLedger(':memory:', clock);
  onTestFinished(() => ledger.close());
  await ledger.deploy(deployment());
  const run: NewRun = batch();
  await ledger.enqueue([run]);
  const claim = async (lane: 'engine' | 'replica'): Promise<ClaimedRun> => {
    const slots = [{ replica: lane === 'replica' ? 'one' : null, coldStart: null }];
    const asked = { endpoint: 'echo', version: 1, lane, slots, alone: true, owner: 'a server', lease: seconds(30) };
    const [claimed] = await ledger.claim(asked);
    return claimed!;
  };
  return {
    ledger,
    runId: run.runId,
    /** Takes it up as many times, and loses the server each time. */
    async lose(times: number): Promise<void> {
      for (let count = 0; count < times; count += 1) {
        clock.advance(seconds(1));
        expect((await claim('engine')).claim.runId).toBe(run.runId);
        await ledger.reclaim('its successor');
      }
    },
    /** Takes it up, and hands it back as a server does that is stopped. */
    async handBack(): Promise<void> {
      await ledger.finish([{ claim: (await claim('engine')).claim, result: { kind: 'released' }, progress: null }]);
    },
    /** Takes it up, has one of its chunks end, and loses the server. */
    async endChunk(result: AttemptResult): Promise<void> {
      const held = await claim('engine');
      await ledger.enqueue([chunk(held.claim, 0, 1)]);
      const { claim: ofChunk } = await claim('replica');
      clock.advance(seconds(1));
      await ledger.finish([{ claim: ofChunk, result, progress: null }]);
      await ledger.reclaim('its successor');
    },
    /** Takes it up: why it is given up, or null. */
    takeUp: async () => whyGivenUp(await lostInARow(ledger, await claim('engine'))),
  };
}

describe('a batch whose server is lost', () => {
  test('goes on, and is given up after ten that were lost in a row', async () => {
    const { lose, takeUp, ledger } = await batchForTest();
    await lose(LOST_SERVERS_MAX - 1);
    expect(await takeUp()).toBeNull();
    await ledger.reclaim('its successor');
    expect(await takeUp()).toMatchObject({
      type: 'replica-crashed',
      detail: expect.stringContaining('10 times in a row'),
    });
  });

  test.for<[string, AttemptResult]>([
    ['has succeeded', { kind: 'succeeded', output: inline('[{"x":1}]') }],
    ['has failed in the model', { kind: 'failed', error: { type: 'model-error', detail: 'no' } }],
  ])('is counted anew once a chunk of it %s', async ([, result]) => {
    const { lose, endChunk, takeUp, ledger } = await batchForTest();
    await lose(LOST_SERVERS_MAX - 1);
    await endChunk(result);
    await lose(LOST_SERVERS_MAX - 1);
    expect(await takeUp()).toBeNull();
    await ledger.reclaim('its successor');
    expect(await takeUp()).not.toBeNull();
  });

  test('is not counted anew where a chunk was only lost with it', async () => {
    const { lose, endChunk, takeUp } = await batchForTest();
    await lose(LOST_SERVERS_MAX - 1);
    await endChunk({ kind: 'failed', error: { type: 'replica-crashed', detail: 'lost' } });
    expect(await takeUp()).not.toBeNull();
  });

  test('is not held against it where the server was stopped', async () => {
    const { handBack, takeUp } = await batchForTest();
    for (let count = 0; count < 2 * LOST_SERVERS_MAX; count += 1) await handBack();
    expect(await takeUp()).toBeNull();
  });
});
