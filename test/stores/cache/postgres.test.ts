import { describe, expect, test } from 'vitest';
import { openPostgresCache } from '../../../src/stores/cache/postgres.ts';
import { onPostgres } from '../../support/database.ts';
import { networkTo } from '../../support/postgres.ts';
import { databaseForEachTest } from '../../support/postgres-test.ts';
import { answersTo, asking, describeCache } from './conformance.ts';

// A Postgres takes a while to start; `npm run test:postgres` is for those.
describe.runIf(onPostgres)('on Postgres', () => {
  const url = databaseForEachTest();

  describeCache('Postgres', () => openPostgresCache(url()));

  test('a cache is made by many at once', async () => {
    const stores = await Promise.all(Array.from({ length: 6 }, () => openPostgresCache(url())));
    await Promise.all(stores.map((store) => store.close()));
  });

  test('answers are kept once, and counted once, though the answer is lost on its way', async () => {
    const place = { tenant: 'ada', endpoint: 'squares' };
    const network = await networkTo(url());
    const store = await openPostgresCache(network.url);
    await store.lookUp(place, asking([1]));
    network.loseNextAnswer();
    await store.keep(place, { version: 1, caller: 'a', entries: answersTo(1) });
    expect((await store.info(place)).versions).toEqual([{ version: 1, rows: 1, bytes: 12 }]);
    await store.close();
    await network.close();
  });
});
