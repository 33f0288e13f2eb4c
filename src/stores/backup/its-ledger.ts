// Whether a database holds the ledger that a data folder, or its backup, belongs to. The folder of
// one ledger beside another one is no backup: the server that was started with them would find none
// of the payloads named, and delete them.

import type { FolderIdentity } from '../belonging.ts';

/**
 * Only looks: a database that has nothing yet is left as it is.
 *
 * @param folder the folder that says `said`, for the message
 * @throws Error when it is another ledger, or none: the message says what to do
 */
export async function assertItsLedger(database: string, folder: string, said: FolderIdentity): Promise<void> {
  // Imported here, since most have no use for it.
  const { openPostgresToRead } = await import('../ledger/postgres/to-read.ts');
  const ledger = await openPostgresToRead(database);
  try {
    if ((await ledger.identity()).ledger === said.ledger) return;
    const { host, pathname } = new URL(database);
    throw new Error(
      `The ledger in postgres://${host}${pathname} is not the one that ${folder} belongs to, which was in ${said.place}. Name that one in the configuration or in CLAIMCHECK_DATABASE_URL.`,
    );
  } finally {
    await ledger.close();
  }
}
