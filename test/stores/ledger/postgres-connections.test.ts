// Between the ledger and its database: connections that break, answers that never come, databases
// that cannot be used.

import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { StorageUnavailable } from '../../../src/domain/errors.ts';
import { milliseconds, seconds } from '../../../src/domain/time.ts';
import type { ClaimedRun, FinishedAttempt, Ledger, NewRun } from '../../../src/stores/ledger/ledger.ts';
import { Connections } from '../../../src/stores/postgres/connections.ts';
import { openPostgresLedger, type PostgresOptions } from '../../../src/stores/ledger/postgres/driver.ts';
import { driverFor } from '../../../src/stores/postgres/driver.ts';
import { ask, type Network, networkTo, type PostgresServer, startPostgres } from '../../support/postgres.ts';
import { until } from '../../support/until.ts';
import { batch, call, chunk, deployment, inline } from './runs.ts';

let server: PostgresServer;
beforeAll(async () => {
  server = await startPostgres();
});
afterAll(() => server.stop());

const OURS = `FROM pg_stat_activity WHERE application_name = 'claimcheck' AND datname = current_database()`;
const KILL = `SELECT pg_terminate_backend(pid) ${OURS}`;

const cleanUps: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).toReversed()) await cleanUp();
});

async function newDatabase(): Promise<string> {
  const url = await server.newDatabase();
  cleanUps.push(() => server.dropDatabase(url));
  return url;
}
async function open(url: string, options: PostgresOptions = {}): Promise<Ledger> {
  const ledger = await openPostgresLedger(url, options);
  cleanUps.push(() => ledger.close());
  await ledger.deploy(deployment({ queueLimit: 10_000 }));
  return ledger;
}
async function network(url: string): Promise<Network> {
  const made = await networkTo(url);
  cleanUps.push(() => made.close());
  return made;
}

const claim = (ledger: Ledger, slots: number): Promise<ClaimedRun[]> =>
  ledger.claim({
    endpoint: 'echo',
    version: 1,
    lane: 'replica',
    slots: Array.from({ length: slots }, () => ({ replica: 'r1', coldStart: null })),
    alone: true,
    owner: 'server-a',
    lease: seconds(30),
  });
const success = ({ claim: held }: ClaimedRun): FinishedAttempt => ({
  claim: held,
  result: { kind: 'succeeded', output: inline('{"y":2}') },
  progress: null,
});

