// What random sequences reach only now and then, and what only calls that come together can show.

import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { BlobKey } from '../../../src/domain/payload.ts';
import { LINE_KEPT } from '../../../src/domain/retention.ts';
import { type Duration, milliseconds, minutes, seconds } from '../../../src/domain/time.ts';
import type { ClaimedRun, DeliveryRecord, DeliveryResult, Ledger, NewRun } from '../../../src/stores/ledger/ledger.ts';
import type { DriverUnderTest, OpenedLedger } from './drivers.ts';
import { SAID_BY_THE_TEST } from './model-view.ts';
import { answered, batch, call, chunk, deployment, inline } from './runs.ts';

const LEASE = seconds(30);
const CRASHED = { type: 'replica-crashed', detail: SAID_BY_THE_TEST } as const;

/** Runs the suite against a driver. */
export function describeCorners(driver: DriverUnderTest): void {
  describe(`${driver.name} ledger, in its corners`, () => {
    let opened: OpenedLedger;
    let ledger: Ledger;
    beforeEach(async () => {
      opened = await driver.open();
      ({ ledger } = opened);
      await ledger.deploy(deployment());
      await ledger.deploy(deployment({ name: 'other' }));
    });
    afterEach(async () => {
      expect(await ledger.audit()).toEqual([]);
      await opened.close();
    });

    const claim = (slots: number, lane: 'replica' | 'engine' = 'replica', alone = true): Promise<ClaimedRun[]> =>
      ledger.claim({
        endpoint: 'echo',
        version: 1,
        lane,
        slots: Array.from({ length: slots }, () => ({ replica: 'r1', coldStart: null })),
        alone,
        owner: 'server-a',
        lease: LEASE,
      });
    const runningBatch = async (changes: Partial<NewRun> = {}) => {
      const run = batch(changes);
      await ledger.enqueue([run]);
      return { run, held: (await claim(1, 'engine'))[0]!.claim };
    };
    /** A delivery that was claimed, let go by, and claimed again. */
    const claimedTwice = async () => {
      const run = call({ callback: { url: 'https://example.com/hook', events: ['run.cancelled'] } });
      await ledger.enqueue([run]);
      await ledger.cancel(run.runId);
      const [late] = await ledger.claimDeliveries(1, LEASE);
      await opened.advance(LEASE);
      const [fresh] = await ledger.claimDeliveries(1, LEASE);
      return { run, late: late!.claim, fresh: fresh!.claim };
    };

    describe('a chunk', () => {
      test('that is refused draws no turn', async () => {
        const { held } = await runningBatch({ tenant: 'ada' });
        const part = (): NewRun => ({ ...chunk(held, 0, 1), tenant: 'ada' });
        const refused = [{ result: 'refused' }, { result: 'refused' }];
        await ledger.enqueue([part()]);
        expect(await ledger.enqueue([part(), part()])).toEqual(refused);
        const ofAda = call({ tenant: 'ada' });
        await ledger.enqueue([...['bob', 'bob', 'bob'].map((tenant) => call({ tenant })), ofAda]);
        // The chunk and the first of bob's have the same turn, and so have the call and the second
        // of bob's.
        expect((await claim(5)).map(({ run }) => run.tenant)).toEqual(['ada', 'bob', 'bob', 'ada', 'bob']);
      });

      test('ends with its batch when that has waited too long after it was handed back', async () => {
        const { run, held } = await runningBatch({ queueTtl: minutes(1) });
        await ledger.enqueue([chunk(held, 0, 1), chunk(held, 1, 3)]);
        const [running] = await claim(1);
        await ledger.finish([{ claim: held, result: { kind: 'released' }, progress: null }]);
        await opened.advance(minutes(1));
        expect(await ledger.expire()).toMatchObject([{ runId: run.runId, status: 'failed' }]);
        expect((await ledger.chunks(run.runId)).map(({ status }) => status)).toEqual(['cancelled', 'cancelled']);
        expect(await ledger.renew([running!.claim], LEASE)).toEqual(['lost']);
      });
    });

    describe('a chunk that has ended', () => {
      test('is not among those that a cancel of its batch stops, and keeps what it came to', async () => {
        const { run, held } = await runningBatch();
        await ledger.enqueue([chunk(held, 0, 1), chunk(held, 1, 2), chunk(held, 2, 3)]);
        const [first, second, third] = await claim(3);
        const results = [
          { kind: 'succeeded', output: inline('1') },
          { kind: 'failed', error: { type: 'model-error', detail: SAID_BY_THE_TEST } },
        ] as const;
        await ledger.finish([
          { claim: first!.claim, result: results[0], progress: null },
          { claim: second!.claim, result: results[1], progress: null },
        ]);
        expect(await ledger.cancel(run.runId)).toEqual({ result: 'cancelled', stopped: [held, third!.claim] });
        expect((await ledger.chunks(run.runId)).map(({ status }) => status)).toEqual([
          'succeeded',
          'failed',
          'cancelled',
        ]);
      });
    });

    test('a renewal that is refused leaves the lease of the run’s owner as it is', async () => {
      await ledger.enqueue([call()]);
      const [stale] = await claim(1);
      await opened.advance(LEASE);
      await ledger.reclaim('server-a');
      const [held] = await claim(1);
      await opened.advance(seconds(20));
      const { runId, attempt } = held!.claim;
      expect(await ledger.renew([stale!.claim, { runId, attempt: attempt + 1 }], LEASE)).toEqual(['lost', 'lost']);
      await opened.advance(seconds(10));
      expect(await ledger.reclaim('server-a')).toMatchObject([{ runId, status: 'queued' }]);
    });

    describe('a delivery', () => {
      const putOff = (delay: Duration): DeliveryResult => ({ kind: 'retry', ...answered(503), delay });

      test('cannot be put off by who was late with it', async () => {
        const { run, late } = await claimedTwice();
        const [{ attempts: _, ...before }] = (await ledger.deliveries(run.runId)) as [DeliveryRecord];
        expect(await ledger.finishDeliveries([{ claim: late, result: putOff(minutes(5)) }])).toEqual(['lost']);
        expect(await ledger.deliveries(run.runId)).toMatchObject([before]);
      });

      test('cannot be put off, nor end otherwise, once it has ended', async () => {
        const { run, fresh } = await claimedTwice();
        await ledger.finishDeliveries([{ claim: fresh, result: { kind: 'delivered', ...answered(200) } }]);
        const before = await ledger.deliveries(run.runId);
        const others: DeliveryResult[] = [putOff(milliseconds(0)), { kind: 'abandoned', ...answered(410) }];
        for (const result of others)
          expect(await ledger.finishDeliveries([{ claim: fresh, result }])).toEqual(['lost']);
        expect(await ledger.deliveries(run.runId)).toEqual(before);
      });
    });

    test('a blob, and whose logs nobody is shown any more, is answered once when its run is collected, and is named by nobody from then on', async () => {
      const run = call({ retention: minutes(1) });
      const [input, output] = [`${run.runId}.input` as BlobKey, `${run.runId}.output.1` as BlobKey];
      await ledger.enqueue([{ ...run, input: { ...inline('1'), body: { blob: input } } }]);
      const [held] = await claim(1);
      const result = { kind: 'succeeded', output: { ...inline('2'), body: { blob: output } } } as const;
      await ledger.finish([{ claim: held!.claim, result, progress: null }]);
      expect(await ledger.unreferenced([input, output])).toEqual([]);
      await opened.advance(minutes(1));
      expect(await ledger.collect()).toEqual({
        runs: 1,
        blobs: [input, output],
        logs: [{ runId: run.runId, attempts: 1 }],
      });
      expect(await ledger.unreferenced([input, output])).toEqual([input, output]);
      await opened.advance(LINE_KEPT);
      expect(await ledger.collect()).toEqual({ runs: 1, blobs: [], logs: [] });
    });

    describe('of calls that come together', () => {
      test('those of two tenants have a key each, though it is the same', async () => {
        const runs = ['ada', 'bob', 'ada', 'bob'].map((tenant) =>
          call({ tenant, idempotency: { key: 'k', fingerprint: tenant }, concurrencyKey: 'x' }),
        );
        const answers = (await Promise.all(runs.map((run) => ledger.enqueue([run])))).flat();
        expect(answers).toMatchObject([
          { result: 'enqueued' },
          { result: 'enqueued' },
          { result: 'replayed', runId: runs[0]!.runId },
          { result: 'replayed', runId: runs[1]!.runId },
        ]);
      });

      test('those for two endpoints have a concurrency key each, though it is the same', async () => {
        const runs = ['echo', 'other', 'echo', 'other'].map((endpoint) => call({ endpoint, concurrencyKey: 'x' }));
        const answers = (await Promise.all(runs.map((run) => ledger.enqueue([run])))).flat();
        expect(answers).toMatchObject([
          { result: 'enqueued' },
          { result: 'enqueued' },
          { result: 'deduplicated', runId: runs[0]!.runId },
          { result: 'deduplicated', runId: runs[1]!.runId },
        ]);
      });

      test('another request with an idempotency key that had no effect is judged by itself', async () => {
        await ledger.deploy(deployment({ queueLimit: 0 }));
        const refused = call({ idempotency: { key: 'k', fingerprint: 'f' } });
        const run = call({ endpoint: 'other', idempotency: { key: 'k', fingerprint: 'g' } });
        expect(await ledger.enqueue([refused, run])).toMatchObject([{ result: 'queue-full' }, { result: 'enqueued' }]);
      });

      test('a cancel takes along every chunk that was stored, and no chunk is stored after it', async () => {
        const there = await opened.another();
        for (let round = 0; round < 10; round += 1) {
          const { run, held } = await runningBatch();
          const parts = [0, 1, 2, 3].map((row) => ledger.enqueue([chunk(held, row, row + 1)]));
          const [cancelled, ...answers] = await Promise.all([there.cancel(run.runId), ...parts]);
          expect(cancelled).toEqual({ result: 'cancelled', stopped: [held] });
          const stored = answers.flat().filter(({ result }) => result === 'enqueued');
          expect((await ledger.chunks(run.runId)).map(({ status }) => status)).toEqual(stored.map(() => 'cancelled'));
        }
      });

      test('a claim that is not alone gets nothing that must be, also beside others that ask', async () => {
        const [poison, other] = [call(), call()];
        await ledger.enqueue([poison]);
        const [held] = await claim(1);
        await ledger.finish([
          { claim: held!.claim, result: { kind: 'retry', error: CRASHED, delay: seconds(0) }, progress: null },
        ]);
        await ledger.enqueue([other]);
        const [together, lonely] = await Promise.all([claim(2, 'replica', false), claim(2, 'replica', true)]);
        expect(together.map(({ run }) => run.runId)).toEqual([other.runId]);
        expect(lonely.map(({ run }) => run.runId)).toEqual([poison.runId]);
      });
    });
  });
}
