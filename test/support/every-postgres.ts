// Started once by vitest, before any test: one Postgres for all of them, where they run on
// Postgres.

import { onPostgres } from './database.ts';
import { startPostgres } from './postgres.ts';

/** Answers what is to be done after the last test. */
export async function setup(): Promise<() => Promise<void>> {
  if (!onPostgres) return async () => {};
  const server = await startPostgres();
  // Workers are started after this, with this environment.
  process.env['CLAIMCHECK_TEST_POSTGRES_URL'] = server.url;
  return () => server.stop();
}
