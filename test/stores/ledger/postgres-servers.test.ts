// Two servers on one database: what one of them does, the other must see, wait for, or lose
// against.

import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { newRunId, steadyNow } from '../../../src/system/clock.ts';
import type { RunId } from '../../../src/domain/ids.ts';
import type { RunStatus } from '../../../src/domain/run.ts';
import type { BlobKey } from '../../../src/domain/payload.ts';
import {
  after,
  days,
  type Duration,
  hours,
  instant,
  milliseconds,
  minutes,
  type Moment,
  moment,
  seconds,
} from '../../../src/domain/time.ts';
import type { Claim, ClaimedRun, Ledger, NewRun } from '../../../src/stores/ledger/ledger.ts';
import { openPostgresLedger } from '../../../src/stores/ledger/postgres/driver.ts';
import { ask, moveTime, type PostgresServer, startPostgres, stopTime } from '../../support/postgres.ts';
import { until } from '../../support/until.ts';
import { answered, batch, call, chunk as chunkOf, deployment, inline } from './runs.ts';

const LEASE = seconds(30);
const START = instant(Date.UTC(2026, 0, 1));

let server: PostgresServer;
beforeAll(async () => {
  server = await startPostgres();
});
afterAll(() => server.stop());

let url: string;
let a: Ledger;
let b: Ledger;
/** How far time has come where a test moves it by hand. */
let stood: Moment | null;
beforeEach(async () => {
  url = await server.newDatabase();
  // Both at once, so that they also race for the migrations.
  stood = null;
  const steady = (): Moment => stood ?? steadyNow();
  [a, b] = await Promise.all([openPostgresLedger(url, { steady }), openPostgresLedger(url, { steady })]);
  await a.deploy(deployment());
});
afterEach(async () => {
  const auditor = await openPostgresLedger(url);
  expect(await auditor.audit()).toEqual([]);
  await Promise.all([a.close(), b.close(), auditor.close()]);
  await server.dropDatabase(url);
});

/** Makes time stand still, for the servers as well as for their database. */
async function stand(): Promise<void> {
  await stopTime(url, START);
  stood = moment(0);
  await Promise.all([a.check(), b.check()]);
}
/** So long after it began to stand. */
async function moveTo(since: Duration): Promise<void> {
  await moveTime(url, after(START, since));
  stood = moment(since);
}

const times = <Result>(count: number, make: (place: number) => Result): Result[] =>
  Array.from({ length: count }, (_, place) => make(place));
const either = (place: number): Ledger => (place % 2 === 0 ? a : b);
const claim = (
  ledger: Ledger,
  slots = 1,
  lane: 'replica' | 'engine' = 'replica',
  lease: Duration = LEASE,
): Promise<ClaimedRun[]> =>
  ledger.claim({
    endpoint: 'echo',
    version: 1,
    lane,
    slots: times(slots, () => ({ replica: 'r1', coldStart: null })),
    alone: true,
    owner: ledger === a ? 'server-a' : 'server-b',
    lease,
  });
const succeed = (ledger: Ledger, held: Claim) =>
  ledger.finish([{ claim: held, result: { kind: 'succeeded', output: inline('{"y":2}') }, progress: null }]);
const chunk = (held: Claim, from: number): NewRun => chunkOf(held, from, from + 1);

/**
 * Two transactions that wait for each other do so for a second, before Postgres undoes one of them.
 */
async function noDeadlocks(): Promise<void> {
  const counted = await ask(url, 'SELECT deadlocks::integer FROM pg_stat_database WHERE datname = current_database()');
  expect(counted).toEqual([{ deadlocks: 0 }]);
}

