// A smaller store beside the ledger's, in a schema of its own in the same database: how it is
// found, migrated and opened.

import { schemaOf } from '../migrations.ts';
import { connect, type Connections, type ConnectionOptions, withConnection } from './connections.ts';
import { LentConnections, type StoreConnections } from './lent-connections.ts';
import { notOpened, placeOf, Unusable } from './errors.ts';
import { appliedTo, migrateSchema, type PostgresSchema } from './migrate.ts';

/** What the schema of a store is, and how it is connected to. */
export type StoreSchema = PostgresSchema & ConnectionOptions;

/**
 * Opens the schema of a store and brings it to the newest migration.
 *
 * @param url as `openPostgresLedger` takes it
 * @param lender connections to the same database, which the store uses then; null for connections
 *   of its own
 * @throws Error when the database cannot be used, or a newer claimcheck wrote it: the message says
 *   why and what to do
 */
export async function openStoreSchema(
  url: string,
  schema: StoreSchema,
  lender: Connections | null = null,
): Promise<StoreConnections> {
  const connections = lender ?? (await connect(url, schema));
  try {
    await connections.first((client) => migrateSchema(client, url, schema));
    return lender === null ? connections : new LentConnections(lender, schema.connectionsMax);
  } catch (error) {
    if (lender === null) await connections.close();
    throw notOpened(error, url);
  }
}

/**
 * Brings the schema of a store to the newest migration, and answers the names of those that it
 * lacked.
 */
export async function migrateStoreSchema(url: string, schema: StoreSchema): Promise<readonly string[]> {
  return (await withConnection(url, (client) => migrateSchema(client, url, schema))).applied;
}

/**
 * As `openStoreSchema`, for reading alone: null if it is not there, and it is neither made nor
 * migrated.
 *
 * @throws Error as well when an older claimcheck wrote it
 */
export async function readStoreSchema(url: string, schema: StoreSchema): Promise<Connections | null> {
  const connections = await connect(url, schema);
  try {
    const applied = await connections.first((client) => appliedTo(client, url, schema));
    const newest = schemaOf(schema.migrations);
    if (applied === newest) return connections;
    if (applied > 0)
      throw new Unusable(
        `The schema ${schema.name} of ${placeOf(url)} was written by an older claimcheck (schema ${applied}; this one reads ${newest}). Bring it up to date with: claimcheck migrate.`,
      );
  } catch (error) {
    await connections.close();
    throw notOpened(error, url);
  }
  await connections.close();
  return null;
}
