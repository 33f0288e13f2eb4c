// A store as the doctor opens it: to be read and never written, not even by what is done at every start.

import { access } from 'node:fs/promises';
import type { BlobStore } from '../blobs/blobs.ts';
import { readBlobDirectory } from '../blobs/directory.ts';
import type { CaptureReader } from '../captures/captures.ts';
import { readSqliteCaptures } from '../captures/sqlite.ts';
import { systemClock } from '../clock.ts';
import type { Ledger } from '../ledger/ledger.ts';
import { FILE_PROMISE, TABLE_PROMISES } from '../ledger/promises.ts';
import { openSqliteLedger } from '../ledger/sqlite/driver.ts';

/** Where a store is. */
export interface StorePlace {
  /** A URL, or the path of the embedded ledger's file. */
  readonly ledger: { readonly url: string } | { readonly file: string };
  readonly blobs: string;
  /** The path of the captures' file, which means nothing where the ledger is a database: they are in it. */
  readonly captures: string;
  readonly captureBlobs: string;
}

/** Blobs that are only read. */
type ReadBlobs = Pick<BlobStore, 'verify' | 'list'>;

/** A store that is to be examined. */
export interface ExaminedStore {
  readonly ledger: Ledger;
  /** Null where there is no folder for blobs. */
  readonly blobs: ReadBlobs | null;
  /** What its ledger promises, as the audit says it. */
  readonly promises: readonly string[];
  /** Null where there is no store of captures. */
  readonly captures: CaptureReader | null;
  /** Null where there is no folder for them. */
  readonly captureBlobs: ReadBlobs | null;
}

/** A store that is open to be looked at. */
export interface OpenStore extends ExaminedStore {
  close(): Promise<void>;
}

/** PostgreSQL's code for a write in a session that must not write (read_only_sql_transaction). */
const READ_ONLY_TRANSACTION = '25006';

/**
 * Opens a store.
 *
 * @throws Error when a server has the file, or the ledger is not of this version: it is not migrated, since whoever looks for damage
 *   must see what is there; or when the captures are of a newer one
 */
export async function openStore(place: StorePlace): Promise<OpenStore> {
  const { ledger: where } = place;
  const ledger =
    'url' in where
      ? await openPostgresToRead(where.url)
      : await openSqliteLedger(where.file, systemClock, { access: 'read' });
  try {
    const captures = await openCapturesToRead(place);
    return {
      ledger,
      promises: 'url' in where ? TABLE_PROMISES : [...TABLE_PROMISES, FILE_PROMISE],
      blobs: await blobsIn(place.blobs),
      captures,
      captureBlobs: await blobsIn(place.captureBlobs),
      async close() {
        // The ledger last: it keeps servers out of the folder.
        await captures?.close();
        await ledger.close();
      },
    };
  } catch (error) {
    await ledger.close();
    throw error;
  }
}

async function openCapturesToRead({ ledger, captures }: StorePlace): Promise<CaptureReader | null> {
  if ('file' in ledger) return readSqliteCaptures(captures);
  const { readPostgresCaptures } = await import('../captures/postgres.ts');
  return readPostgresCaptures(readOnly(ledger.url));
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

async function blobsIn(folder: string): Promise<ReadBlobs | null> {
  return access(folder).then(
    () => readBlobDirectory(folder),
    () => null,
  );
}