describe('a connection', () => {
  test('that Postgres ends under load costs nothing that was acknowledged, and no run is stored or ended twice', async () => {
    const url = await newDatabase();
    const ledger = await open(url);
    const killed: unknown[] = [];
    const over = new AbortController();
    const killer = (async () => {
      while (!over.signal.aborted) {
        killed.push(...(await ask(url, KILL)));
        await pause(20);
      }
    })();
    const runs: NewRun[] = [];
    while (killed.length <= 10 || runs.length < 600) {
      const some = Array.from({ length: 50 }, () => call());
      const stored = await Promise.all(some.map((run) => ledger.enqueue([run])));
      expect(stored.flat().map(({ result }) => result)).toEqual(some.map(() => 'enqueued'));
      runs.push(...some);
    }
    // Claims are not asked again, because who has no answer does not know what it holds: their
    // leases would lapse.
    over.abort();
    await killer;
    expect((await ledger.depths()).map(({ queued }) => queued)).toEqual([runs.length]);
    const ids = runs.map(({ runId }) => runId).toSorted();
    const found = await Promise.all(ids.map((id) => ledger.run(id)));
    expect(found.map((run) => run?.runId)).toEqual(ids);
  });

  test('that is lost before the answer to a submit finds the run that was stored', async () => {
    const url = await newDatabase();
    const between = await network(url);
    const ledger = await open(between.url);
    for (const idempotency of [null, { key: 'k', fingerprint: 'f' }]) {
      const run = call({ idempotency });
      between.loseNextAnswer();
      expect(await ledger.enqueue([run])).toMatchObject([{ result: 'enqueued' }]);
      expect(await ledger.run(run.runId)).toMatchObject({ status: 'queued' });
    }
    expect(await ledger.depths()).toMatchObject([{ queued: 2 }]);
  });

  test('that is lost before the answer to an outcome finds the outcome recorded', async () => {
    const url = await newDatabase();
    const between = await network(url);
    const ledger = await open(between.url);
    await ledger.enqueue([call(), call()]);
    const [first, second] = await claim(ledger, 2);
    between.loseNextAnswer();
    expect(await ledger.finish([success(first!)])).toEqual(['recorded']);
    await ledger.cancel(second!.claim.runId);
    between.loseNextAnswer();
    expect(await ledger.finish([success(second!), success(first!)])).toEqual(['lost', 'recorded']);
    expect(await ask(url, 'SELECT count(*)::integer AS outputs FROM claimcheck.outputs')).toEqual([{ outputs: 1 }]);
  });

  test('that is lost before the answer to an outcome, with Postgres away for longer than anybody waits, leaves the outcome to the next that asks', async () => {
    const url = await newDatabase();
    const between = await network(url);
    const ledger = await open(between.url, { patience: milliseconds(50) });
    await ledger.enqueue([call(), call()]);
    const [first, second] = await claim(ledger, 2);
    between.loseNextAnswer('cut');
    await expect(ledger.finish([success(first!)])).rejects.toThrow(StorageUnavailable);
    between.mend();
    // As if it had not been there: a second outcome of a claim is lost.
    expect(await ledger.finish([success(first!)], 'first')).toEqual(['lost']);
    expect(await ledger.finish([success(first!), success(second!)], 'again')).toEqual(['recorded', 'recorded']);
  });

  test('that is lost when chunks are handed out finds them handed out by the next that asks', async () => {
    const ledger = await open(await newDatabase());
    await ledger.enqueue([batch()]);
    const [held] = await ledger.claim({
      endpoint: 'echo',
      version: 1,
      lane: 'engine',
      alone: true,
      owner: 'server-a',
      lease: seconds(30),
      slots: [{ replica: null, coldStart: null }],
    });
    const rows = [chunk(held!.claim, 0, 1), chunk(held!.claim, 1, 2)];
    expect(await ledger.enqueue(rows)).toMatchObject([{ result: 'enqueued' }, { result: 'enqueued' }]);
    const others = [...rows, chunk(held!.claim, 1, 2)];
    expect((await ledger.enqueue(others)).map(({ result }) => result)).toEqual(['enqueued', 'enqueued', 'refused']);
  });

  test('that is lost before the answer to a renewal, a cancel or a deployment leaves the same as one that was not', async () => {
    const url = await newDatabase();
    const between = await network(url);
    const ledger = await open(between.url);
    await ledger.enqueue([call()]);
    const [held] = await claim(ledger, 1);
    between.loseNextAnswer();
    expect(await ledger.renew([held!.claim], seconds(60))).toEqual(['recorded']);
    between.loseNextAnswer();
    expect(await ledger.deploy(deployment({ fingerprint: 'b', queueLimit: 5 }))).toBe(2);
    between.loseNextAnswer();
    expect((await ledger.cancel(held!.claim.runId)).result).toMatch(/cancelled/);
    expect(await ledger.run(held!.claim.runId)).toMatchObject({ status: 'cancelled' });
  });

  test('that is lost before the answer to a claim is told, and the run is free again once its lease has lapsed', async () => {
    const url = await newDatabase();
    const between = await network(url);
    const ledger = await open(between.url);
    await ledger.enqueue([call()]);
    between.loseNextAnswer();
    await expect(claim(ledger, 1)).rejects.toThrow(/lost in the middle of a write/);
    expect(await ledger.depths()).toMatchObject([{ queued: 0, running: 1 }]);
    await ask(url, 'UPDATE claimcheck.open_runs SET lease_until_ms = 0');
    expect(await ledger.reclaim('server-a')).toMatchObject([{ status: 'queued' }]);
    expect(await claim(ledger, 1)).toHaveLength(1);
  });
});

