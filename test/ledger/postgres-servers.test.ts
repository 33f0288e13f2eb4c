// Two servers on one database: what one of them does, the other must see, wait for, or lose against.

import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { newRunId } from '../../src/clock.ts';
import { after, hours, instant, milliseconds, seconds } from '../../src/domain/time.ts';
import type { Claim, ClaimedRun, Ledger, NewRun } from '../../src/ledger/ledger.ts';
import { openPostgresLedger } from '../../src/ledger/postgres/driver.ts';
import { ask, moveTime, type PostgresServer, startPostgres, stopTime } from '../support/postgres.ts';
import { call, inline } from './conformance.ts';

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
beforeEach(async () => {
  url = await server.newDatabase();
  // Both at once, so that they also race for the migrations.
  [a, b] = await Promise.all([openPostgresLedger(url), openPostgresLedger(url)]);
  await a.deploy({ name: 'echo', fingerprint: 'a', queueLimit: 100 });
});
afterEach(async () => {
  await Promise.all([a.close(), b.close()]);
  await server.dropDatabase(url);
});

const times = <Result>(count: number, make: (place: number) => Result): Result[] =>
  Array.from({ length: count }, (_, place) => make(place));
const either = (place: number): Ledger => (place % 2 === 0 ? a : b);
const claim = (ledger: Ledger, slots = 1, lane: 'replica' | 'engine' = 'replica'): Promise<ClaimedRun[]> =>
  ledger.claim({
    endpoint: 'echo',
    lane,
    slots: times(slots, () => ({ replica: 'r1', coldStart: null })),
    owner: ledger === a ? 'server-a' : 'server-b',
    lease: LEASE,
  });
const succeed = (ledger: Ledger, held: Claim) =>
  ledger.finish([{ claim: held, result: { kind: 'succeeded', output: inline('{"y":2}') }, progress: null }]);
const batch = (): NewRun =>
  call({ kind: 'batch', lostWorkersMax: null, batch: { size: 10, maxInFlight: 4, onRowError: 'mark', rows: 3 } });
const chunk = (held: Claim, from: number): NewRun =>
  call({ kind: 'chunk', queueTtl: null, input: null, parent: { claim: held, rows: { from, to: from + 1 } } });

/** What must hold of the tables whenever nothing is under way. */
async function broken(): Promise<Record<string, unknown>[]> {
  return ask(
    url,
    `SELECT 'the counter is not the number of queued runs' AS what, e.name AS run_id FROM claimcheck.endpoints e
       WHERE e.queued <> (SELECT count(*) FROM claimcheck.runs r WHERE r.endpoint = e.name AND r.status = 'queued' AND r.kind <> 'chunk')
     UNION ALL
     SELECT 'an attempt is open although its run is not running', r.run_id FROM claimcheck.runs r
       JOIN claimcheck.attempts t ON t.run_seq = r.seq WHERE t.outcome IS NULL AND (r.status <> 'running' OR t.attempt <> r.attempt)
     UNION ALL
     SELECT 'a running run has no open attempt', r.run_id FROM claimcheck.runs r
       WHERE r.status = 'running' AND NOT EXISTS (SELECT 1 FROM claimcheck.attempts t
         WHERE t.run_seq = r.seq AND t.attempt = r.attempt AND t.outcome IS NULL)
     UNION ALL
     SELECT 'a run was not attempted as often as it says', r.run_id FROM claimcheck.runs r
       WHERE r.attempt <> (SELECT count(*) FROM claimcheck.attempts t WHERE t.run_seq = r.seq)
     UNION ALL
     SELECT 'a chunk is open although its batch has ended', r.run_id FROM claimcheck.runs r
       JOIN claimcheck.runs p ON p.seq = r.parent_seq
       WHERE r.status IN ('queued', 'running') AND p.status NOT IN ('queued', 'running')
     UNION ALL
     SELECT 'an output belongs to a run that did not succeed', r.run_id FROM claimcheck.runs r
       JOIN claimcheck.outputs o ON o.run_seq = r.seq WHERE r.status <> 'succeeded'
     UNION ALL
     SELECT 'an attempt has succeeded and its run has not, or the other way round', r.run_id FROM claimcheck.runs r
       WHERE (r.status = 'succeeded') <> EXISTS (SELECT 1 FROM claimcheck.attempts t
         WHERE t.run_seq = r.seq AND t.attempt = r.attempt AND t.outcome = 'succeeded')
     UNION ALL
     SELECT 'a run has succeeded without an output', r.run_id FROM claimcheck.runs r
       WHERE r.status = 'succeeded' AND NOT EXISTS (SELECT 1 FROM claimcheck.outputs o WHERE o.run_seq = r.seq)`,
  );
}
afterEach(async () => {
  expect(await broken()).toEqual([]);
});

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
        // Another server may be about to store or claim as many as it likes, but never may more than the limit be queued.
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
    await a.deploy({ name: 'echo', fingerprint: 'a', queueLimit: 1_000 });
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
    await a.deploy({ name: 'other', fingerprint: 'a', queueLimit: 100 });
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

