// What every ledger driver must do. A driver's test file only opens it: see sqlite.test.ts.

import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { newRunId } from '../../../src/system/clock.ts';
import type { RunError } from '../../../src/domain/errors.ts';
import { LOST_WORKERS_MAX } from '../../../src/domain/run.ts';
import { type Duration, type Instant, milliseconds, minutes, seconds } from '../../../src/domain/time.ts';
import {
  ADOPT_MAX,
  type Claim,
  type ClaimedRun,
  type Enqueued,
  type Ledger,
} from '../../../src/stores/ledger/ledger.ts';
import { describeLife } from './life.ts';
import { ManualClock } from './manual-clock.ts';
import { batch, call, chunk, deployment, inline } from './runs.ts';
import { describeViewers } from './viewers.ts';

export { call, inline } from './runs.ts';

const LEASE = seconds(30);
const ME = 'server-a';
const MODEL_ERROR: RunError = { type: 'model-error', detail: 'The model said no.' };

/**
 * Runs the suite against a driver that `open` opens afresh for every test. Where the database and
 * not the driver has the clock, `moved` is told the time whenever the test has moved it.
 */
export function describeLedger(
  name: string,
  open: (clock: ManualClock) => Promise<Ledger>,
  moved: (now: Instant) => Promise<void> = async () => {},
): void {
  describeLife(name, open, moved);
  describeViewers(name, open);

  describe(`${name} ledger`, () => {
    let ledger: Ledger;
    let clock: ManualClock;
    const advance = async (by: Duration): Promise<void> => {
      clock.advance(by);
      await moved(clock.now());
    };

    beforeEach(async () => {
      clock = new ManualClock();
      ledger = await open(clock);
      await ledger.deploy(deployment());
    });
    afterEach(async () => {
      expect(await ledger.audit()).toEqual([]);
      await ledger.close();
    });

    const claim = (slots = 1, owner = ME, lane: 'replica' | 'engine' = 'replica'): Promise<ClaimedRun[]> =>
      ledger.claim({
        endpoint: 'echo',
        version: 1,
        lane,
        slots: Array.from({ length: slots }, () => ({ replica: 'r1', coldStart: null })),
        alone: true,
        owner,
        lease: LEASE,
      });
    const claimOne = async (owner = ME, lane: 'replica' | 'engine' = 'replica'): Promise<ClaimedRun> => {
      const [claimed] = await claim(1, owner, lane);
      expect(claimed).toBeDefined();
      return claimed!;
    };
    const finish = async (held: Claim, text = '{"y":2}') =>
      (await ledger.finish([{ claim: held, result: { kind: 'succeeded', output: inline(text) }, progress: null }]))[0];
    const fail = async (held: Claim) =>
      (await ledger.finish([{ claim: held, result: { kind: 'failed', error: MODEL_ERROR }, progress: null }]))[0];
    const states = async () => (await ledger.deployments()).map(({ state }) => state);
    const queued = async (): Promise<number | undefined> =>
      (await ledger.depths()).find(({ endpoint }) => endpoint === 'echo')?.queued;

    describe('a deployment', () => {
      test('has version 1 at first, keeps it while its fingerprint stays, and the next number with a new one', async () => {
        expect(await ledger.deploy(deployment({ queueLimit: 5 }))).toBe(1);
        expect(await ledger.deploy(deployment({ fingerprint: 'b', queueLimit: 5 }))).toBe(2);
        expect(await ledger.deploy(deployment({ fingerprint: 'c', queueLimit: 5 }))).toBe(3);
      });

      test('that comes back is the version that it was', async () => {
        await ledger.deploy(deployment());
        await ledger.deploy(deployment({ fingerprint: 'b' }));
        expect(await ledger.deploy(deployment())).toBe(1);
        expect(await states()).toEqual(['active', 'superseded']);
      });

      test('that is staged takes no runs before it is settled, and has the limits of the active one meanwhile', async () => {
        await ledger.deploy(deployment());
        expect(await ledger.stage(deployment({ fingerprint: 'b', queueLimit: 0 }))).toBe(2);
        expect(await states()).toEqual(['active', 'starting']);
        expect(await ledger.enqueue([call()])).toMatchObject([{ result: 'enqueued' }]);
        await ledger.settle('echo', 2, { state: 'active' });
        expect(await states()).toEqual(['superseded', 'active']);
        expect(await ledger.enqueue([call({ version: 2 })])).toMatchObject([{ result: 'queue-full' }]);
      });

      test('that fails says why, and changes nothing else', async () => {
        await ledger.deploy(deployment());
        await ledger.stage(deployment({ fingerprint: 'b' }));
        await ledger.settle('echo', 2, { state: 'failed', reason: 'No such file.' });
        expect(await ledger.deployments()).toMatchObject([
          { version: 1, state: 'active', reason: null },
          { version: 2, state: 'failed', reason: 'No such file.' },
        ]);
      });

      test('through a server stays when the configuration says what it said before, and not when it says something new', async () => {
        await ledger.deploy(deployment());
        await ledger.deploy(deployment({ fingerprint: 'b', source: 'api' }));
        expect(await ledger.deploy(deployment())).toBe(2);
        expect(await ledger.deploy(deployment({ fingerprint: 'c' }))).toBe(3);
      });

      test('keeps its specification, to the character', async () => {
        const spec = '{"name":"echo","env":{"A":"\u2028\\u0000"}}';
        await ledger.deploy(deployment({ fingerprint: 'b', spec, source: 'api' }));
        expect((await ledger.deployments()).at(-1)).toMatchObject({
          endpoint: 'echo',
          version: 2,
          spec,
          source: 'api',
        });
      });
    });

    describe('a version', () => {
      test('is what a claim takes runs of', async () => {
        await ledger.deploy(deployment());
        await ledger.deploy(deployment({ fingerprint: 'b' }));
        const [old, young] = [call(), call({ version: 2 })];
        await ledger.enqueue([old, young]);
        expect((await claim(2)).map(({ run }) => run.runId)).toEqual([old.runId]);
        expect(await ledger.backlog('echo', 1)).toEqual({ waiting: 0, alone: 0 });
        expect(await ledger.backlog('echo', 2)).toEqual({ waiting: 1, alone: 0 });
      });

      test('that nobody serves leaves its queued runs to another', async () => {
        await ledger.deploy(deployment());
        await ledger.deploy(deployment({ fingerprint: 'b' }));
        const runs = [call(), batch(), call({ version: 2 })];
        await ledger.enqueue(runs);
        expect(await ledger.adopt('echo', 2, [1])).toBe(0);
        expect(await ledger.adopt('echo', 2, [2])).toBe(2);
        expect(await Promise.all(runs.map(async ({ runId }) => (await ledger.run(runId))!.version))).toEqual([2, 2, 2]);
      });

      test('that leaves very many leaves them a bounded number at a time, until there are none', async () => {
        await ledger.deploy(deployment({ queueLimit: 10_000 }));
        await ledger.enqueue(Array.from({ length: ADOPT_MAX + 7 }, () => call()));
        await ledger.deploy(deployment({ fingerprint: 'b', queueLimit: 10_000 }));
        expect(await ledger.adopt('echo', 2, [2])).toBe(ADOPT_MAX);
        expect(await ledger.adopt('echo', 2, [2])).toBe(7);
        expect(await ledger.adopt('echo', 2, [2])).toBe(0);
        expect(await ledger.backlog('echo', 1)).toEqual({ waiting: 0, alone: 0 });
      });

      test('goes once nothing of it is open, takes nothing more, and can be deployed again', async () => {
        await ledger.deploy(deployment());
        const [queued, running] = [call(), call()];
        await ledger.enqueue([running, queued]);
        const [claimed] = await claim(1);
        expect(await ledger.retire('echo')).toBe('in-use');
        await ledger.cancel(queued.runId);
        expect(await ledger.retire('echo')).toBe('in-use');
        expect(await ledger.deployments()).toMatchObject([{ version: 1, state: 'active' }]);
        await finish(claimed!.claim);
        expect(await ledger.retire('echo')).toBe('retired');
        expect(await ledger.deployments()).toMatchObject([{ version: 1, state: 'superseded' }]);
        expect(await ledger.enqueue([call()])).toMatchObject([{ result: 'queue-full' }]);
        expect(await ledger.run(running.runId)).toMatchObject({ status: 'succeeded' });
        expect(await ledger.deploy(deployment())).toBe(1);
        expect(await ledger.enqueue([call()])).toMatchObject([{ result: 'enqueued' }]);
      });

      test('that a configuration named comes back with that configuration, also when others were deployed in between', async () => {
        expect(await ledger.deploy(deployment({ source: 'config' }))).toBe(1);
        expect(await ledger.deploy(deployment({ fingerprint: 'b', source: 'api' }))).toBe(2);
        expect(await ledger.retire('echo')).toBe('retired');
        expect(await ledger.deploy(deployment({ source: 'config' }))).toBe(1);
        expect(await ledger.deployments()).toMatchObject([
          { version: 1, state: 'active' },
          { version: 2, state: 'superseded' },
        ]);
      });

      test('of which something runs keeps its queued runs', async () => {
        await ledger.deploy(deployment());
        await ledger.deploy(deployment({ fingerprint: 'b' }));
        await ledger.enqueue([call(), call()]);
        await claim(1);
        expect(await ledger.adopt('echo', 2, [])).toBe(0);
      });
    });

    describe('enqueue', () => {
      test('writes a run down as it was handed in', async () => {
        const run = call({ runName: 'nightly', priority: 3, metadata: '{"who":"me"}', accept: 'text/csv' });
        expect(await ledger.enqueue([run])).toMatchObject([{ result: 'enqueued', ahead: 0, createdAt: clock.now() }]);
        expect(await ledger.run(run.runId)).toMatchObject({
          runId: run.runId,
          endpoint: 'echo',
          version: 1,
          kind: 'call',
          status: 'queued',
          runName: 'nightly',
          priority: 3,
          attempt: 0,
          createdAt: clock.now(),
          startedAt: null,
          finishedAt: null,
          timeout: minutes(15),
          queueTtl: minutes(10),
          metadata: '{"who":"me"}',
          accept: 'text/csv',
          input: { contentType: 'application/json', bytes: 7 },
          output: null,
          error: null,
        });
      });

      test('gives an input back byte for byte', async () => {
        const run = call({ input: inline('{"big":9007199254740993,"huge":1e400,"nul":"\\u0000"}') });
        await ledger.enqueue([run]);
        const stored = await ledger.payload(run.runId, 'input');
        expect(new TextDecoder().decode((stored!.body as { inline: Uint8Array }).inline)).toBe(
          '{"big":9007199254740993,"huge":1e400,"nul":"\\u0000"}',
        );
      });

      test('says how many are ahead', async () => {
        const results = await ledger.enqueue([call(), call(), call()]);
        expect(results.map((one) => one.result === 'enqueued' && one.ahead)).toEqual([0, 1, 2]);
      });

      test('stores exactly as many as the limit when many callers come at once', async () => {
        const results = (await Promise.all(Array.from({ length: 250 }, () => ledger.enqueue([call()])))).flat();
        expect(results.filter(({ result }) => result === 'enqueued')).toHaveLength(100);
        expect(results.filter(({ result }) => result === 'queue-full')).toHaveLength(150);
        expect(await queued()).toBe(100);
        expect(await ledger.runs({ limit: 300 })).toHaveLength(100);
      });

      test('frees a place when a run is claimed, cancelled or expired, and takes it again on a retry', async () => {
        const [first, second] = [call(), call()];
        await ledger.enqueue([first, second, call()]);
        const held = await claimOne();
        expect(await queued()).toBe(2);
        await ledger.finish([
          { claim: held.claim, result: { kind: 'retry', error: MODEL_ERROR, delay: seconds(1) }, progress: null },
        ]);
        expect(await queued()).toBe(3);
        await ledger.cancel(second.runId);
        expect(await queued()).toBe(2);
        await advance(minutes(11));
        await ledger.expire();
        expect(await queued()).toBe(0);
      });

      test('with an idempotency key stores once, replays the same request and refuses another', async () => {
        const first = call({ idempotency: { key: 'k', fingerprint: 'f' } });
        const copies = Array.from({ length: 20 }, () => call({ idempotency: { key: 'k', fingerprint: 'f' } }));
        const results = (await Promise.all([first, ...copies].map((run) => ledger.enqueue([run])))).flat();
        expect(results[0]).toMatchObject({ result: 'enqueued' });
        expect(results.slice(1)).toEqual(copies.map((): Enqueued => ({ result: 'replayed', runId: first.runId })));
        expect(await ledger.enqueue([call({ idempotency: { key: 'k', fingerprint: 'other' } })])).toEqual([
          { result: 'key-reused' },
        ]);
        expect(await queued()).toBe(1);
      });
    });

    describe('claim', () => {
      test('takes the most urgent first, and among equals the oldest', async () => {
        const [low, high, next] = [call(), call({ priority: 5 }), call()];
        await ledger.enqueue([low, high, next]);
        expect((await claim(3)).map(({ claim: { runId } }) => runId)).toEqual([high.runId, low.runId, next.runId]);
      });

      test('takes no more than there are slots, and never the same run twice', async () => {
        await ledger.enqueue(Array.from({ length: 50 }, () => call()));
        const taken = (await Promise.all(Array.from({ length: 20 }, () => claim(3))))
          .flat()
          .map(({ claim: { runId } }) => runId);
        expect(taken).toHaveLength(50);
        expect(new Set(taken).size).toBe(50);
      });

      test('marks the run as running and opens an attempt on the replica', async () => {
        const run = call();
        await ledger.enqueue([run]);
        const held = await claimOne();
        expect(held).toMatchObject({
          claim: { runId: run.runId, attempt: 1 },
          countedAttempts: 1,
          run: { status: 'running', startedAt: clock.now() },
        });
        expect(await ledger.attempts(run.runId)).toMatchObject([
          { attempt: 1, replica: 'r1', startedAt: clock.now(), finishedAt: null, outcome: null },
        ]);
      });

      test('leaves other endpoints and batches alone', async () => {
        await ledger.deploy(deployment({ name: 'other', queueLimit: 10 }));
        await ledger.enqueue([call({ endpoint: 'other' }), batch()]);
        expect(await claim(5)).toEqual([]);
        expect(await claim(5, ME, 'engine')).toHaveLength(1);
      });

      test('does not take a run whose retry is still delayed, and takes it at the very millisecond', async () => {
        await ledger.enqueue([call()]);
        const held = await claimOne();
        await ledger.finish([
          { claim: held.claim, result: { kind: 'retry', error: MODEL_ERROR, delay: seconds(2) }, progress: null },
        ]);
        await advance(milliseconds(1_999));
        expect(await claim()).toEqual([]);
        await advance(milliseconds(1));
        expect((await claimOne()).claim.attempt).toBe(2);
      });
    });

    describe('finish', () => {
      test('publishes an output once and for all', async () => {
        const run = call();
        await ledger.enqueue([run]);
        const held = await claimOne();
        expect(await finish(held.claim)).toBe('recorded');
        expect(await finish(held.claim, '{"late":true}')).toBe('lost');
        expect(await fail(held.claim)).toBe('lost');
        expect(await ledger.run(run.runId)).toMatchObject({
          status: 'succeeded',
          finishedAt: clock.now(),
          output: { bytes: 7 },
        });
        expect((await ledger.attempts(run.runId))[0]).toMatchObject({ outcome: 'succeeded', stoppedAt: clock.now() });
      });

      test('keeps why a run failed', async () => {
        const run = call();
        await ledger.enqueue([run]);
        expect(await fail((await claimOne()).claim)).toBe('recorded');
        expect(await ledger.run(run.runId)).toMatchObject({ status: 'failed', error: MODEL_ERROR });
      });

      test('refuses a worker that lost its lease once another has claimed the run', async () => {
        const run = call();
        await ledger.enqueue([run]);
        const stale = await claimOne('server-a');
        await advance(LEASE);
        await ledger.reclaim('server-b');
        const fresh = await claimOne('server-b');
        expect(await finish(stale.claim, '"stale"')).toBe('lost');
        expect(await finish(fresh.claim, '"fresh"')).toBe('recorded');
        const output = await ledger.payload(run.runId, 'output');
        expect(new TextDecoder().decode((output!.body as { inline: Uint8Array }).inline)).toBe('"fresh"');
      });

      test('refuses a worker that lost its lease while nobody has claimed the run yet', async () => {
        await ledger.enqueue([call()]);
        const stale = await claimOne();
        await advance(LEASE);
        await ledger.reclaim(ME);
        expect(await finish(stale.claim)).toBe('lost');
        expect((await claimOne()).claim.attempt).toBe(2);
      });

      test('does not count an attempt that was handed back', async () => {
        const run = call();
        await ledger.enqueue([run]);
        const held = await claimOne();
        await ledger.finish([{ claim: held.claim, result: { kind: 'released' }, progress: null }]);
        expect(await claimOne()).toMatchObject({ claim: { attempt: 2 }, countedAttempts: 1 });
        expect((await ledger.attempts(run.runId)).map(({ outcome }) => outcome)).toEqual(['released', null]);
      });
    });

    test('a run that is handed back with a pause waits for its end, and its attempt does not count', async () => {
      await ledger.enqueue([call({ queueTtl: minutes(1) })]);
      const held = await claimOne();
      await ledger.finish([{ claim: held.claim, result: { kind: 'released', delay: seconds(50) }, progress: null }]);
      await advance(milliseconds(49_999));
      expect(await claim(1)).toEqual([]);
      await advance(milliseconds(1));
      // Its queue_ttl begins when it is due.
      await advance(seconds(59));
      expect(await claimOne()).toMatchObject({ claim: { attempt: 2 }, countedAttempts: 1 });
    });

    describe('a lease', () => {
      test('lapses at its very end, not a millisecond before', async () => {
        await ledger.enqueue([call()]);
        await claimOne();
        await advance(milliseconds(LEASE - 1));
        expect(await ledger.reclaim(ME)).toEqual([]);
        await advance(milliseconds(1));
        expect(await ledger.reclaim(ME)).toMatchObject([{ status: 'queued' }]);
      });

      test('lives on when it is renewed, and cannot be renewed once it is lost', async () => {
        await ledger.enqueue([call()]);
        const held = await claimOne();
        await advance(seconds(20));
        expect(await ledger.renew([held.claim], LEASE)).toEqual(['recorded']);
        await advance(seconds(20));
        expect(await ledger.reclaim(ME)).toEqual([]);
        await advance(seconds(20));
        await ledger.reclaim(ME);
        expect(await ledger.renew([held.claim], LEASE)).toEqual(['lost']);
      });

      test('that is lost as often as the limit fails the run and says why', async () => {
        const run = call();
        await ledger.enqueue([run]);
        for (let attempt = 1; attempt <= LOST_WORKERS_MAX; attempt += 1) {
          expect((await claimOne()).claim.attempt).toBe(attempt);
          await advance(LEASE);
          await ledger.reclaim(ME);
        }
        expect(await ledger.run(run.runId)).toMatchObject({ status: 'failed', error: { type: 'replica-crashed' } });
        expect((await ledger.attempts(run.runId)).map(({ outcome }) => outcome)).toEqual(['lost', 'lost', 'lost']);
      });

      test('that a batch loses is taken up again however often', async () => {
        await ledger.enqueue([batch()]);
        for (let attempt = 1; attempt <= LOST_WORKERS_MAX + 2; attempt += 1) {
          expect((await claimOne(ME, 'engine')).claim.attempt).toBe(attempt);
          await advance(LEASE);
          expect(await ledger.reclaim(ME)).toMatchObject([{ status: 'queued' }]);
        }
      });
    });

    describe('cancel', () => {
      test('of a queued run ends it before it starts', async () => {
        const run = call();
        await ledger.enqueue([run]);
        expect(await ledger.cancel(run.runId)).toEqual({ result: 'cancelled', stopped: [] });
        expect(await claim()).toEqual([]);
        expect(await ledger.cancel(run.runId)).toEqual({ result: 'already-cancelled' });
      });

      test('of a running run wins over a later outcome, and the attempt says when it really stopped', async () => {
        const run = call();
        await ledger.enqueue([run]);
        const held = await claimOne();
        expect(await ledger.cancel(run.runId)).toEqual({ result: 'cancelled', stopped: [held.claim] });
        const cancelledAt = clock.now();
        await advance(seconds(3));
        expect(await finish(held.claim)).toBe('lost');
        expect(await ledger.run(run.runId)).toMatchObject({
          status: 'cancelled',
          output: null,
          finishedAt: cancelledAt,
        });
        expect((await ledger.attempts(run.runId))[0]).toMatchObject({
          outcome: 'cancelled',
          finishedAt: cancelledAt,
          stoppedAt: clock.now(),
        });
      });

      test('of an ended run changes nothing', async () => {
        const run = call();
        await ledger.enqueue([run]);
        await finish((await claimOne()).claim);
        expect(await ledger.cancel(run.runId)).toEqual({ result: 'ended' });
        expect(await ledger.run(run.runId)).toMatchObject({ status: 'succeeded' });
      });

      test('of an unknown run says so', async () => {
        expect(await ledger.cancel(newRunId())).toEqual({ result: 'unknown' });
      });

      test('racing an outcome agrees with what is then stored, in either order', async () => {
        for (let round = 0; round < 30; round += 1) {
          const run = call();
          await ledger.enqueue([run]);
          const held = await claimOne();
          const race: [Promise<unknown>, Promise<unknown>] =
            round % 2 === 0
              ? [ledger.cancel(run.runId), finish(held.claim)]
              : [finish(held.claim), ledger.cancel(run.runId)];
          await Promise.all(race);
          const { status } = (await ledger.run(run.runId))!;
          expect(status).toBe(round % 2 === 0 ? 'cancelled' : 'succeeded');
        }
      });
    });

    describe('a batch', () => {
      const running = async () => {
        const run = batch({ input: inline('a\n1\n2\n3\n', 'text/csv') });
        await ledger.enqueue([run]);
        return { run, held: await claimOne(ME, 'engine') };
      };

      test('has chunks that do not count for the queue limit', async () => {
        const { held } = await running();
        await ledger.deploy(deployment({ queueLimit: 0 }));
        const results = await ledger.enqueue([chunk(held.claim, 0, 2), chunk(held.claim, 2, 3)]);
        expect(results.map(({ result }) => result)).toEqual(['enqueued', 'enqueued']);
        expect(await queued()).toBe(0);
        expect(await claim(5)).toMatchObject([
          { run: { kind: 'chunk', rows: { from: 0, to: 2 } } },
          { run: { rows: { from: 2, to: 3 } } },
        ]);
        expect(await queued()).toBe(0);
      });

      test('takes a chunk only from who holds its claim, and each range once', async () => {
        const { run, held } = await running();
        expect(await ledger.enqueue([chunk({ ...held.claim, attempt: 0 }, 0, 2)])).toEqual([{ result: 'refused' }]);
        expect(await ledger.enqueue([chunk(held.claim, 0, 2), chunk(held.claim, 0, 2)])).toMatchObject([
          { result: 'enqueued' },
          { result: 'refused' },
        ]);
        await ledger.cancel(run.runId);
        expect(await ledger.enqueue([chunk(held.claim, 2, 3)])).toEqual([{ result: 'refused' }]);
      });

      test('lists its chunks in the order of rows, and keeps them out of the list of runs', async () => {
        const { run, held } = await running();
        await ledger.enqueue([chunk(held.claim, 2, 3), chunk(held.claim, 0, 2)]);
        expect((await ledger.chunks(run.runId)).map(({ rows, status }) => [rows.from, rows.to, status])).toEqual([
          [0, 2, 'queued'],
          [2, 3, 'queued'],
        ]);
        expect(await ledger.runs({ limit: 10 })).toHaveLength(1);
        expect(await ledger.runs({ limit: 10, parentId: run.runId })).toMatchObject([
          { parentId: run.runId },
          { parentId: run.runId },
        ]);
      });

      test('takes its chunks with it when it is cancelled', async () => {
        const { run, held } = await running();
        await ledger.enqueue([chunk(held.claim, 0, 2), chunk(held.claim, 2, 3)]);
        const first = await claimOne();
        const cancelled = await ledger.cancel(run.runId);
        expect(cancelled).toEqual({ result: 'cancelled', stopped: [held.claim, first.claim] });
        expect((await ledger.chunks(run.runId)).map(({ status }) => status)).toEqual(['cancelled', 'cancelled']);
        expect(await finish(first.claim)).toBe('lost');
      });

      test('that fails stops the chunks that are left', async () => {
        const { run, held } = await running();
        await ledger.enqueue([chunk(held.claim, 0, 2)]);
        await fail(held.claim);
        expect((await ledger.chunks(run.runId)).map(({ status }) => status)).toEqual(['cancelled']);
      });

      test('keeps its progress while it runs and after it has ended', async () => {
        const { run, held } = await running();
        expect((await ledger.run(run.runId))!.progress).toEqual({ done: 0, total: 3, failed: 0 });
        expect(await ledger.progress(held.claim, { done: 1, total: 3, failed: 0 })).toBe('recorded');
        expect((await ledger.run(run.runId))!.progress).toEqual({ done: 1, total: 3, failed: 0 });
        await ledger.finish([
          {
            claim: held.claim,
            result: { kind: 'succeeded', output: inline('y\n1\n2\n3\n', 'text/csv') },
            progress: { done: 3, total: 3, failed: 1 },
          },
        ]);
        expect((await ledger.run(run.runId))!.progress).toEqual({ done: 3, total: 3, failed: 1 });
        expect(await ledger.progress(held.claim, { done: 0, total: 3, failed: 0 })).toBe('lost');
      });
    });

    describe('the progress of a call', () => {
      const claimedCall = async () => {
        const run = call();
        await ledger.enqueue([run]);
        return { run, held: await claimOne() };
      };

      test('is null until it says something, and is kept with what it says', async () => {
        const { run, held } = await claimedCall();
        expect((await ledger.run(run.runId))!.progress).toBeNull();
        const progress = { done: 2, total: null, message: 'reading' };
        expect(await ledger.progress(held.claim, progress)).toBe('recorded');
        expect((await ledger.run(run.runId))!.progress).toEqual(progress);
        await fail(held.claim);
        expect((await ledger.run(run.runId))!.progress).toEqual(progress);
      });

      test('has a last word with its end, which may take back its total', async () => {
        const { run, held } = await claimedCall();
        await ledger.progress(held.claim, { done: 1, total: 9, message: 'counting' });
        const progress = { done: 4, total: null, message: null };
        const result = { kind: 'succeeded', output: inline('1') } as const;
        await ledger.finish([{ claim: held.claim, result, progress }]);
        expect((await ledger.run(run.runId))!.progress).toEqual(progress);
      });

      test('begins anew with the next attempt', async () => {
        const { run, held } = await claimedCall();
        const progress = { done: 1, total: 9, message: 'counting' };
        await ledger.finish([{ claim: held.claim, result: { kind: 'released' }, progress }]);
        expect((await ledger.run(run.runId))!.progress).toEqual(progress);
        await claim();
        expect((await ledger.run(run.runId))!.progress).toBeNull();
      });
    });

    describe('waiting', () => {
      test('longer than the queue_ttl fails a run at the very end of it', async () => {
        const run = call({ queueTtl: seconds(5) });
        await ledger.enqueue([run]);
        await advance(milliseconds(4_999));
        expect(await ledger.expire()).toEqual([]);
        await advance(milliseconds(1));
        expect(await claim()).toEqual([]);
        expect(await ledger.expire()).toMatchObject([{ runId: run.runId, status: 'failed' }]);
        expect(await ledger.run(run.runId)).toMatchObject({ status: 'failed', error: { type: 'queue-expired' } });
      });
    });

    test('says how many queued runs are more urgent than one', async () => {
      const [first, urgent, last] = [call(), call({ priority: 1 }), call()];
      await ledger.enqueue([first, urgent, last, batch()]);
      expect(await Promise.all([first, urgent, last].map(({ runId }) => ledger.ahead(runId)))).toEqual([1, 0, 2]);
    });

    describe('the list of runs', () => {
      test('is newest first, filtered, and goes on where a page ended', async () => {
        const runs = [call({ runName: 'a' }), call({ runName: 'b' }), call({ runName: 'a' })];
        for (const run of runs) {
          await ledger.enqueue([run]);
          await advance(seconds(1));
        }
        const [newest, second] = await ledger.runs({ limit: 2 });
        expect([newest!.runId, second!.runId]).toEqual([runs[2]!.runId, runs[1]!.runId]);
        expect((await ledger.runs({ limit: 2, before: second!.sequence })).map(({ runId }) => runId)).toEqual([
          runs[0]!.runId,
        ]);
        expect(await ledger.runs({ limit: 9, runName: 'a' })).toHaveLength(2);
        expect(await ledger.runs({ limit: 9, status: 'running' })).toHaveLength(0);
        expect(
          await ledger.runs({
            limit: 9,
            endpoint: 'echo',
            createdAfter: runs.length > 0 ? newest!.createdAt : clock.now(),
          }),
        ).toHaveLength(0);
      });
    });

    test('groups concurrent callers into few commits', async () => {
      const before = ledger.stats();
      await Promise.all(Array.from({ length: 64 }, () => ledger.enqueue([call()])));
      const { calls, commits } = ledger.stats();
      expect(calls - before.calls).toBe(64);
      expect(commits - before.commits).toBeLessThanOrEqual(2);
    });
  });
}
