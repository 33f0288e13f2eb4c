import { describe, expect, test } from 'vitest';
import { openPostgresCaptures, readPostgresCaptures } from '../../../src/stores/captures/postgres.ts';
import { openPostgresLedger } from '../../../src/stores/ledger/postgres/driver.ts';
import { onPostgres } from '../../support/database.ts';
import { ask, networkTo } from '../../support/postgres.ts';
import { databaseForEachTest } from '../../support/postgres-test.ts';
import { describeCaptureStore, newCapture, PLACE } from './conformance.ts';

// A Postgres takes a while to start; `npm run test:postgres` is for those.
describe.runIf(onPostgres)('on Postgres', () => {
  const url = databaseForEachTest();

  describeCaptureStore('Postgres', () => openPostgresCaptures(url()));

  test('the store is made by many at once, beside a ledger or without one', async () => {
    const stores = await Promise.all(Array.from({ length: 6 }, () => openPostgresCaptures(url())));
    await stores[0]!.add(newCapture());
    expect(await stores[5]!.get(PLACE, 1)).not.toBeNull();
    expect(await ask(url(), `SELECT to_regnamespace('claimcheck') AS ledger`)).toEqual([{ ledger: null }]);
    await Promise.all(stores.map((store) => store.close()));
    await (await openPostgresLedger(url())).close();
  });

  test('a capture is kept once, though the answer is lost on its way', async () => {
    const network = await networkTo(url());
    const store = await openPostgresCaptures(network.url);
    network.loseNextAnswer();
    expect((await store.add(newCapture())).capture.version).toBe(1);
    expect(await store.list({ ...PLACE, limit: 10 })).toHaveLength(1);
    await store.close();
    await network.close();
  });

  test('a capture is told of as deleted, though the answer is lost on its way', async () => {
    const network = await networkTo(url());
    const store = await openPostgresCaptures(network.url);
    const { capture } = await store.add(newCapture());
    network.loseNextAnswer();
    expect(await store.delete(PLACE, null)).toEqual([capture]);
    expect(await store.list({ ...PLACE, limit: 10 })).toEqual([]);
    await store.close();
    await network.close();
  });

  test('a database without captures is read as such, and none are made in it', async () => {
    expect(await readPostgresCaptures(url())).toBeNull();
    expect(await ask(url(), `SELECT to_regnamespace('claimcheck_captures') AS captures`)).toEqual([{ captures: null }]);
  });

  test('a database that cannot be had is told of without its password', async () => {
    const wrong = new URL(url());
    wrong.password = 'canary';
    await expect(openPostgresCaptures(wrong.href)).rejects.toThrow(/does not let the user "postgres" in/);
    await expect(openPostgresCaptures(wrong.href)).rejects.not.toThrow(/canary/);
  });
});