describe('a server', () => {
  test('takes back nothing of another one whose lease is good, and everything once it has lapsed', async () => {
    await stopTime(url, START);
    const run = call();
    await a.enqueue([run]);
    const stale = (await claim(a))[0]!.claim;
    await moveTime(url, after(START, milliseconds(LEASE - 1)));
    expect(await b.reclaim('server-b')).toEqual([]);
    await moveTime(url, after(START, LEASE));
    expect(await b.reclaim('server-b')).toMatchObject([{ runId: run.runId, status: 'queued' }]);
    const fresh = (await claim(b))[0]!.claim;
    expect(await a.renew([stale], hours(1))).toEqual(['lost']);
    expect(await a.progress(stale, { done: 1, total: 1, failed: 0 })).toBe('lost');
    expect(await succeed(a, stale)).toEqual(['lost']);
    expect(await succeed(b, fresh)).toEqual(['recorded']);
    expect(await a.attempts(run.runId)).toMatchObject([{ outcome: 'lost' }, { outcome: 'succeeded' }]);
  });

  test('cannot hold on to a run for another one that has claimed it since', async () => {
    await stopTime(url, START);
    await a.enqueue([call()]);
    const stale = (await claim(a))[0]!.claim;
    await moveTime(url, after(START, LEASE));
    await b.reclaim('server-b');
    await claim(b);
    expect(await a.renew([stale], hours(1))).toEqual(['lost']);
    await moveTime(url, after(after(START, LEASE), LEASE));
    expect(await a.reclaim('server-a')).toHaveLength(1);
  });

  test('shares the sweep with the other: each lost run is taken back once', async () => {
    await stopTime(url, START);
    await a.enqueue(times(60, () => call()));
    expect(await claim(a, 60)).toHaveLength(60);
    await moveTime(url, after(START, LEASE));
    const swept = (await Promise.all(times(6, (place) => either(place).reclaim('whoever')))).flat();
    expect(swept).toHaveLength(60);
    expect(new Set(swept.map(({ runId }) => runId)).size).toBe(60);
    expect((await b.depths())[0]).toMatchObject({ queued: 60, running: 0 });
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

test('a group reads about as many rows as it writes, whatever waits or runs beside it and whatever the statistics say', async () => {
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
  await a.deploy({ name: 'echo', fingerprint: 'a', queueLimit: 10_000 });
  await Promise.all([a.close(), b.close()]);
  await alone(async (ledger) => {
    for (let round = 0; round < 8; round += 1) await ledger.enqueue(times(500, () => call()));
    // From here on Postgres believes that next to nothing ever runs, and plans without looking at what is asked.
    await ask(
      url,
      `ANALYZE; ALTER DATABASE ${new URL(url).pathname.slice(1)} SET plan_cache_mode = force_generic_plan`,
    );
    for (let round = 0; round < 6; round += 1) await claim(ledger, 500);
  });
  const before = await read();
  await alone(async (ledger) => {
    await Promise.all(times(64, () => ledger.enqueue([call()])));
    const held = await claim(ledger, 64);
    await ledger.renew(
      held.map((one) => one.claim),
      LEASE,
    );
    for (const { claim: one } of held.slice(0, 8)) await ledger.progress(one, { done: 1, total: 2, failed: 0 });
    for (const { claim: one } of held.slice(0, 8)) await ledger.cancel(one.runId);
    await finish(ledger, held);
  });
  // It takes about 4,600; one statement that went through the 3,000 others that run, once, would already show.
  expect((await read()) - before).toBeLessThan(6_500);
});

test('a storm of everything from two servers breaks nothing, and no two transactions wait for each other', async () => {
  await a.deploy({ name: 'echo', fingerprint: 'a', queueLimit: 60 });
  const known: NewRun[] = [];
  const held: Claim[] = [];
  const any = <Item>(items: readonly Item[]): Item | undefined => items[Math.floor(Math.random() * items.length)];
  const error = { type: 'model-error', detail: 'No.' } as const;
  const results = [
    { kind: 'succeeded', output: inline('{"y":2}') },
    { kind: 'failed', error },
    { kind: 'retry', error, delay: milliseconds(0) },
    { kind: 'released' },
  ] as const;
  const act = async (ledger: Ledger): Promise<void> => {
    const run = Math.random() < 0.1 ? batch() : call({ priority: Math.floor(Math.random() * 3) });
    const one = any(held);
    switch (Math.floor(Math.random() * 8)) {
      case 0:
      case 1:
        known.push(run);
        return void (await ledger.enqueue([run]));
      case 2:
        return void held.push(...(await claim(ledger, 4)).map((claimed) => claimed.claim));
      case 3: {
        const batches = await claim(ledger, 1, 'engine');
        held.push(...batches.map((claimed) => claimed.claim));
        for (const { claim: parent } of batches) await ledger.enqueue(times(3, (place) => chunk(parent, place)));
        return;
      }
      case 4:
        return one && void (await ledger.finish([{ claim: one, result: any(results)!, progress: null }]));
      case 5:
        return void (await ledger.renew(held.slice(-5), any([LEASE, milliseconds(0)])!));
      case 6:
        return void (await ledger.cancel(any(known)?.runId ?? newRunId()));
      default:
        return void (await ledger.reclaim('whoever'));
    }
  };
  const until = performance.now() + 3_000;
  await Promise.all(
    times(24, async (place) => {
      while (performance.now() < until) await act(either(place));
    }),
  );
  expect(await broken()).toEqual([]);
  expect(await ask(url, 'SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()')).toEqual([
    { deadlocks: '0' },
  ]);
  expect((await a.runs({ limit: 500 })).some(({ status }) => status === 'succeeded')).toBe(true);
});
