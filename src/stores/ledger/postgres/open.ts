// Opening the database: reachable, durable, migrated; or a sentence that says why not.

import type pg from 'pg';
import { type Connections, withConnection } from '../../postgres/connections.ts';
import { type Migrated, migrationsIn } from '../../migrations.ts';
import { driverFor } from '../../postgres/driver.ts';
import { notOpened, placeOf, Unusable } from '../../postgres/errors.ts';
import { migrateSchema, type PostgresSchema } from '../../postgres/migrate.ts';
import { type HintOptions, Hints } from './hints.ts';
import { Identities } from './identity.ts';

const SCHEMA: PostgresSchema = {
  name: 'claimcheck',
  migrations: migrationsIn(new URL('../migrations/postgres/', import.meta.url)),
  // The letters "clmc".
  lock: 0x63_6c_6d_63,
  unrecorded: null,
};
/** The oldest Postgres that its makers still mend when this was written. */
const VERSION_MIN = 14;
const SETTINGS = `
  SELECT current_setting('server_version_num')::integer / 10000 AS version, current_setting('fsync') AS fsync,
    current_setting('synchronous_commit') AS synchronous_commit, current_setting('server_encoding') AS encoding,
    pg_is_in_recovery() AS is_standby`;

interface Settings {
  readonly version: number;
  readonly fsync: string;
  readonly synchronous_commit: string;
  readonly encoding: string;
  readonly is_standby: boolean;
}

/** How a database is opened. */
export interface OpenOptions extends HintOptions {
  /**
   * Whether the connections are somebody else's, and stay open where the database cannot be used.
   */
  readonly isLent: boolean;
}

/** A database that can be used. */
export interface Opened {
  readonly connections: Connections;
  readonly hints: Hints;
  readonly identities: Identities;
}

/**
 * Brings the ledger's database to the newest migration, and begins to hear of other servers.
 *
 * @throws Error when it cannot be reached or used, would lose what it acknowledged, or was written
 *   by a newer claimcheck
 */
export async function openDatabase(url: string, connections: Connections, options: OpenOptions): Promise<Opened> {
  const driver = await driverFor(url);
  try {
    await connections.first((client) => prepare(client, url));
  } catch (error) {
    if (!options.isLent) await connections.close();
    throw notOpened(error, url);
  }
  const hints = new Hints(driver, url, options);
  await hints.open((text, values) => connections.first((client) => client.query(text, [...values])));
  return { connections, hints, identities: new Identities(connections, driver, url, options.folder) };
}

/**
 * Brings a database to the newest migration, as opening it does, and answers what was missing.
 *
 * @throws Error as `openPostgresLedger`
 */
export const migratePostgres = (url: string): Promise<Migrated> =>
  withConnection(url, (client) => prepare(client, url));

async function prepare(client: pg.ClientBase, url: string): Promise<Migrated> {
  assertUsable((await client.query<Settings>(SETTINGS)).rows[0]!, url);
  return migrateSchema(client, url, SCHEMA);
}

function assertUsable(
  { version, fsync, synchronous_commit: commit, encoding, is_standby: isStandby }: Settings,
  url: string,
): void {
  const place = placeOf(url);
  if (version < VERSION_MIN)
    throw new Unusable(`${place} is Postgres ${version}; claimcheck needs ${VERSION_MIN} or newer.`);
  if (isStandby) throw new Unusable(`${place} is a standby, which takes no writes: name the primary in the URL.`);
  if (encoding !== 'UTF8')
    throw new Unusable(`${place} keeps text as ${encoding}; claimcheck needs a database with encoding UTF8.`);
  if (fsync === 'off' || commit === 'off') {
    throw new Unusable(
      `${place} runs with fsync=${fsync} and synchronous_commit=${commit}, which loses acknowledged runs in a power cut; both must be on.`,
    );
  }
}
