// Limits and fairness under storms: a limit is a number, and not about a number.

import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { milliseconds, seconds } from '../../../src/domain/time.ts';
import type { ClaimedRun, Enqueued, Ledger, NewRun } from '../../../src/stores/ledger/ledger.ts';
import type { DriverUnderTest, OpenedLedger } from './drivers.ts';
import { batch, call, chunk, deployment, inline } from './runs.ts';

const CALLERS = 500;

/** Runs the suite against a driver. */
export function describeLimits(driver: DriverUnderTest): void {
  describe(`${driver.name} ledger, under a storm`, () => {
    let opened: OpenedLedger;
    let here: Ledger;
    let there: Ledger;
    beforeEach(async () => {
      opened = await driver.open();
      here = opened.ledger;
      there = await opened.another();
      await here.deploy(deployment({ queueLimit: 5_000 }));
    });
    afterEach(async () => {
      expect(await here.audit()).toEqual([]);
      await opened.close();
    });

    const times = <Result>(count: number, make: (place: number) => Result): Result[] =>
      Array.from({ length: count }, (_, place) => make(place));
    const either = (place: number): Ledger => (place % 2 === 0 ? here : there);
    const claim = (ledger: Ledger, slots: number, lane: 'replica' | 'engine' = 'replica'): Promise<ClaimedRun[]> =>
      ledger.claim({
        endpoint: 'echo',
        version: 1,
        lane,
        slots: times(slots, () => ({ replica: 'r1', coldStart: null })),
        alone: true,
        owner: 'server-a',
        lease: seconds(30),
      });
    const storm = async (make: (place: number) => Partial<NewRun>): Promise<Enqueued[]> =>
      (await Promise.all(times(CALLERS, (place) => either(place).enqueue([call(make(place))])))).flat();
    const counts = (answers: readonly Enqueued[]): Record<string, number> => {
      const found: Record<string, number> = {};
      for (const { result } of answers) found[result] = (found[result] ?? 0) + 1;
      return found;
    };
    const depth = async () => (await here.depths()).find(({ endpoint }) => endpoint === 'echo')!;
    const release = (ledger: Ledger, { claim: held }: ClaimedRun) =>
      ledger.finish([{ claim: held, result: { kind: 'released' }, progress: null }]);
    const succeed = (ledger: Ledger, { claim: held }: ClaimedRun) =>
      ledger.finish([{ claim: held, result: { kind: 'succeeded', output: inline('1') }, progress: null }]);

    test('the last place of a queue is given once', async () => {
      await here.deploy(deployment({ queueLimit: 100 }));
      await here.enqueue(times(99, () => call()));
      expect(counts(await storm(() => ({})))).toEqual({ enqueued: 1, 'queue-full': CALLERS - 1 });
      expect((await depth()).queued).toBe(100);
    });

    test('an empty queue takes as many as its limit, and again as many as have left it', async () => {
      await here.deploy(deployment({ queueLimit: 70 }));
      expect(counts(await storm(() => ({})))).toEqual({ enqueued: 70, 'queue-full': CALLERS - 70 });
      const left = await claim(here, 5);
      const [cancelled] = await here.runs({ limit: 1, status: 'queued' });
      await there.cancel(cancelled!.runId);
      expect(counts(await storm(() => ({})))).toEqual({ enqueued: 6, 'queue-full': CALLERS - 6 });
      // What was accepted once has its place, whether there is one or not.
      await Promise.all(left.map((held, place) => release(either(place), held)));
      expect((await depth()).queued).toBe(75);
      expect(counts(await storm(() => ({})))).toEqual({ 'queue-full': CALLERS });
    });

    test('a queue without places takes nothing', async () => {
      await here.deploy(deployment({ queueLimit: 0 }));
      expect(counts(await storm(() => ({})))).toEqual({ 'queue-full': CALLERS });
    });

    test('an idempotency key stands for one run, and all who bring it are told which', async () => {
      const answers = await storm(() => ({ idempotency: { key: 'k', fingerprint: 'f' } }));
      expect(counts(answers)).toEqual({ enqueued: 1, replayed: CALLERS - 1 });
      const [stored] = await here.runs({ limit: 2 });
      const told = answers.flatMap((answer) => (answer.result === 'replayed' ? [answer.runId] : []));
      expect(new Set(told)).toEqual(new Set([stored!.runId]));
    });

    test('a concurrency key has one open run, and all who bring it are told which', async () => {
      const answers = await storm(() => ({ concurrencyKey: 'k' }));
      expect(counts(answers)).toEqual({ enqueued: 1, deduplicated: CALLERS - 1 });
      const [stored] = await here.runs({ limit: 2 });
      const told = answers.flatMap((answer) => (answer.result === 'deduplicated' ? [answer.runId] : []));
      expect(new Set(told)).toEqual(new Set([stored!.runId]));
    });

    test('of many who claim at once each gets as many runs as it has slots, and none that another has', async () => {
      await here.enqueue(times(240, () => call()));
      const taken = await Promise.all(times(40, (place) => claim(either(place), 6)));
      expect(taken.map(({ length }) => length)).toEqual(times(40, () => 6));
      expect(new Set(taken.flat().map(({ run }) => run.runId)).size).toBe(240);
    });

    test('as many runs run at once as the concurrency limit, however many claim', async () => {
      await here.deploy(deployment({ queueLimit: 5_000, concurrencyLimit: 7 }));
      await here.enqueue(times(300, () => call()));
      let running: ClaimedRun[] = [];
      let ended = 0;
      for (let round = 0; round < 6; round += 1) {
        // Some end while others claim, so that the number that may run changes under those who ask.
        const [taken] = await Promise.all([
          Promise.all(times(40, (place) => claim(either(place), 1 + (place % 3)))),
          Promise.all(running.map((held, place) => succeed(either(place), held))),
        ]);
        ended += running.length;
        running = taken.flat();
        const seen = await depth();
        expect(seen.running).toBe(running.length);
        expect(seen.running).toBeLessThanOrEqual(7);
        running.push(...(await claim(here, 50)));
        expect((await depth()).running).toBe(7);
      }
      expect(await here.runs({ limit: 1_000, status: 'succeeded' })).toHaveLength(ended);
    });

    test('a concurrency limit that is lowered lets what runs go on and starts nothing more', async () => {
      await here.enqueue(times(20, () => call()));
      const running = await claim(here, 6);
      await here.deploy(deployment({ queueLimit: 5_000, concurrencyLimit: 4 }));
      expect(await claim(there, 10)).toEqual([]);
      await Promise.all(running.slice(0, 3).map((held) => succeed(here, held)));
      expect(await claim(there, 10)).toHaveLength(1);
    });

    test('batches of any number run beside their chunks, which keep to the limit', async () => {
      await here.deploy(deployment({ queueLimit: 5_000, concurrencyLimit: 3 }));
      await here.enqueue(times(5, () => batch()));
      const batches = (await Promise.all(times(5, (place) => claim(either(place), 1, 'engine')))).flat();
      expect(batches).toHaveLength(5);
      await Promise.all(
        batches.map((held, place) => either(place).enqueue(times(3, (row) => chunk(held.claim, row, row + 1)))),
      );
      const chunks = (await Promise.all(times(20, (place) => claim(either(place), 2)))).flat();
      expect(chunks).toHaveLength(3);
    });

    test('a tenant that comes with 10 runs is served beside one that has 1,000 waiting', async () => {
      await here.enqueue(times(1_000, () => call({ tenant: 'many' })));
      await claim(here, 100);
      await there.enqueue(times(10, () => call({ tenant: 'few' })));
      const served: string[] = [];
      for (let round = 0; round < 20; round += 1) {
        const [claimed] = await claim(either(round), 1);
        served.push(claimed!.run.tenant);
        const few = served.filter((tenant) => tenant === 'few').length;
        // Both wait as long as the smaller one has runs left; until then neither is ahead by more
        // than one.
        if (few < 10) expect(Math.abs(served.length - 2 * few)).toBeLessThanOrEqual(1);
      }
      expect(served.filter((tenant) => tenant === 'few')).toHaveLength(10);
    });

    test('a run that is tried again puts no newcomer before everybody', async () => {
      await here.enqueue(times(40, () => call({ tenant: 'many' })));
      const [first] = await claim(here, 20);
      await release(here, first!);
      expect((await claim(there, 1)).map(({ run }) => run.runId)).toEqual([first!.claim.runId]);
      await here.enqueue(times(10, () => call({ tenant: 'new' })));
      const served = (await claim(there, 6)).map(({ run }) => run.tenant);
      expect(served.filter((tenant) => tenant === 'new')).toHaveLength(3);
    });

    test('a tenant that has many calls waiting and hands in a batch does not put newcomers behind all of them', async () => {
      await here.enqueue([...times(100, () => call({ tenant: 'many' })), batch({ tenant: 'many' })]);
      await claim(here, 1, 'engine');
      await here.enqueue(times(10, () => call({ tenant: 'new' })));
      const served = (await claim(there, 10)).map(({ run }) => run.tenant);
      expect(served.filter((tenant) => tenant === 'new')).toHaveLength(5);
    });

    test('a tenant that has many runs waiting and hands in an urgent one does not put newcomers behind all of them', async () => {
      await here.enqueue([...times(100, () => call({ tenant: 'many' })), call({ tenant: 'many', priority: 1 })]);
      await claim(here, 1);
      await here.enqueue(times(10, () => call({ tenant: 'new' })));
      const served = (await claim(there, 10)).map(({ run }) => run.tenant);
      expect(served.filter((tenant) => tenant === 'new')).toHaveLength(5);
    });

    test('three tenants that came one after the other, with many runs each, have equal shares', async () => {
      for (const tenant of ['ada', 'bob', 'cy']) await here.enqueue(times(120, () => call({ tenant })));
      const served = new Map<string, number>();
      for (let round = 0; round < 40; round += 1) {
        for (const { run } of await claim(either(round), 5)) served.set(run.tenant, (served.get(run.tenant) ?? 0) + 1);
        expect(Math.max(...served.values()) - Math.min(...served.values())).toBeLessThanOrEqual(1);
      }
    });

    test('tenants that submit at once draw turns of their own', async () => {
      const tenants = ['ada', 'bob', 'cy', 'dee'];
      await storm((place) => ({ tenant: tenants[place % 4]! }));
      const order = (await claim(here, CALLERS)).map(({ run }) => run.tenant);
      for (let turn = 0; turn < CALLERS / 4; turn += 1)
        expect(new Set(order.slice(turn * 4, turn * 4 + 4))).toEqual(new Set(tenants));
    });

    test('a delivery is claimed once, by the first of many that ask', async () => {
      const callback = { url: 'https://example.com/hook', events: ['run.cancelled'] as const };
      const runs = times(60, () => call({ callback }));
      await here.enqueue(runs);
      await here.purge({ endpoint: 'echo' });
      const asked = times(30, (place) =>
        place % 3 === 0
          ? either(place).claimDeliveriesTo({ 'example.com': 3 }, seconds(30))
          : either(place).claimDeliveries(3, seconds(30)),
      );
      const claimed = (await Promise.all(asked)).flat();
      const ids = claimed.map(({ claim: { deliveryId } }) => deliveryId);
      expect(ids).toHaveLength(60);
      expect(new Set(ids).size).toBe(60);
      await opened.advance(milliseconds(seconds(30) - 1));
      expect(await there.claimDeliveries(60, seconds(30))).toEqual([]);
    });
  });
}