describe('while Postgres is away', () => {
  test('callers wait, and are served when it is back', async () => {
    const between = await network(await newDatabase());
    const ledger = await open(between.url);
    between.cut();
    const run = call();
    const asked = Promise.all([ledger.enqueue([run]), ledger.run(run.runId), ledger.depths()]);
    await until('each has been refused more than once', () => between.refusals() > 6);
    between.mend();
    const [stored, found, depths] = await asked;
    expect(stored).toMatchObject([{ result: 'enqueued' }]);
    expect([found === null || found.status === 'queued', depths.length]).toEqual([true, 1]);
  });

  test('for too long, all of them are told so at about the same time', async () => {
    const between = await network(await newDatabase());
    const ledger = await open(between.url, { patience: milliseconds(200) });
    between.cut();
    const calls = Array.from({ length: 50 }, () => ledger.enqueue([call()]));
    const startedMs = performance.now();
    const answers = await Promise.allSettled([...calls, ledger.depths()]);
    expect(performance.now() - startedMs).toBeLessThan(5_000);
    for (const answer of answers) {
      expect(answer).toMatchObject({ status: 'rejected' });
      expect(String((answer as PromiseRejectedResult).reason)).toMatch(/Postgres cannot be reached at 127\.0\.0\.1/);
    }
    between.mend();
    expect(await ledger.enqueue([call()])).toMatchObject([{ result: 'enqueued' }]);
  });
});

describe('while Postgres stands still, and keeps its connections open,', () => {
  test('a call ends once nothing has come for as long as anybody waits, though nobody else asks how Postgres is', async () => {
    const between = await network(await newDatabase());
    const ledger = await open(between.url, { patience: seconds(2) });
    await ledger.depths();
    const goOn = between.freeze();
    const answers = await Promise.allSettled([ledger.depths(), ledger.enqueue([call()])]);
    for (const answer of answers) {
      expect(answer).toMatchObject({ status: 'rejected', reason: expect.any(StorageUnavailable) });
      // By a time-out of its own each would have ended as well, after a minute.
      expect(String((answer as PromiseRejectedResult).reason)).not.toMatch(/read timeout/);
    }
    await expect(ledger.depths()).rejects.toThrow(/has not answered for \d+ s/);
    goOn();
    await until('it is heard', () => ledger.depths().catch(() => null));
    expect(await ledger.enqueue([call()])).toMatchObject([{ result: 'enqueued' }]);
  });

  test('a statement that takes longer than anybody waits is not taken for that', async () => {
    const url = await newDatabase();
    const connections = new Connections(await driverFor(url), url, { connectionsMax: 1, patience: seconds(1) });
    cleanUps.push(() => connections.close());
    const answer = await connections.write({ name: '', text: `SELECT 'here' AS it FROM pg_sleep(4)` }, []);
    expect(answer).toEqual([{ it: 'here' }]);
  });
});

test('a database without room refuses what is written, each time and as a whole, and goes on with the rest', async () => {
  const url = await newDatabase();
  const ledger = await open(url);
  await ledger.enqueue([call(), call()]);
  const [held] = await claim(ledger, 1);
  // What Postgres says when its disk is full, said by a trigger: a full disk of its own would need
  // a file system of its own.
  await ask(
    url,
    `CREATE FUNCTION full_disk() RETURNS TRIGGER LANGUAGE plpgsql AS $$ BEGIN
       RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = 'disk_full'; END $$;
     CREATE TRIGGER full_disk BEFORE INSERT ON claimcheck.inputs EXECUTE FUNCTION full_disk();
     CREATE TRIGGER full_disk BEFORE INSERT ON claimcheck.outputs EXECUTE FUNCTION full_disk()`,
  );
  const refused = await Promise.allSettled([
    ...Array.from({ length: 5 }, () => ledger.enqueue([call()])),
    ledger.finish([success(held!)]),
  ]);
  for (const answer of refused) {
    expect(answer).toMatchObject({ status: 'rejected', reason: { name: 'StorageFull' } });
    expect(String((answer as PromiseRejectedResult).reason)).toMatch(
      /Postgres at 127\.0\.0\.1:.* has no room left on its disk/,
    );
  }
  expect(await ledger.depths()).toMatchObject([{ queued: 1, running: 1 }]);
  expect(await ledger.cancel(held!.claim.runId)).toMatchObject({ result: 'cancelled' });
  await ask(url, 'DROP TRIGGER full_disk ON claimcheck.inputs; DROP TRIGGER full_disk ON claimcheck.outputs');
  expect(await ledger.enqueue([call()])).toMatchObject([{ result: 'enqueued' }]);
  expect(await ledger.audit()).toEqual([]);
});