describe('two servers', () => {
  test('store together exactly as many runs as the limit', async () => {
    const results = (await Promise.all(times(250, (place) => either(place).enqueue([call()])))).flat();
    expect(results.filter(({ result }) => result === 'enqueued')).toHaveLength(100);
    expect(results.filter(({ result }) => result === 'queue-full')).toHaveLength(150);
    expect(await a.depths()).toMatchObject([{ endpoint: 'echo', queued: 100, backlog: 100 }]);
  });

  test('store together exactly as many runs as the limit while others are claimed', async () => {
    let stored = 0;
    let claimed = 0;
    const submit = async (place: number): Promise<void> => {
      for (let round = 0; round < 20; round += 1) {
        const [one] = await either(place).enqueue([call()]);
        if (one!.result === 'enqueued') stored += 1;
        // Another server may be about to store or claim as many as it likes, but never may more
        // than the limit be queued.
        expect((await a.depths())[0]!.queued).toBeLessThanOrEqual(100);
      }
    };
    const take = async (place: number): Promise<void> => {
      for (let round = 0; round < 20; round += 1) {
        const taken = await claim(either(place), 3);
        claimed += taken.length;
      }
    };
    await Promise.all([...times(12, submit), ...times(2, take)]);
    expect((await a.depths())[0]).toMatchObject({ queued: stored - claimed, running: claimed });
  });

  test('never get the same run', async () => {
    await a.deploy(deployment({ queueLimit: 1_000 }));
    await a.enqueue(times(300, () => call()));
    const taken: string[] = [];
    const takeAll = async (ledger: Ledger): Promise<void> => {
      for (;;) {
        const claimed = await claim(ledger, 3);
        if (claimed.length === 0) return;
        taken.push(...claimed.map(({ claim: { runId } }) => runId));
      }
    };
    await Promise.all(times(10, (place) => takeAll(either(place))));
    expect(new Set(taken).size).toBe(300);
    expect(taken).toHaveLength(300);
  });

  test('make one run of one idempotency key, however many come at once', async () => {
    for (let round = 0; round < 5; round += 1) {
      const idempotency = { key: `k${round}`, fingerprint: 'f' };
      const results = (await Promise.all(times(40, (place) => either(place).enqueue([call({ idempotency })])))).flat();
      expect(results.filter(({ result }) => result === 'enqueued')).toHaveLength(1);
      expect(results.filter(({ result }) => result === 'replayed')).toHaveLength(39);
      expect(new Set(results.flatMap((one) => (one.result === 'replayed' ? [one.runId] : []))).size).toBe(1);
    }
    expect(await a.runs({ limit: 100 })).toHaveLength(5);
  });

  test('let one of two requests have an idempotency key, also when they are for different endpoints', async () => {
    await a.deploy(deployment({ name: 'other', queueLimit: 100 }));
    for (let round = 0; round < 10; round += 1) {
      const results = await Promise.all([
        a.enqueue([call({ idempotency: { key: `k${round}`, fingerprint: 'f' } })]),
        b.enqueue([call({ endpoint: 'other', idempotency: { key: `k${round}`, fingerprint: 'g' } })]),
      ]);
      expect(new Set(results.map(([one]) => one!.result))).toEqual(new Set(['enqueued', 'key-reused']));
    }
  });

  test('agree on who was first when one cancels what the other finishes', async () => {
    const won = { cancel: 0, finish: 0 };
    for (let round = 0; round < 40; round += 1) {
      const run = call();
      await a.enqueue([run]);
      const [held] = await claim(a);
      const [cancelled, [finished]] = await Promise.all([b.cancel(run.runId), succeed(a, held!.claim)]);
      const { status } = (await b.run(run.runId))!;
      if (finished === 'recorded') {
        expect([cancelled.result, status]).toEqual(['ended', 'succeeded']);
        won.finish += 1;
      } else {
        expect([cancelled, status]).toEqual([{ result: 'cancelled', stopped: [held!.claim] }, 'cancelled']);
        won.cancel += 1;
      }
    }
    expect(won.cancel + won.finish).toBe(40);
  });

  test('agree on who was first when one cancels what the other claims', async () => {
    for (let round = 0; round < 40; round += 1) {
      const run = call();
      await a.enqueue([run]);
      const [cancelled, claimed] = await Promise.all([b.cancel(run.runId), claim(a)]);
      expect(cancelled).toEqual({ result: 'cancelled', stopped: claimed.map((one) => one.claim) });
      expect(await a.run(run.runId)).toMatchObject({ status: 'cancelled' });
    }
  });

  test('leave no chunk behind when one cancels a batch that the other splits', async () => {
    for (let round = 0; round < 20; round += 1) {
      const run = batch();
      await a.enqueue([run]);
      const held = (await claim(a, 1, 'engine'))[0]!.claim;
      const [, ...stored] = await Promise.all([
        b.cancel(run.runId),
        ...times(4, (place) => a.enqueue([chunk(held, place * 2), chunk(held, place * 2 + 1)])),
      ]);
      const kept = stored.flat().filter(({ result }) => result === 'enqueued').length;
      expect((await a.chunks(run.runId)).map(({ status }) => status)).toEqual(times(kept, () => 'cancelled'));
    }
  });

  test('agree on who was first when one cancels a batch whose chunks the other claims', async () => {
    for (let round = 0; round < 20; round += 1) {
      const run = batch();
      await a.enqueue([run]);
      const held = (await claim(a, 1, 'engine'))[0]!.claim;
      await a.enqueue(times(8, (place) => chunk(held, place)));
      const [cancelled, ...claimed] = await Promise.all([b.cancel(run.runId), ...times(4, () => claim(a, 1))]);
      const started = claimed.flat().map((one) => one.claim.runId);
      expect(cancelled).toMatchObject({ result: 'cancelled' });
      const stopped = cancelled.result === 'cancelled' ? cancelled.stopped.map(({ runId }) => runId) : [];
      expect(new Set(stopped)).toEqual(new Set([run.runId, ...started]));
    }
  });

  test('store each range of a batch once', async () => {
    const run = batch();
    await a.enqueue([run]);
    const held = (await claim(a, 1, 'engine'))[0]!.claim;
    const results = await Promise.all(times(20, (place) => either(place).enqueue([chunk(held, place % 5)])));
    expect(results.flat().filter(({ result }) => result === 'enqueued')).toHaveLength(5);
    expect(await b.chunks(run.runId)).toHaveLength(5);
  });
});

