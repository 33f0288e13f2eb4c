// What every ledger driver must do beyond the main path: turns, keys, limits, retention,
// deliveries. Part of the conformance suite.

import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { newRunId } from '../../../src/system/clock.ts';
import { type Callback, deliveryIdOf } from '../../../src/domain/delivery.ts';
import type { RunError } from '../../../src/domain/errors.ts';
import type { BlobKey, Payload } from '../../../src/domain/payload.ts';
import { IDEMPOTENCY_KEY_KEPT, LINE_KEPT } from '../../../src/domain/retention.ts';
import { after, days, type Duration, type Instant, minutes, seconds } from '../../../src/domain/time.ts';
import type {
  AttemptResult,
  Claim,
  ClaimedRun,
  ClaimRequest,
  Ledger,
  NewRun,
} from '../../../src/stores/ledger/ledger.ts';
import { ManualClock } from './manual-clock.ts';
import { answered, batch, call, chunk, deployment, inline } from './runs.ts';

const LEASE = seconds(30);
const MODEL_ERROR: RunError = { type: 'model-error', detail: 'The model said no.' };
const CRASHED: RunError = { type: 'replica-crashed', detail: 'It is gone.' };
const CALLBACK: Callback = {
  url: 'https://example.com/hook',
  events: ['run.succeeded', 'run.failed', 'run.cancelled'],
};