describe('closing', () => {
  test('waits for what was handed in, and refuses what comes after it', async () => {
    const url = await newDatabase();
    const ledger = await open(url);
    const stored = Array.from({ length: 300 }, () => ledger.enqueue([call()]));
    const read = Array.from({ length: 50 }, () => ledger.depths());
    const closed = ledger.close();
    await expect(ledger.enqueue([call()])).rejects.toThrow('The ledger is closed.');
    expect((await Promise.all(stored)).flat().every(({ result }) => result === 'enqueued')).toBe(true);
    expect(await Promise.all(read)).toHaveLength(50);
    await closed;
    expect(await ask(url, 'SELECT count(*)::integer AS runs FROM claimcheck.runs')).toEqual([{ runs: 300 }]);
    expect(await ask(url, `SELECT 1 ${OURS}`)).toEqual([]);
  });
});

describe('a database', () => {
  test('is migrated once, by the same number and name as SQLite', async () => {
    const url = await newDatabase();
    await open(url);
    await open(url);
    expect(await ask(url, 'SELECT number, name FROM claimcheck.migrations')).toEqual([
      { number: 1, name: '0001_runs.sql' },
      { number: 2, name: '0002_whole_life.sql' },
      { number: 3, name: '0003_progress_message.sql' },
      { number: 4, name: '0004_deployments.sql' },
      { number: 5, name: '0005_delivery_attempts.sql' },
      { number: 6, name: '0006_trace.sql' },
      { number: 7, name: '0007_identity.sql' },
      { number: 8, name: '0008_deliveries_of_host.sql' },
    ]);
  });

  test('that a newer claimcheck has written is refused', async () => {
    const url = await newDatabase();
    await (await openPostgresLedger(url)).close();
    await ask(url, `INSERT INTO claimcheck.migrations VALUES (999, '0999_later.sql', 0)`);
    await expect(openPostgresLedger(url)).rejects.toThrow(
      /was written by a newer claimcheck \(schema 999; this one knows \d+\)\. Use that version, or another database\./,
    );
  });

  test('that cannot be used is refused with a sentence that has no password in it', async () => {
    const url = await newDatabase();
    const changed = (change: (to: URL) => void): string => {
      const to = new URL(url);
      change(to);
      return to.href;
    };
    const [stranger, locked] = ['stranger', 'locked'].map((name) => `${name}_${new URL(url).pathname.slice(1)}`);
    await ask(url, `CREATE ROLE ${stranger} LOGIN PASSWORD 'secret'; CREATE ROLE ${locked} LOGIN PASSWORD 'secret'`);
    onTestFinished(async () => {
      await ask(
        url,
        `DROP OWNED BY ${stranger}; DROP ROLE ${stranger}; DROP OWNED BY ${locked}; DROP ROLE ${locked}`,
      ).catch(() => {});
    });
    const as = (name: string, password: string) => (to: URL) => Object.assign(to, { username: name, password });
    const cases: [string, RegExp][] = [
      ['not a URL', /postgres:\/\/user:password@host:port\/database/],
      ['https://example.org/', /postgres:\/\/user:password@host:port\/database/],
      [changed((to) => (to.port = '1')), /cannot be reached at 127\.0\.0\.1:1\/.*ECONNREFUSED.*check that it runs/],
      [changed((to) => (to.pathname = '/nowhere')), /no such database: create it first/],
      [
        changed(as(stranger!, 'wrong-secret')),
        /does not let the user "stranger_.*" in: check the user and the password/,
      ],
      [changed(as(stranger!, 'secret')), /may not create the schema claimcheck/],
    ];
    for (const [to, sentence] of cases) {
      const error = await openPostgresLedger(to).then(
        () => new Error('It was opened.'),
        (refused: Error) => refused,
      );
      expect(error.message).toMatch(sentence);
      expect(error.message).not.toMatch(/secret|postgres:postgres/);
    }
  });

  test('that would forget what it acknowledged is refused', async () => {
    const url = await newDatabase();
    await ask(url, `ALTER DATABASE ${new URL(url).pathname.slice(1)} SET synchronous_commit = off`);
    await expect(openPostgresLedger(url)).rejects.toThrow(/synchronous_commit=off, which loses acknowledged runs/);
  });
});
