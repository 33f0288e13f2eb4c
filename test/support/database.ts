// Which ledger whole servers are tested on: SQLite, or with CLAIMCHECK_TEST_LEDGER=postgres a
// Postgres database for every data folder.

import { type PostgresServer, startPostgres } from './postgres.ts';

/** Whether servers of tests keep their runs in Postgres. */
export const onPostgres = process.env['CLAIMCHECK_TEST_LEDGER'] === 'postgres';

const databases = new Map<string, Promise<string>>();
/** The server that every-postgres.ts has started for all tests. */
let server: Promise<PostgresServer> | undefined;

/**
 * The URL of the database that belongs to a data folder, which is made when it is first asked for;
 * null where runs are in SQLite.
 */
export async function databaseOf(data: string): Promise<string | null> {
  if (!onPostgres) return null;
  server ??= startPostgres();
  const database = databases.get(data) ?? server.then((started) => started.newDatabase());
  databases.set(data, database);
  return database;
}

/** What tells a server in a process of its own of that database. */
export async function databaseEnvironment(data: string): Promise<Readonly<Record<string, string>>> {
  const database = await databaseOf(data);
  return database === null ? {} : { CLAIMCHECK_DATABASE_URL: database };
}

/** Drops the database of a data folder, where there is one. */
export async function dropDatabase(data: string): Promise<void> {
  const database = databases.get(data);
  databases.delete(data);
  if (database !== undefined) await (await server!).dropDatabase(await database);
}
