// The client library of Postgres, loaded where a database is opened and nowhere else.

import type pg from 'pg';

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