describe('two servers together', () => {
  test('never let more runs of an endpoint run than its concurrency limit, and leave no slot empty', async () => {
    await a.deploy(deployment({ queueLimit: 1_000, concurrencyLimit: 7 }));
    await a.enqueue(times(200, () => call()));
    const ended: Claim[] = [];
    const work = async (ledger: Ledger): Promise<void> => {
      while (ended.length < 200) {
        for (const { claim: held } of await claim(ledger, 3)) {
          expect(await succeed(ledger, held)).toEqual(['recorded']);
          ended.push(held);
        }
      }
    };
    const count = `SELECT count(*)::integer AS running FROM claimcheck.open_runs WHERE status = 'running'`;
    const watch = async (): Promise<void> => {
      while (ended.length < 200) expect((await ask(url, count))[0]!['running']).toBeLessThanOrEqual(7);
    };
    await Promise.all([...times(8, (place) => work(either(place))), watch()]);
    await a.enqueue(times(20, () => call()));
    const full = (await Promise.all(times(8, (place) => claim(either(place), 3)))).flat();
    expect(full).toHaveLength(7);
  });

  test('keep to a concurrency limit that one of them has set since the other claimed last', async () => {
    await a.enqueue(times(10, () => call()));
    expect(await claim(b, 1)).toHaveLength(1);
    await a.deploy(deployment({ concurrencyLimit: 3 }));
    expect(await claim(b, 9)).toHaveLength(2);
    await a.deploy(deployment({ concurrencyLimit: null }));
    expect(await claim(b, 9)).toHaveLength(7);
  });

  test('draw every turn of a tenant once, and let tenants alternate over all servers that store their runs', async () => {
    await a.deploy(deployment({ queueLimit: 1_000 }));
    await Promise.all(
      times(60, (place) => either(place).enqueue([call({ tenant: 'many' }), call({ tenant: 'many' })])),
    );
    const turns = await ask(url, `SELECT turn::integer FROM claimcheck.open_runs ORDER BY turn`);
    expect(turns.map(({ turn }) => turn)).toEqual(times(120, (place) => place + 1));
    await claim(a, 50);
    await Promise.all(times(10, (place) => either(place).enqueue([call({ tenant: `few${place}` })])));
    // The ten who came last begin where the many are, and not behind them.
    const tenants = (await Promise.all([claim(a, 6), claim(b, 6)])).flat().map(({ run }) => run.tenant);
    expect(tenants.filter((tenant) => tenant !== 'many')).toHaveLength(10);
  });

  test('draw no turn for a run that finds no room', async () => {
    await a.deploy(deployment({ queueLimit: 10 }));
    await Promise.all(times(30, (place) => either(place).enqueue([call()])));
    expect(await ask(url, 'SELECT last_turn::integer FROM claimcheck.turns')).toEqual([{ last_turn: 10 }]);
  });

  test('have one open run of a concurrency key, however many come at once', async () => {
    for (let round = 0; round < 10; round += 1) {
      const results = (
        await Promise.all(times(40, (place) => either(place).enqueue([call({ concurrencyKey: 'nightly' })])))
      ).flat();
      expect(results.filter(({ result }) => result === 'enqueued')).toHaveLength(1);
      const ids = new Set(results.flatMap((one) => (one.result === 'deduplicated' ? [one.runId] : [])));
      expect([...ids]).toHaveLength(1);
      expect(results.filter(({ result }) => result === 'deduplicated')).toHaveLength(39);
      const [held] = await claim(either(round));
      expect(held!.claim.runId).toBe([...ids][0]);
      await succeed(either(round + 1), held!.claim);
    }
  });

  test('do not wait for each other when one claims or ends the run whose concurrency key the other comes with', async () => {
    const keys = ['x', 'y', 'z'];
    const overAt = performance.now() + 2_000;
    const run = async (place: number): Promise<void> => {
      while (performance.now() < overAt) {
        await either(place).enqueue([
          call({ concurrencyKey: keys[place % 3]! }),
          call({ concurrencyKey: keys[(place + 1) % 3]! }),
        ]);
        for (const { claim: held } of await claim(either(place + 1), 2)) await succeed(either(place), held);
      }
    };
    await Promise.all(times(12, run));
    await noDeadlocks();
  });

  test('store runs with keys of every sort at once, each answered as if they had come one by one', async () => {
    const keys = ['x', 'y', null];
    const runs = times(120, (place) =>
      call({
        concurrencyKey: keys[place % 3]!,
        idempotency: place % 2 === 0 ? { key: `i${place % 10}`, fingerprint: `f${place % 20}` } : null,
      }),
    );
    const results = (await Promise.all(runs.map((run, place) => either(place).enqueue([run])))).flat();
    const stored = new Map(
      runs.flatMap((run, place) => (results[place]!.result === 'enqueued' ? [[run.runId, run]] : [])),
    );
    expect(await a.runs({ limit: 500 })).toHaveLength(stored.size);
    // A run is what its own key stands for, and the keys of its duplicates.
    const standsFor = new Map([...stored].map(([runId, { idempotency }]) => [runId, [idempotency]]));
    results.forEach((answer, place) => {
      if (answer.result === 'deduplicated') standsFor.get(answer.runId)!.push(runs[place]!.idempotency);
    });
    results.forEach((answer, place) => {
      const run = runs[place]!;
      if (answer.result === 'replayed') expect(standsFor.get(answer.runId)).toContainEqual(run.idempotency);
      if (answer.result === 'deduplicated') expect(stored.get(answer.runId)!.concurrencyKey).toBe(run.concurrencyKey);
    });
    const kinds = new Set(results.map(({ result }) => result));
    expect([...kinds].toSorted()).toEqual(['deduplicated', 'enqueued', 'key-reused', 'replayed']);
  });

  test('agree on who was first when one takes back what the other finishes or renews', async () => {
    for (let round = 0; round < 30; round += 1) {
      const run = call();
      await a.enqueue([run]);
      const [held] = await claim(a, 1, 'replica', milliseconds(0));
      const [[renewed], swept, [finished]] = await Promise.all([
        b.renew([held!.claim], LEASE),
        b.reclaim('whoever'),
        succeed(a, held!.claim),
      ]);
      const status = (await b.run(run.runId))!.status;
      expect(swept.length + (finished === 'recorded' ? 1 : 0)).toBeLessThanOrEqual(1);
      if (finished === 'recorded') expect(status).toBe('succeeded');
      else expect([swept.map(({ runId }) => runId), status]).toEqual([[run.runId], 'queued']);
      if (renewed === 'recorded') expect(swept).toEqual([]);
      await a.cancel(run.runId);
    }
  });

  test('collect every run once', async () => {
    await stand();
    const blob = (run: NewRun): BlobKey => `${run.runId}.input` as BlobKey;
    const runs = times(300, () => call({ retention: seconds(1) })).map((run) => ({
      ...run,
      input: { ...inline('{}'), body: { blob: blob(run) } },
    }));
    await a.deploy(deployment({ queueLimit: 1_000 }));
    await a.enqueue(runs);
    await a.purge({ endpoint: 'echo' });
    await moveTo(seconds(1));
    const gone = await Promise.all(times(8, (place) => either(place).collect()));
    expect(gone.flatMap(({ blobs }) => blobs).toSorted()).toEqual(runs.map(blob).toSorted());
    expect(gone.reduce((sum, one) => sum + one.runs, 0)).toBe(300);
    await moveTo(days(31));
    const forgotten = await Promise.all(times(8, (place) => either(place).collect()));
    expect(forgotten.reduce((sum, one) => sum + one.runs, 0)).toBe(300);
    expect(await a.runs({ limit: 1 })).toEqual([]);
  });

  test('carry out every delivery once', async () => {
    const callback = { url: 'https://example.com/hook', events: ['run.cancelled'] as const };
    await a.enqueue(times(100, () => call({ callback })));
    await a.purge({ endpoint: 'echo' });
    const carried: string[] = [];
    const carry = async (ledger: Ledger): Promise<void> => {
      for (;;) {
        const due = await ledger.claimDeliveries(7, LEASE);
        if (due.length === 0) return;
        carried.push(...due.map(({ claim: { deliveryId } }) => deliveryId));
        const result = { kind: 'delivered', ...answered(200) } as const;
        const answers = await ledger.finishDeliveries(due.map((one) => ({ claim: one.claim, result })));
        expect(answers).toEqual(due.map(() => 'recorded'));
      }
    };
    await Promise.all(times(8, (place) => carry(either(place))));
    expect(carried).toHaveLength(100);
    expect(new Set(carried).size).toBe(100);
  });
});

