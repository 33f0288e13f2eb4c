// A store as the doctor opens it: to be read and never written, not even by what is done at every start.

import { access } from 'node:fs/promises';
import type { BlobStore } from '../blobs/blobs.ts';
import { readBlobDirectory } from '../blobs/directory.ts';
import { systemClock } from '../clock.ts';
import type { Ledger } from '../ledger/ledger.ts';
import { FILE_PROMISE, TABLE_PROMISES } from '../ledger/promises.ts';
import { openSqliteLedger } from '../ledger/sqlite/driver.ts';

/** Where a store is. */
export interface StorePlace {
  /** A URL, or the path of the embedded ledger's file. */
  readonly ledger: { readonly url: string } | { readonly file: string };
  readonly blobs: string;
}

/** A store that is open to be looked at. */
export interface OpenStore {
  readonly ledger: Ledger;
  /** Null where there is no folder for blobs. */
  readonly blobs: Pick<BlobStore, 'verify' | 'list'> | null;
  /** What its ledger promises, as the audit says it. */
  readonly promises: readonly string[];
}

/** PostgreSQL's code for a write in a session that must not write (read_only_sql_transaction). */
const READ_ONLY_TRANSACTION = '25006';

/**
 * Opens a store.
 *
 * @throws Error when a server has the file, or the ledger is not of this version: it is not migrated, since whoever looks for damage
 *   must see what is there
 */
export async function openStore({ ledger: where, blobs }: StorePlace): Promise<OpenStore> {
  const ledger =
    'url' in where
      ? await openPostgresToRead(where.url)
      : await openSqliteLedger(where.file, systemClock, { access: 'read' });
  const promises = 'url' in where ? TABLE_PROMISES : [...TABLE_PROMISES, FILE_PROMISE];
  return { ledger, promises, blobs: (await isThere(blobs)) ? readBlobDirectory(blobs) : null };
}

/** Postgres itself is told to refuse every write of these connections. */
async function openPostgresToRead(url: string): Promise<Ledger> {
  // Imported here, since most have no use for it.
  const { openPostgresLedger } = await import('../ledger/postgres/driver.ts');
  try {
    return await openPostgresLedger(readOnly(url));
  } catch (error) {
    const { cause } = error as { cause?: { code?: unknown } };
    if (cause?.code !== READ_ONLY_TRANSACTION) throw error;
    throw new Error(
      'The database was written by an older claimcheck, or by none. Check it with that version, or bring it up to date first, with claimcheck migrate.',
      { cause: error },
    );
  }
}

function readOnly(url: string): string {
  // What is no URL is refused by the driver, which says what it needs.
  if (!URL.canParse(url)) return url;
  const reading = new URL(url);
  const options = reading.searchParams.get('options') ?? '';
  reading.searchParams.set('options', `${options} -c default_transaction_read_only=on`.trim());
  return reading.href;
}

async function isThere(folder: string): Promise<boolean> {
  return access(folder).then(
    () => true,
    () => false,
  );
}