/** As `describeLedger` of conformance.ts. */
export function describeLife(
  name: string,
  open: (clock: ManualClock) => Promise<Ledger>,
  moved: (now: Instant) => Promise<void>,
): void {
  describe(`${name} ledger, a run's whole life`, () => {
    let ledger: Ledger;
    let clock: ManualClock;
    const advance = async (by: Duration): Promise<void> => {
      clock.advance(by);
      await moved(clock.now());
    };

    beforeEach(async () => {
      clock = new ManualClock();
      ledger = await open(clock);
      await ledger.deploy(deployment({ queueLimit: 5_000 }));
    });
    afterEach(async () => {
      expect(await ledger.audit()).toEqual([]);
      await ledger.close();
    });

    const claim = (
      slots: number,
      { alone = true, lane = 'replica' }: Partial<Pick<ClaimRequest, 'alone' | 'lane'>> = {},
    ) =>
      ledger.claim({
        endpoint: 'echo',
        version: 1,
        lane,
        slots: Array.from({ length: slots }, () => ({ replica: 'r1', coldStart: null })),
        alone,
        owner: 'me',
        lease: LEASE,
      });
    const claimOne = async (lane: 'replica' | 'engine' = 'replica'): Promise<ClaimedRun> => {
      const [claimed] = await claim(1, { lane });
      expect(claimed).toBeDefined();
      return claimed!;
    };
    const finish = async (held: Claim, result: AttemptResult = { kind: 'succeeded', output: inline('{"y":2}') }) =>
      (await ledger.finish([{ claim: held, result, progress: null }]))[0];
    const enqueue = async (changes: Partial<NewRun> = {}): Promise<NewRun> => {
      const run = call(changes);
      expect(await ledger.enqueue([run])).toMatchObject([{ result: 'enqueued' }]);
      return run;
    };
    const depth = async () => (await ledger.depths()).find(({ endpoint }) => endpoint === 'echo')!;
    const letGoOfAll = async (): Promise<BlobKey[]> => {
      const blobs: BlobKey[] = [];
      for (;;) {
        const { runs, blobs: gone } = await ledger.collect();
        blobs.push(...gone);
        if (runs === 0) return blobs;
      }
    };
    const inBlob = (key: string): Payload => ({ ...inline('{"big":true}'), body: { blob: key as BlobKey } });

    describe('turns', () => {
      test('alternate between tenants, however many runs each has waiting', async () => {
        await ledger.enqueue(Array.from({ length: 20 }, () => call({ tenant: 'many' })));
        await claim(5);
        await ledger.enqueue(Array.from({ length: 5 }, () => call({ tenant: 'few' })));
        const order = (await claim(10)).map(({ run }) => run.tenant);
        expect(order.filter((tenant) => tenant === 'few')).toHaveLength(5);
        expect(order.slice(0, 2).toSorted()).toEqual(['few', 'many']);
      });

      test('leave a single tenant in the order of arrival', async () => {
        const runs = [await enqueue(), await enqueue(), await enqueue()];
        expect((await claim(3)).map(({ run }) => run.runId)).toEqual(runs.map(({ runId }) => runId));
      });

      test('give no credit for having been away', async () => {
        await enqueue({ tenant: 'away' });
        await ledger.enqueue(Array.from({ length: 50 }, () => call({ tenant: 'busy' })));
        await claim(40);
        await ledger.enqueue(Array.from({ length: 20 }, () => call({ tenant: 'away' })));
        const order = (await claim(10)).map(({ run }) => run.tenant);
        expect(order.filter((tenant) => tenant === 'away')).toHaveLength(5);
      });

      test('come after priority, and a run that is queued again keeps its own', async () => {
        const [first, second, urgent] = [await enqueue(), await enqueue(), await enqueue({ priority: 1 })];
        const taken = await claim(2);
        expect(taken.map(({ run }) => run.runId)).toEqual([urgent.runId, first.runId]);
        await finish(taken[1]!.claim, { kind: 'released' });
        expect((await claim(2)).map(({ run }) => run.runId)).toEqual([first.runId, second.runId]);
      });

      test('are what counts as being ahead', async () => {
        await ledger.enqueue(Array.from({ length: 10 }, () => call({ tenant: 'many' })));
        const run = await enqueue({ tenant: 'few' });
        expect(await ledger.ahead(run.runId)).toBe(1);
      });
    });

    describe('a concurrency key', () => {
      test('has one open run: callers that come meanwhile are told of it, and take no place', async () => {
        const first = await enqueue({ concurrencyKey: 'nightly' });
        const again = Array.from({ length: 20 }, () => ledger.enqueue([call({ concurrencyKey: 'nightly' })]));
        expect((await Promise.all(again)).flat()).toEqual(
          again.map(() => ({ result: 'deduplicated', runId: first.runId })),
        );
        expect((await depth()).queued).toBe(1);
        const held = await claimOne();
        expect(await ledger.enqueue([call({ concurrencyKey: 'nightly' })])).toEqual([
          { result: 'deduplicated', runId: first.runId },
        ]);
        await finish(held.claim);
        await enqueue({ concurrencyKey: 'nightly' });
      });

      test('stores one of many that come at once', async () => {
        const results = (
          await Promise.all(Array.from({ length: 50 }, () => ledger.enqueue([call({ concurrencyKey: 'k' })])))
        ).flat();
        expect(results.filter(({ result }) => result === 'enqueued')).toHaveLength(1);
        expect(results.filter(({ result }) => result === 'deduplicated')).toHaveLength(49);
      });

      test('is its tenant’s and its endpoint’s own', async () => {
        await ledger.deploy(deployment({ name: 'other' }));
        await enqueue({ concurrencyKey: 'k' });
        await enqueue({ concurrencyKey: 'k', tenant: 'somebody' });
        await enqueue({ concurrencyKey: 'k', endpoint: 'other' });
      });

      test('gives way to an idempotency key that came before', async () => {
        const idempotency = { key: 'i', fingerprint: 'f' };
        const first = await enqueue({ concurrencyKey: 'k', idempotency });
        expect(await ledger.enqueue([call({ concurrencyKey: 'k', idempotency })])).toEqual([
          { result: 'replayed', runId: first.runId },
        ]);
        expect(
          await ledger.enqueue([call({ concurrencyKey: 'k', idempotency: { key: 'j', fingerprint: 'f' } })]),
        ).toEqual([{ result: 'deduplicated', runId: first.runId }]);
      });

      test('leaves the idempotency key of a caller that was told of the open run with that run, also when it has ended', async () => {
        const first = await enqueue({ concurrencyKey: 'k' });
        const twice = call({ concurrencyKey: 'k', idempotency: { key: 'j', fingerprint: 'f' } });
        expect(await ledger.enqueue([twice])).toEqual([{ result: 'deduplicated', runId: first.runId }]);
        await finish((await claimOne()).claim);
        expect(await ledger.enqueue([{ ...twice, runId: newRunId() }])).toEqual([
          { result: 'replayed', runId: first.runId },
        ]);
        const other = call({ concurrencyKey: 'k', idempotency: { key: 'j', fingerprint: 'another' } });
        expect(await ledger.enqueue([other])).toEqual([{ result: 'key-reused' }]);
      });

      test('does so for runs that come together, as if they had come one by one', async () => {
        const first = await enqueue({ concurrencyKey: 'open' });
        const [open, fresh] = [
          { key: 'a', fingerprint: 'f' },
          { key: 'b', fingerprint: 'f' },
        ];
        const leader = call({ concurrencyKey: 'new' });
        const answers = await ledger.enqueue([
          call({ concurrencyKey: 'open', idempotency: open }),
          call({ concurrencyKey: 'open', idempotency: open }),
          call({ concurrencyKey: 'open', idempotency: { ...open, fingerprint: 'another' } }),
          leader,
          call({ concurrencyKey: 'new', idempotency: fresh }),
          call({ concurrencyKey: 'new', idempotency: fresh }),
        ]);
        expect(answers).toMatchObject([
          { result: 'deduplicated', runId: first.runId },
          { result: 'replayed', runId: first.runId },
          { result: 'key-reused' },
          { result: 'enqueued' },
          { result: 'deduplicated', runId: leader.runId },
          { result: 'replayed', runId: leader.runId },
        ]);
        for (const run of [first, leader]) await ledger.cancel(run.runId);
        expect(await ledger.enqueue([call({ idempotency: open }), call({ idempotency: fresh })])).toEqual([
          { result: 'replayed', runId: first.runId },
          { result: 'replayed', runId: leader.runId },
        ]);
      });
    });

    describe('an idempotency key', () => {
      test('is its tenant’s own', async () => {
        await enqueue({ idempotency: { key: 'k', fingerprint: 'f' } });
        await enqueue({ idempotency: { key: 'k', fingerprint: 'g' }, tenant: 'somebody' });
      });

      test('stands for its run as long as is promised, and may be used anew once it is forgotten', async () => {
        const run = await enqueue({ idempotency: { key: 'k', fingerprint: 'f' } });
        await advance((IDEMPOTENCY_KEY_KEPT - 1) as Duration);
        await ledger.collect();
        expect(await ledger.enqueue([call({ idempotency: { key: 'k', fingerprint: 'f' } })])).toEqual([
          { result: 'replayed', runId: run.runId },
        ]);
        await advance(1 as Duration);
        await ledger.collect();
        await enqueue({ idempotency: { key: 'k', fingerprint: 'g' } });
      });
    });

    describe('a concurrency limit', () => {
      beforeEach(() => ledger.deploy(deployment({ queueLimit: 5_000, concurrencyLimit: 3 })));

      test('is exact when many claim at once, and makes room as runs end', async () => {
        await ledger.enqueue(Array.from({ length: 40 }, () => call()));
        const taken = (await Promise.all(Array.from({ length: 10 }, () => claim(2)))).flat();
        expect(taken).toHaveLength(3);
        expect((await depth()).running).toBe(3);
        await finish(taken[0]!.claim);
        await ledger.cancel(taken[1]!.claim.runId);
        expect(await claim(10)).toHaveLength(2);
      });

      test('counts chunks, not batches', async () => {
        await ledger.enqueue([batch(), batch(), batch(), batch()]);
        const batches = await claim(4, { lane: 'engine' });
        expect(batches).toHaveLength(4);
        const chunks = batches.map(({ claim: held }) => chunk(held, 0, 3));
        await ledger.enqueue(chunks);
        expect(await claim(10)).toHaveLength(3);
      });
    });

    describe('a run that lost its worker', () => {
      const loseOne = async (): Promise<NewRun> => {
        const run = await enqueue();
        await finish((await claimOne()).claim, { kind: 'retry', error: CRASHED, delay: seconds(0) });
        return run;
      };

      test('is handed out only where it runs alone', async () => {
        const [poison, other] = [await loseOne(), await enqueue()];
        expect((await depth()).alone).toBe(1);
        expect((await claim(5, { alone: false })).map(({ run }) => run.runId)).toEqual([other.runId]);
        expect(await claim(5)).toMatchObject([{ alone: true, run: { runId: poison.runId } }]);
        expect((await depth()).alone).toBe(0);
      });

      test('is so as well when it was its server that was lost, but not when the model failed', async () => {
        const [lost, failed] = [await enqueue(), await enqueue()];
        const [first, second] = await claim(2);
        await finish(second!.claim, { kind: 'retry', error: MODEL_ERROR, delay: seconds(0) });
        await advance(LEASE);
        expect(await ledger.reclaim('me')).toMatchObject([{ runId: first!.claim.runId, status: 'queued' }]);
        expect(first!.claim.runId).toBe(lost.runId);
        expect(await claim(5, { alone: false })).toMatchObject([{ alone: false, run: { runId: failed.runId } }]);
      });

      test('and is a batch goes on as before, since it holds no replica', async () => {
        await ledger.enqueue([batch()]);
        await claimOne('engine');
        await advance(LEASE);
        await ledger.reclaim('me');
        expect(await claim(1, { lane: 'engine', alone: false })).toHaveLength(1);
      });
    });

    describe('a purge', () => {
      test('cancels what is queued and nothing that runs, and frees the places', async () => {
        const runs = [await enqueue(), await enqueue(), await enqueue()];
        const held = await claimOne();
        expect(await ledger.countQueued({ endpoint: 'echo' })).toBe(2);
        expect(await ledger.purge({ endpoint: 'echo' })).toEqual({
          cancelled: runs.slice(1).map(({ runId }) => runId),
          stopped: [],
        });
        expect(await depth()).toMatchObject({ queued: 0, running: 1, oldestQueuedAt: null });
        expect(await ledger.purge({ endpoint: 'echo' })).toEqual({ cancelled: [], stopped: [] });
        expect(await finish(held.claim)).toBe('recorded');
      });

      test('takes only what the filter names', async () => {
        await ledger.deploy(deployment({ name: 'other' }));
        const [old] = [await enqueue({ runName: 'a' }), await enqueue({ endpoint: 'other', runName: 'a' })];
        await advance(minutes(1));
        const young = await enqueue({ runName: 'a' });
        const named = await enqueue({ runName: 'b' });
        expect(await ledger.countQueued({ endpoint: 'echo', createdBefore: clock.now() })).toBe(1);
        expect((await ledger.purge({ endpoint: 'echo', createdBefore: clock.now() })).cancelled).toEqual([old.runId]);
        expect((await ledger.purge({ endpoint: 'echo', runName: 'b' })).cancelled).toEqual([named.runId]);
        expect(await ledger.countQueued({ endpoint: 'echo' })).toBe(1);
        expect((await ledger.run(young.runId))!.status).toBe('queued');
      });

      test('takes the chunks of a queued batch along, and says which were running', async () => {
        const run = batch();
        await ledger.enqueue([run]);
        const held = await claimOne('engine');
        await ledger.enqueue([chunk(held.claim, 0, 1), chunk(held.claim, 1, 3)]);
        const running = await claimOne();
        await finish(held.claim, { kind: 'released' });
        expect(await ledger.purge({ endpoint: 'echo' })).toEqual({ cancelled: [run.runId], stopped: [running.claim] });
        expect((await ledger.chunks(run.runId)).map(({ status }) => status)).toEqual(['cancelled', 'cancelled']);
      });
    });

    describe('retention', () => {
      test('drops payloads first and the line later, and says which blobs nobody names any more', async () => {
        const run = call({ retention: days(1) });
        await ledger.enqueue([{ ...run, input: inBlob(`${run.runId}.input`) }]);
        await finish((await claimOne()).claim, { kind: 'succeeded', output: inBlob(`${run.runId}.output.1`) });
        await advance((days(1) - 1) as Duration);
        expect(await letGoOfAll()).toEqual([]);
        await advance(1 as Duration);
        expect((await letGoOfAll()).toSorted()).toEqual([`${run.runId}.input`, `${run.runId}.output.1`]);
        expect(await ledger.run(run.runId)).toMatchObject({
          status: 'succeeded',
          payloadsKept: false,
          output: { bytes: 12 },
        });
        expect(await ledger.payload(run.runId, 'output')).toBeNull();
        expect(await ledger.payload(run.runId, 'input')).toBeNull();
        await advance((LINE_KEPT - days(1) - 1) as Duration);
        await letGoOfAll();
        expect(await ledger.run(run.runId)).not.toBeNull();
        await advance(1 as Duration);
        await letGoOfAll();
        expect(await ledger.run(run.runId)).toBeNull();
        expect(await ledger.attempts(run.runId)).toEqual([]);
      });

      test('begins when a run ends, however it ends, and not before', async () => {
        const retention = minutes(1);
        const runs = await Promise.all([
          enqueue({ retention, queueTtl: days(9) }),
          enqueue({ retention, queueTtl: days(9) }),
          enqueue({ retention, queueTtl: seconds(1) }),
          enqueue({ retention, queueTtl: days(9) }),
        ]);
        const open = await enqueue({ retention, queueTtl: days(9) });
        const [first, second] = await claim(2);
        await finish(first!.claim);
        await finish(second!.claim, { kind: 'failed', error: MODEL_ERROR });
        await ledger.cancel(runs[3].runId);
        await advance(seconds(1));
        await ledger.expire();
        await advance(minutes(2));
        await letGoOfAll();
        const kept = await Promise.all(runs.map(async ({ runId }) => (await ledger.run(runId))!.payloadsKept));
        expect(kept).toEqual([false, false, false, false]);
        expect((await ledger.run(open.runId))!.payloadsKept).toBe(true);
      });

      test('keeps what a chunk did as long as the payloads of its batch, then forgets the chunk', async () => {
        const run = batch({ retention: minutes(15), queueTtl: days(1) });
        await ledger.enqueue([run]);
        const held = await claimOne('engine');
        const part = { ...chunk(held.claim, 0, 3), retention: seconds(1) };
        await ledger.enqueue([part]);
        await finish((await claimOne()).claim, { kind: 'succeeded', output: inBlob(`${part.runId}.output.1`) });
        await advance(seconds(20));
        expect(await letGoOfAll()).toEqual([]);
        expect(await ledger.payload(part.runId, 'output')).not.toBeNull();
        await finish(held.claim);
        await advance(minutes(11));
        expect(await letGoOfAll()).toEqual([]);
        expect(await ledger.chunks(run.runId)).toHaveLength(1);
        expect(await ledger.run(run.runId)).toMatchObject({ payloadsKept: true });
        await advance(minutes(4));
        await letGoOfAll();
        expect(await ledger.run(run.runId)).toMatchObject({ payloadsKept: false });
        await advance(minutes(10));
        expect(await letGoOfAll()).toEqual([`${part.runId}.output.1`]);
        expect(await ledger.run(part.runId)).toBeNull();
      });

      test('tells the blobs that no run names from those that one does', async () => {
        const run = call();
        await ledger.enqueue([{ ...run, input: inBlob(`${run.runId}.input`) }]);
        const stray = `${newRunId()}.output.1` as BlobKey;
        expect(await ledger.unreferenced([`${run.runId}.input` as BlobKey, stray])).toEqual([stray]);
        expect(await ledger.unreferenced([`${run.runId}.output.1` as BlobKey])).toEqual([`${run.runId}.output.1`]);
      });
    });

    describe('a delivery', () => {
      test('is written when the run ends, in any way, and to none that did not ask', async () => {
        const runs = await Promise.all(
          [CALLBACK, CALLBACK, CALLBACK, CALLBACK, null, { ...CALLBACK, events: ['run.failed'] as const }].map(
            (callback) => enqueue({ callback, queueTtl: days(1) }),
          ),
        );
        expect(await ledger.claimDeliveries(10, LEASE)).toEqual([]);
        const [first, second] = await claim(2);
        await finish(first!.claim);
        await finish(second!.claim, { kind: 'failed', error: MODEL_ERROR });
        await ledger.cancel(runs[2]!.runId);
        await ledger.cancel(runs[4]!.runId);
        await ledger.cancel(runs[5]!.runId);
        await advance(days(1));
        await ledger.expire();
        const claimed = await ledger.claimDeliveries(10, LEASE);
        expect(new Set(claimed.map(({ claim: { deliveryId } }) => deliveryId))).toEqual(
          new Set([
            deliveryIdOf(runs[0]!.runId, 'run.succeeded'),
            deliveryIdOf(runs[1]!.runId, 'run.failed'),
            deliveryIdOf(runs[2]!.runId, 'run.cancelled'),
            deliveryIdOf(runs[3]!.runId, 'run.failed'),
          ]),
        );
        expect(claimed[0]).toMatchObject({ endpoint: 'echo', url: CALLBACK.url, claim: { attempt: 1 } });
      });

      test('is not written for an outcome that was refused', async () => {
        const run = await enqueue({ callback: CALLBACK });
        const held = await claimOne();
        await ledger.cancel(run.runId);
        expect(await finish(held.claim)).toBe('lost');
        expect((await ledger.deliveries(run.runId)).map(({ event }) => event)).toEqual(['run.cancelled']);
      });

      test('is claimed once at a time, is due again when its claim lapses, and refuses who was late', async () => {
        const run = await enqueue({ callback: CALLBACK });
        await ledger.cancel(run.runId);
        const claims = (await Promise.all(Array.from({ length: 10 }, () => ledger.claimDeliveries(1, LEASE)))).flat();
        expect(claims).toHaveLength(1);
        const late = claims[0]!.claim;
        await advance(LEASE);
        const [fresh] = await ledger.claimDeliveries(1, LEASE);
        expect(fresh!.claim).toEqual({ deliveryId: late.deliveryId, attempt: 2 });
        const result = { kind: 'delivered', ...answered(200) } as const;
        expect(
          await ledger.finishDeliveries([
            { claim: late, result },
            { claim: fresh!.claim, result },
          ]),
        ).toEqual(['lost', 'recorded']);
        expect(await ledger.finishDeliveries([{ claim: fresh!.claim, result }])).toEqual(['lost']);
        await advance(days(1));
        expect(await ledger.claimDeliveries(1, LEASE)).toEqual([]);
      });

      test('is tried again after its delay, and given up when that is said', async () => {
        const run = await enqueue({ callback: CALLBACK });
        await ledger.cancel(run.runId);
        const [first] = await ledger.claimDeliveries(1, LEASE);
        const retry = { kind: 'retry', ...answered(503), delay: minutes(5) } as const;
        expect(await ledger.finishDeliveries([{ claim: first!.claim, result: retry }])).toEqual(['recorded']);
        expect(await ledger.deliveries(run.runId)).toMatchObject([
          { attempt: 1, outcome: null, detail: '503', dueAt: after(clock.now(), minutes(5)) },
        ]);
        await advance((minutes(5) - 1) as Duration);
        expect(await ledger.claimDeliveries(1, LEASE)).toEqual([]);
        await advance(1 as Duration);
        const [second] = await ledger.claimDeliveries(1, LEASE);
        const abandoned = { kind: 'abandoned', ...answered(410) } as const;
        expect(await ledger.finishDeliveries([{ claim: second!.claim, result: abandoned }])).toEqual(['recorded']);
        expect(await ledger.deliveries(run.runId)).toMatchObject([{ attempt: 2, outcome: 'abandoned', detail: '410' }]);
      });

      test('has every attempt in its log, with what the receiver said; one that was cut off has no answer', async () => {
        const run = await enqueue({ callback: CALLBACK });
        await ledger.cancel(run.runId);
        const startedAt = clock.now();
        const [cut] = await ledger.claimDeliveries(1, LEASE);
        await advance(LEASE);
        const [refused] = await ledger.claimDeliveries(1, LEASE);
        await advance(seconds(1));
        const retry = { kind: 'retry', ...answered(500), delay: minutes(5) } as const;
        await ledger.finishDeliveries([{ claim: refused!.claim, result: retry }]);
        await ledger.finishDeliveries([{ claim: refused!.claim, result: { ...retry, ...answered(502) } }]);
        await advance(minutes(5));
        const [silent] = await ledger.claimDeliveries(1, LEASE);
        const nothing = { kind: 'abandoned', status: null, latency: seconds(20), detail: 'no answer' } as const;
        await ledger.finishDeliveries([{ claim: silent!.claim, result: nothing }]);
        expect([cut, refused, silent].map((one) => one!.tries)).toEqual([1, 2, 3]);
        const [delivery] = await ledger.deliveries(run.runId);
        expect(delivery!.attempts).toEqual([
          { attempt: 1, startedAt, finishedAt: null, answer: null },
          {
            attempt: 2,
            startedAt: after(startedAt, LEASE),
            finishedAt: after(startedAt, seconds(31)),
            answer: answered(500),
          },
          {
            attempt: 3,
            startedAt: after(startedAt, seconds(331)),
            finishedAt: after(startedAt, seconds(331)),
            answer: { status: null, latency: seconds(20), detail: 'no answer' },
          },
        ]);
      });

      test('that was late is in the log all the same, as long as the delivery goes on', async () => {
        const run = await enqueue({ callback: CALLBACK });
        await ledger.cancel(run.runId);
        const [late] = await ledger.claimDeliveries(1, LEASE);
        await advance(LEASE);
        await ledger.claimDeliveries(1, LEASE);
        const delivered = { kind: 'delivered', ...answered(200) } as const;
        expect(await ledger.finishDeliveries([{ claim: late!.claim, result: delivered }])).toEqual(['lost']);
        expect(await ledger.deliveries(run.runId)).toMatchObject([
          { outcome: null, detail: null, attempts: [{ answer: answered(200) }, { answer: null }] },
        ]);
      });

      test('can be asked for again, after any outcome: then its attempts are counted anew', async () => {
        const run = await enqueue({ callback: CALLBACK });
        const deliveryId = deliveryIdOf(run.runId, 'run.cancelled');
        expect(await ledger.redeliver(run.runId, deliveryId)).toBe(false);
        await ledger.cancel(run.runId);
        for (const result of [
          { kind: 'retry', ...answered(500), delay: minutes(5) } as const,
          { kind: 'abandoned', ...answered(410) } as const,
          { kind: 'delivered', ...answered(200) } as const,
        ]) {
          const [held] = await ledger.claimDeliveries(1, LEASE);
          expect(held).toMatchObject({ claim: { deliveryId }, tries: 1 });
          await ledger.finishDeliveries([{ claim: held!.claim, result }]);
          expect(await ledger.claimDeliveries(1, LEASE)).toEqual([]);
          expect(await ledger.redeliver(run.runId, deliveryId)).toBe(true);
        }
        expect(await ledger.deliveries(run.runId)).toMatchObject([{ attempt: 3, outcome: null, dueAt: clock.now() }]);
        expect(await ledger.redeliver(newRunId(), deliveryId)).toBe(false);
      });

      test('that is asked for again while it is on its way is attempted once more, after any outcome of the attempt', async () => {
        const run = await enqueue({ callback: CALLBACK });
        await ledger.cancel(run.runId);
        for (const result of [
          { kind: 'abandoned', ...answered(410) } as const,
          { kind: 'retry', ...answered(500), delay: days(1) } as const,
        ]) {
          const [held] = await ledger.claimDeliveries(1, LEASE);
          expect(held).toMatchObject({ tries: 1 });
          await ledger.redeliver(run.runId, held!.claim.deliveryId);
          expect(await ledger.finishDeliveries([{ claim: held!.claim, result }])).toEqual(['lost']);
        }
        expect(await ledger.claimDeliveries(1, LEASE)).toMatchObject([{ claim: { attempt: 3 }, tries: 1 }]);
      });

      test('goes to a host only while that has a place, and those behind it to other hosts', async () => {
        const to = async (url: string): Promise<void> => {
          const { runId } = await enqueue({ callback: { ...CALLBACK, url } });
          await ledger.cancel(runId);
        };
        for (const count of [1, 2, 3]) await to(`https://slow.example/${count}`);
        await advance(seconds(1));
        await to('https://slow.example:8443/other');
        await to('https://quick.example?a=/b');
        const claimed = async (limit: number, taken: Record<string, number>): Promise<string[]> =>
          (await ledger.claimDeliveries(limit, LEASE, { perHost: 2, taken })).map(({ url }) => url).toSorted();
        expect(await claimed(1, { 'slow.example:8443': 2, 'slow.example': 2 })).toEqual(['https://quick.example?a=/b']);
        const first = await claimed(10, { 'slow.example': 1 });
        expect(first).toHaveLength(2);
        expect(first).toContain('https://slow.example:8443/other');
        expect(await claimed(10, { 'slow.example': 2 })).toEqual([]);
        expect(await claimed(10, {})).toHaveLength(2);
      });

      test('is claimed for its host alone, as many as that has places free, the longest due first', async () => {
        const to = async (url: string): Promise<void> => {
          const { runId } = await enqueue({ callback: { ...CALLBACK, url } });
          await ledger.cancel(runId);
          await advance(seconds(1));
        };
        for (const count of [1, 2, 3]) await to(`https://one.example/${count}`);
        for (const count of [1, 2]) await to(`https://one.example:8443/${count}`);
        await to('https://other.example/1');
        const claimed = async (free: Record<string, number>): Promise<string[]> =>
          (await ledger.claimDeliveriesTo(free, LEASE)).map(({ url }) => url).toSorted();
        expect(await claimed({ 'nobody.example': 5 })).toEqual([]);
        expect(await claimed({ 'one.example': 2, 'one.example:8443': 1 })).toEqual([
          'https://one.example/1',
          'https://one.example/2',
          'https://one.example:8443/1',
        ]);
        await advance(seconds(1));
        expect(await claimed({ 'one.example': 2 })).toEqual(['https://one.example/3']);
        expect(await claimed({ 'one.example': 2 })).toEqual([]);
        await advance(LEASE);
        const [again] = await ledger.claimDeliveriesTo({ 'one.example': 1 }, LEASE);
        expect(again).toMatchObject({ endpoint: 'echo', tries: 2, claim: { attempt: 2 } });
        // The first two were claimed at once, so that they are due at once.
        const left = ['https://one.example/1', 'https://one.example/2'].filter((url) => url !== again!.url);
        expect(left).toHaveLength(1);
        const result = { kind: 'delivered', ...answered(200) } as const;
        expect(await ledger.finishDeliveries([{ claim: again!.claim, result }])).toEqual(['recorded']);
        await advance(days(1));
        expect(await claimed({ 'one.example': 9 })).toEqual([...left, 'https://one.example/3']);
      });

      test('shares the commit of its outcome with all others that end then', async () => {
        for (let count = 0; count < 20; count += 1) await ledger.cancel((await enqueue({ callback: CALLBACK })).runId);
        const claimed = await ledger.claimDeliveries(20, LEASE);
        const results = claimed.map(({ claim: { attempt, deliveryId } }, place) => ({
          // One of them is of nobody's.
          claim: { deliveryId, attempt: place === 7 ? attempt + 1 : attempt },
          result: { kind: 'delivered', ...answered(200) } as const,
        }));
        const before = ledger.stats();
        const recorded = await Promise.all(results.map((one) => ledger.finishDeliveries([one])));
        const { calls, commits } = ledger.stats();
        expect([calls - before.calls, commits - before.commits]).toEqual([20, 1]);
        expect(recorded).toEqual(results.map((_, place) => [place === 7 ? 'lost' : 'recorded']));
      });

      test('that is still on its way keeps its run’s line', async () => {
        const run = await enqueue({ callback: CALLBACK, retention: days(1) });
        await ledger.cancel(run.runId);
        await advance(days(1));
        await letGoOfAll();
        await advance(LINE_KEPT);
        await letGoOfAll();
        expect(await ledger.run(run.runId)).toMatchObject({ payloadsKept: false });
        const [held] = await ledger.claimDeliveries(1, LEASE);
        await ledger.finishDeliveries([{ claim: held!.claim, result: { kind: 'delivered', ...answered(200) } }]);
        await advance(days(1));
        await letGoOfAll();
        expect(await ledger.run(run.runId)).toBeNull();
      });
    });

    test('a run keeps what it was handed in with', async () => {
      const earlier = await enqueue();
      const run = await enqueue({
        retryOf: earlier.runId,
        concurrencyKey: 'k',
        callback: CALLBACK,
        tenant: 'somebody',
      });
      expect(await ledger.run(run.runId)).toMatchObject({
        retryOf: earlier.runId,
        concurrencyKey: 'k',
        callback: CALLBACK,
        tenant: 'somebody',
        payloadsKept: true,
      });
    });

    test('the details of a run are what the other reads say of it', async () => {
      expect(await ledger.details(newRunId())).toBeNull();
      const [first, second] = [await enqueue(), await enqueue()];
      const expected = async (run: NewRun, ahead: number | null, output: string | null) => ({
        run: await ledger.run(run.runId),
        attempts: await ledger.attempts(run.runId),
        ahead,
        output: output === null ? null : new TextEncoder().encode(output),
      });
      const details = async (run: NewRun) => {
        const found = await ledger.details(run.runId);
        return { ...found, output: found!.output === null ? null : Uint8Array.from(found!.output) };
      };
      expect(await details(second)).toEqual(await expected(second, 1, null));
      const held = await claimOne();
      expect(await details(first)).toEqual(await expected(first, null, null));
      await finish(held.claim, { kind: 'retry', error: MODEL_ERROR, delay: seconds(0) });
      await finish((await claimOne()).claim, { kind: 'succeeded', output: inline('{"y":"\\u0000é"}') });
      expect(await details(first)).toEqual(await expected(first, null, '{"y":"\\u0000é"}'));
      const both = await Promise.all([ledger.details(first.runId), ledger.details(second.runId)]);
      expect(both.map((one) => one?.run.runId)).toEqual([first.runId, second.runId]);
    });

    test('an outcome that is handed in twice at once is recorded once, though it is the same object', async () => {
      const run = await enqueue({ callback: CALLBACK });
      const held = await claimOne();
      const outcome = { claim: held.claim, result: { kind: 'failed', error: MODEL_ERROR }, progress: null } as const;
      expect(await ledger.finish([outcome, outcome])).toEqual(['recorded', 'lost']);
      const [delivery] = await ledger.claimDeliveries(1, LEASE);
      const delivered = { claim: delivery!.claim, result: { kind: 'delivered', ...answered(200) } } as const;
      expect(await ledger.finishDeliveries([delivered, delivered])).toEqual(['recorded', 'lost']);
      expect(await ledger.run(run.runId)).toMatchObject({ status: 'failed' });
    });

    test('outcomes that were refused are counted', async () => {
      const run = await enqueue();
      const held = await claimOne();
      await ledger.cancel(run.runId);
      await finish(held.claim);
      await finish(held.claim, { kind: 'released' });
      expect(ledger.stats().lost).toBe(2);
    });

    test('the age of an endpoint’s queue is that of its oldest run', async () => {
      expect((await depth()).oldestQueuedAt).toBeNull();
      const arrived = clock.now();
      await enqueue();
      await advance(seconds(5));
      await enqueue({ priority: 9 });
      expect((await depth()).oldestQueuedAt).toBe(arrived);
      await claim(1);
      expect((await depth()).oldestQueuedAt).toBe(arrived);
    });
  });
}