describe('a server', () => {
  test('takes back nothing of another one whose lease is good, and everything once it has lapsed', async () => {
    await stand();
    const run = call();
    await a.enqueue([run]);
    const stale = (await claim(a))[0]!.claim;
    await moveTo(milliseconds(LEASE - 1));
    expect(await b.reclaim('server-b')).toEqual([]);
    await moveTo(LEASE);
    expect(await b.reclaim('server-b')).toMatchObject([{ runId: run.runId, status: 'queued' }]);
    const fresh = (await claim(b))[0]!.claim;
    expect(await a.renew([stale], hours(1))).toEqual(['lost']);
    expect(await a.progress(stale, { done: 1, total: 1, failed: 0 })).toBe('lost');
    expect(await succeed(a, stale)).toEqual(['lost']);
    expect(await succeed(b, fresh)).toEqual(['recorded']);
    expect(await a.attempts(run.runId)).toMatchObject([{ outcome: 'lost' }, { outcome: 'succeeded' }]);
  });

  test('cannot hold on to a run for another one that has claimed it since', async () => {
    await stand();
    await a.enqueue([call()]);
    const stale = (await claim(a))[0]!.claim;
    await moveTo(LEASE);
    await b.reclaim('server-b');
    await claim(b);
    expect(await a.renew([stale], hours(1))).toEqual(['lost']);
    await moveTo(milliseconds(2 * LEASE));
    expect(await a.reclaim('server-a')).toHaveLength(1);
  });

  test('shares the sweep with the other: each lost run is taken back once', async () => {
    await stand();
    await a.enqueue(times(60, () => call()));
    expect(await claim(a, 60)).toHaveLength(60);
    await moveTo(LEASE);
    const swept = (await Promise.all(times(6, (place) => either(place).reclaim('whoever')))).flat();
    expect(swept).toHaveLength(60);
    expect(new Set(swept.map(({ runId }) => runId)).size).toBe(60);
    expect((await b.depths())[0]).toMatchObject({ queued: 60, running: 0 });
  });

  test('of a database whose clock is set forward takes nothing back from another that lives, and ends nothing that waits', async () => {
    await stand();
    await a.enqueue([call(), call({ queueTtl: minutes(10) })]);
    const held = (await claim(a))[0]!.claim;
    await moveTime(url, after(START, days(1)));
    expect(await b.reclaim('server-b')).toEqual([]);
    expect(await b.expire()).toEqual([]);
    expect(await a.renew([held], LEASE)).toEqual(['recorded']);
    expect(await claim(b)).toHaveLength(1);
    expect(await succeed(a, held)).toEqual(['recorded']);
    // From then on time goes by as it did: who does not renew is dead.
    stood = moment(LEASE);
    await moveTime(url, after(after(START, days(1)), LEASE));
    expect(await b.reclaim('server-b')).toMatchObject([{ status: 'queued' }]);
  });

  test('of a database whose clock is set back lets nothing wait for the time that it was', async () => {
    await stand();
    const callback = { url: 'https://example.com/hook', events: ['run.succeeded'] as const };
    await a.enqueue([call({ callback }), call(), call()]);
    const [first, second] = (await claim(a, 2)).map((one) => one.claim);
    await succeed(a, first!);
    const error = { type: 'model-error', detail: 'no' } as const;
    const result = { kind: 'retry', error, delay: seconds(20) } as const;
    await a.finish([{ claim: second!, result, progress: null }]);
    await moveTime(url, after(START, hours(-1)));
    await b.check();
    expect(await claim(b, 3)).toHaveLength(2);
    expect(await b.claimDeliveries(10, LEASE)).toHaveLength(1);
    // The claims of a server that has died since are taken back as soon as any others.
    stood = moment(LEASE);
    await moveTime(url, after(after(START, hours(-1)), LEASE));
    expect(await b.reclaim('server-b')).toHaveLength(2);
  });

  test('keeps what a model said last, also where Postgres cannot keep a character of it', async () => {
    const run = call();
    await a.enqueue([run]);
    const held = (await claim(a))[0]!.claim;
    const error = { type: 'model-error', detail: 'died: \0\0 \u{1F480}' } as const;
    expect(await a.finish([{ claim: held, result: { kind: 'failed', error }, progress: null }])).toEqual(['recorded']);
    expect((await a.run(run.runId))!.error).toEqual({
      type: 'model-error',
      detail: 'died: \u{FFFD}\u{FFFD} \u{1F480}',
    });
  });

  test('names the endpoint that was never deployed, and stores what came together with it', async () => {
    const results = await Promise.allSettled([
      a.enqueue([call()]),
      a.enqueue([call(), call({ endpoint: 'nowhere' })]),
      a.enqueue([call()]),
    ]);
    expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
    expect(String((results[1] as PromiseRejectedResult).reason)).toMatch(/nowhere was never deployed/);
    expect(await a.runs({ limit: 10 })).toHaveLength(2);
  });
});

