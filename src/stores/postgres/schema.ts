// A schema of a smaller store beside the ledger's, in the same database: how it is found or made, and opened.

import type { PoolClient } from 'pg';
import { Connections, type ConnectionOptions } from './connections.ts';
import { notOpened } from './errors.ts';
import { driverFor } from './driver.ts';

/** What the schema of a store is. */
export interface StoreSchema extends ConnectionOptions {
  /** Asks whether it is there, as a column `exists`. Asked first, since who may use the tables need not be allowed to make them. */
  readonly exists: string;
  /** Makes it; several servers may do so at once. */
  readonly create: string;
}

/**
 * Opens the schema of a store, which is made where it is not there.
 *
 * @param url as `openPostgresLedger` takes it
 * @throws Error when the database cannot be used: the message says why and what to do
 */
export async function openStoreSchema(url: string, { exists, create, ...options }: StoreSchema): Promise<Connections> {
  const connections = new Connections(await driverFor(url), url, options);
  try {
    await connections.first(async (client) => {
      if (!(await isThere(client, exists))) await client.query(create);
    });
    return connections;
  } catch (error) {
    await connections.close();
    throw notOpened(error, url);
  }
}

/** As `openStoreSchema`, to be read alone: null where it is not there, and it is not made. */
export async function readStoreSchema(
  url: string,
  { exists, ...options }: Omit<StoreSchema, 'create'>,
): Promise<Connections | null> {
  const connections = new Connections(await driverFor(url), url, options);
  try {
    if (await connections.first((client) => isThere(client, exists))) return connections;
  } catch (error) {
    await connections.close();
    throw notOpened(error, url);
  }
  await connections.close();
  return null;
}

async function isThere(client: PoolClient, exists: string): Promise<boolean> {
  const { rows } = await client.query<{ exists: boolean }>(exists);
  return rows[0]!.exists;
}
