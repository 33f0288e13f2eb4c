// A schema of a smaller store beside the ledger's, in the same database: how it is found or made, and opened.

import { Connections, type ConnectionOptions } from './connections.ts';
import { notOpened } from './errors.ts';
import { driverFor } from './open.ts';

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
      const { rows } = await client.query<{ exists: boolean }>(exists);
      if (!rows[0]!.exists) await client.query(create);
    });
    return connections;
  } catch (error) {
    await connections.close();
    throw notOpened(error, url);
  }
}
