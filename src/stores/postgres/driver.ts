// The client library of Postgres, loaded where a database is opened and nowhere else.

import type pg from 'pg';
import { notOpened } from './errors.ts';

/**
 * The package `pg`, to open the database of a URL.
 *
 * @throws Error when the URL is none of a database, or the package is not installed
 */
export async function driverFor(url: string): Promise<typeof pg> {
  if (!URL.canParse(url) || !/^postgres(?:ql)?:$/.test(new URL(url).protocol))
    throw new Error('The ledger needs a URL of the form postgres://user:password@host:port/database.');
  return loadDriver();
}

/**
 * Does some work with one connection to a database, which is closed afterwards.
 *
 * @throws Error when the database cannot be reached, or the work fails: the message names the place
 */
export async function withClient<Result>(
  url: string,
  work: (client: pg.ClientBase) => Promise<Result>,
): Promise<Result> {
  const driver = await driverFor(url);
  const client = new driver.Client({ connectionString: url, fallback_application_name: 'claimcheck' });
  // The call that meets the end of the connection is told of it too.
  client.on('error', () => {});
  try {
    await client.connect();
    return await work(client);
  } catch (error) {
    throw notOpened(error, url);
  } finally {
    await client.end().catch(() => {});
  }
}

/** Loaded only here, so that runs in SQLite need no Postgres client. */
async function loadDriver(): Promise<typeof pg> {
  try {
    return (await import('pg')).default;
  } catch (cause) {
    throw new Error('Keeping runs in Postgres needs the package "pg", which is not installed: npm install pg', {
      cause,
    });
  }
}
