import { afterAll, afterEach, beforeAll } from 'vitest';
import type { Instant } from '../../../src/domain/time.ts';
import { openPostgresLedger } from '../../../src/stores/ledger/postgres/driver.ts';
import { ask, moveTime, type PostgresServer, startPostgres, stopTime } from '../../support/postgres.ts';
import { describeLedger } from './conformance.ts';
import { describeDamage } from './damage.ts';

let server: PostgresServer;
let url: string;
beforeAll(async () => {
  server = await startPostgres();
});
afterAll(() => server.stop());
afterEach(() => server.dropDatabase(url));

describeLedger(
  'Postgres',
  async (clock) => {
    url = await server.newDatabase();
    const ledger = await openPostgresLedger(url, { steady: () => clock.steady() });
    await stopTime(url, clock.now());
    // Time was another when it was opened.
    await ledger.check();
    return ledger;
  },
  (now: Instant) => moveTime(url, now),
);

describeDamage('Postgres', async () => {
  url = await server.newDatabase();
  return {
    open: () => openPostgresLedger(url),
    damage: async (sql) => void (await ask(url, sql.replaceAll('UPDATE runs', 'UPDATE claimcheck.open_runs'))),
  };
});