test('a group reads about as many rows as it writes, beside any number that waits or runs and with any statistics', async () => {
  const counted = `SELECT (SELECT sum(idx_tup_read) FROM pg_stat_user_indexes WHERE schemaname = 'claimcheck')::integer
    + (SELECT sum(seq_tup_read) FROM pg_stat_user_tables WHERE schemaname = 'claimcheck')::integer AS rows`;
  const read = async (): Promise<number> => (await ask(url, counted))[0]!['rows'] as number;
  // A connection adds what it has read to the statistics at the latest when it ends.
  const alone = async (work: (ledger: Ledger) => Promise<void>): Promise<void> => {
    const ledger = await openPostgresLedger(url);
    await work(ledger);
    await ledger.close();
  };
  const finish = async (ledger: Ledger, held: readonly ClaimedRun[]): Promise<void> =>
    void (await Promise.all(held.map((one) => succeed(ledger, one.claim))));
  await a.deploy(deployment({ queueLimit: 10_000 }));
  await Promise.all([a.close(), b.close()]);
  await alone(async (ledger) => {
    for (let round = 0; round < 8; round += 1) await ledger.enqueue(times(500, () => call()));
    // From here on Postgres believes that next to nothing ever runs, and plans without looking at
    // what is asked.
    await ask(
      url,
      `ANALYZE; ALTER DATABASE ${new URL(url).pathname.slice(1)} SET plan_cache_mode = force_generic_plan`,
    );
    for (let round = 0; round < 6; round += 1) await claim(ledger, 500);
  });
  const group = async (ledger: Ledger): Promise<void> => {
    await Promise.all(times(64, () => ledger.enqueue([call()])));
    const held = await claim(ledger, 64);
    await ledger.renew(
      held.map((one) => one.claim),
      LEASE,
    );
    for (const { claim: one } of held.slice(0, 8)) await ledger.progress(one, { done: 1, total: 2, failed: 0 });
    for (const { claim: one } of held.slice(0, 8)) await ledger.cancel(one.runId);
    await finish(ledger, held);
  };
  const reads: number[] = [];
  for (let round = 0; round < 3; round += 1) {
    // What the round before has left behind is read over otherwise, so that the first alone would
    // show what a group takes.
    await ask(url, 'VACUUM');
    const before = await read();
    await alone(group);
    reads.push((await read()) - before);
  }
  // The least of three, since what Postgres does by itself at that moment counts as well. It
  // takes about 4,600; one statement that went through the 3,000 others that run, once, would show
  // every time.
  expect(Math.min(...reads)).toBeLessThan(6_500);
});

