import { describe, expect, onTestFinished, test } from 'vitest';
import type { CacheKey } from '../../../src/cache/port.ts';
import { milliseconds, seconds } from '../../../src/domain/time.ts';
import { newRunId, systemClock } from '../../../src/system/clock.ts';
import { openLog } from '../../../src/system/log.ts';
import { openStores } from '../../../src/stores/open.ts';
import { connect } from '../../../src/stores/postgres/connections.ts';
import { LentConnections } from '../../../src/stores/postgres/lent-connections.ts';
import { onPostgres } from '../../support/database.ts';
import { folderForTest } from '../../support/folder.ts';
import { ask } from '../../support/postgres.ts';
import { databaseForEachTest } from '../../support/postgres-test.ts';
import { testConfig } from '../../support/service.ts';
import { until } from '../../support/until.ts';

const statement = (text: string) => ({ name: '', text });
const ONE = statement('SELECT 1 AS one');
/** Waits for as long as somebody else has the lock. */
const HELD = statement('SELECT pg_advisory_xact_lock(4711)');

// A Postgres takes a while to start; `npm run test:postgres` is for those.
describe.runIf(onPostgres)('connections that several stores share', () => {
  const url = databaseForEachTest();

  test('are seventeen at the most, however much is asked of all stores at once', async () => {
    await using undo = new AsyncDisposableStack();
    const config = testConfig({ endpoints: {}, data: await folderForTest(), database: url() });
    const { ledger, vault, captures, cache } = await openStores(config, undo, openLog('silent'));
    const place = { tenant: 'anybody', endpoint: 'echo' };
    const key = 'ab'.repeat(16) as CacheKey;
    const everything = Array.from({ length: 200 }, async () => {
      await Promise.all([
        ledger.runs({ limit: 10 }),
        ledger.run(newRunId()),
        ledger.expire(),
        vault.keys(),
        vault.signingSecrets('echo', systemClock.now()),
        captures.store.list({ ...place, limit: 10 }),
        cache.info(place),
        cache.lookUp(place, {
          version: 1,
          anyVersion: false,
          caller: 'me',
          lease: seconds(30),
          keys: [key],
          bytesMax: 1_000,
        }),
      ]);
    });
    const counts: number[] = [];
    let isOver = false;
    const answered = Promise.all(everything).finally(() => (isOver = true));
    await until('all is answered', async () => {
      const [row] = await ask(
        url(),
        `SELECT count(*)::integer AS count FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'claimcheck%'`,
      );
      counts.push(row!['count'] as number);
      return isOver;
    });
    await answered;
    expect(Math.max(...counts)).toBeLessThanOrEqual(17);
    expect(Math.max(...counts)).toBeGreaterThan(4);
  });

  test('are not all held by a store whose calls take long', async () => {
    const lender = await connect(url(), { connectionsMax: 3 });
    const lent = new LentConnections(lender, 2);
    const holder = await connect(url(), { connectionsMax: 1 });
    const { promise: over, resolve: release } = Promise.withResolvers<void>();
    const holding = holder.transaction(async (writer) => {
      await writer.write(HELD, []);
      await over;
    });
    await until('the lock is held', async () => {
      const [row] = await ask(
        url(),
        `SELECT count(*)::integer AS count FROM pg_locks WHERE locktype = 'advisory' AND objid = 4711`,
      );
      return row!['count'] === 1;
    });
    const calls = Array.from({ length: 5 }, () => lent.transaction((writer) => writer.write(HELD, [])));
    await until('two of them wait in the database', async () => {
      const [row] = await ask(
        url(),
        `SELECT count(*)::integer AS count FROM pg_locks WHERE locktype = 'advisory' AND NOT granted`,
      );
      return row!['count'] === 2;
    });
    expect(await lender.write(ONE, [])).toEqual([{ one: 1 }]);
    release();
    await Promise.all([holding, ...calls]);
    await lent.close();
    expect(await lender.read(ONE, [])).toEqual([{ one: 1 }]);
    await Promise.all([lender.close(), holder.close()]);
  });

  test('are not waited for longer than for Postgres itself behind a call that hangs', async () => {
    const lender = await connect(url(), { connectionsMax: 2, patience: milliseconds(200) });
    const lent = new LentConnections(lender, 1);
    const holder = await connect(url(), { connectionsMax: 1 });
    const { promise: over, resolve: release } = Promise.withResolvers<void>();
    const { promise: held, resolve: onHeld } = Promise.withResolvers<void>();
    const holding = holder.transaction(async (writer) => {
      await writer.write(HELD, []);
      onHeld();
      await over;
    });
    await held;
    const hanging = lent.write(HELD, []);
    const refused = [lent.write(ONE, []), lent.write(ONE, [])];
    const refusal = /^Postgres at .* has not answered the calls before this one for 0\.2 s\.$/;
    await Promise.all(refused.map((call) => expect(call).rejects.toThrow(refusal)));
    expect(await lender.write(ONE, [])).toEqual([{ one: 1 }]);
    release();
    await Promise.all([holding, hanging]);
    expect(await lent.write(ONE, [])).toEqual([{ one: 1 }]);
    await lent.close();
    await Promise.all([lender.close(), holder.close()]);
  });

  test('are given back once the calls of a store that is closed are over', async () => {
    const lender = await connect(url());
    onTestFinished(() => lender.close());
    const lent = new LentConnections(lender, 1);
    const answered: string[] = [];
    const calls = ['first', 'second'].map((name) => lent.read(ONE, []).then(() => answered.push(name)));
    await lent.close();
    expect(answered).toEqual(['first', 'second']);
    await Promise.all(calls);
  });
});
