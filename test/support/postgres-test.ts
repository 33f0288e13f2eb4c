// A Postgres for tests alone: what else starts one (benches, kill loops) runs without the test
// runner.

import { afterAll, afterEach, beforeAll, beforeEach } from 'vitest';
import { type PostgresServer, startPostgres } from './postgres.ts';

/**
 * A server for the tests of the block that this is called in, and a new database for each of them.
 *
 * @returns the URL of the test's database
 */
export function databaseForEachTest(): () => string {
  let server: PostgresServer;
  let url: string;
  beforeAll(async () => {
    server = await startPostgres();
  });
  afterAll(() => server.stop());
  beforeEach(async () => {
    url = await server.newDatabase();
  });
  afterEach(() => server.dropDatabase(url));
  return () => url;
}