test('the table that claims are made from is swept of what many runs leave behind', async () => {
  await a.deploy(deployment({ queueLimit: 10_000 }));
  for (let round = 0; round < 12; round += 1) {
    await a.enqueue(times(500, () => call()));
    const held = await claim(a, 500);
    const result = { kind: 'succeeded', output: inline('1') } as const;
    await a.finish(held.map((one) => ({ claim: one.claim, result, progress: null })));
  }
  await until('it was vacuumed', async () => {
    await a.reclaim('server-a');
    const [row] = await ask(
      url,
      `SELECT vacuum_count::integer AS vacuums FROM pg_stat_user_tables WHERE relname = 'open_runs'`,
    );
    return row!['vacuums'] !== 0;
  });
  expect(await a.runs({ limit: 1, status: 'succeeded' })).toHaveLength(1);
});

test('a storm of everything from two servers breaks nothing, loses no outcome, and no two transactions wait for each other', async () => {
  await a.deploy(deployment({ queueLimit: 60, concurrencyLimit: 25 }));
  const known: NewRun[] = [];
  const held: Claim[] = [];
  /** What the ledger has said of runs that ended. */
  const said = new Map<RunId, RunStatus>();
  const any = <Item>(items: readonly Item[]): Item | undefined => items[Math.floor(Math.random() * items.length)];
  const error = { type: 'model-error', detail: 'No.' } as const;
  const results = [
    { kind: 'succeeded', output: inline('{"y":2}') },
    { kind: 'failed', error },
    { kind: 'retry', error: { type: 'replica-crashed', detail: 'Gone.' }, delay: milliseconds(0) },
    { kind: 'released' },
  ] as const;
  const callback = { url: 'https://example.com/hook', events: ['run.succeeded', 'run.cancelled'] as const };
  const enqueue = async (ledger: Ledger): Promise<void> => {
    const run = (Math.random() < 0.1 ? batch : call)({
      priority: Math.floor(Math.random() * 3),
      tenant: any(['one', 'two', 'three'])!,
      concurrencyKey: any(['x', 'y', 'z', null, null, null])!,
      callback: any([callback, null])!,
      retention: any([milliseconds(0), hours(1)])!,
      queueTtl: any([milliseconds(300), hours(1)])!,
      idempotency: any([{ key: any(['k', 'l', 'm'])!, fingerprint: 'f' }, null, null])!,
    });
    if ((await ledger.enqueue([run]))[0]!.result === 'enqueued') known.push(run);
  };
  const finish = async (ledger: Ledger, one: Claim): Promise<void> => {
    const result = any(results)!;
    const [recorded] = await ledger.finish([{ claim: one, result, progress: null }]);
    if (recorded === 'recorded' && (result.kind === 'succeeded' || result.kind === 'failed'))
      said.set(one.runId, result.kind);
  };
  const act = async (ledger: Ledger): Promise<void> => {
    const one = any(held);
    switch (Math.floor(Math.random() * 12)) {
      case 0:
      case 1:
        return enqueue(ledger);
      case 2:
        return void held.push(...(await claim(ledger, 4)).map((claimed) => claimed.claim));
      case 3: {
        const batches = await claim(ledger, 1, 'engine');
        held.push(...batches.map((claimed) => claimed.claim));
        for (const { claim: parent } of batches) await ledger.enqueue(times(3, (place) => chunk(parent, place)));
        return;
      }
      case 4:
      case 5:
        return one && finish(ledger, one);
      case 6:
        return void (await ledger.renew(held.slice(-5), any([LEASE, milliseconds(0)])!));
      case 7: {
        const runId = any(known)?.runId ?? newRunId();
        if ((await ledger.cancel(runId)).result === 'cancelled') said.set(runId, 'cancelled');
        return;
      }
      case 8:
        for (const { runId, status } of [...(await ledger.reclaim('whoever')), ...(await ledger.expire())])
          if (status === 'failed') said.set(runId, 'failed');
        return;
      case 9:
        if (Math.random() < 0.1)
          for (const runId of (await ledger.purge({ endpoint: 'echo' })).cancelled) said.set(runId, 'cancelled');
        return;
      case 10:
        return void (await ledger.collect());
      default: {
        const due = await ledger.claimDeliveries(5, LEASE);
        const delivered = { kind: 'delivered', ...answered(200) } as const;
        return void (await ledger.finishDeliveries(due.map((each) => ({ claim: each.claim, result: delivered }))));
      }
    }
  };
  const overAt = performance.now() + 4_000;
  await Promise.all(
    times(24, async (place) => {
      while (performance.now() < overAt) await act(either(place));
    }),
  );
  expect(await a.audit()).toEqual([]);
  await noDeadlocks();
  const stored = new Map(
    (await ask(url, `SELECT run_id, status FROM claimcheck.runs`)).map((row) => [row['run_id'], row['status']]),
  );
  expect([...said].filter(([runId, status]) => stored.has(runId) && stored.get(runId) !== status)).toEqual([]);
  // All are there but chunks, which go when their batch is collected.
  expect(known.filter(({ runId }) => !stored.has(runId))).toEqual([]);
  expect(new Set(said.values())).toEqual(new Set(['succeeded', 'failed', 'cancelled']));
});
