// A store as the doctor opens it: to be read and never written, not even by what is done at every
// start.

import { existsSync } from 'node:fs';
import { access } from 'node:fs/promises';
import { type FolderPlace, mistakesBetween, readIdentity, Stranger } from '../belonging.ts';
import type { BlobStore } from '../blobs/blobs.ts';
import { readBlobDirectory } from '../blobs/directory.ts';
import type { CaptureReader } from '../captures/captures.ts';
import { CACHE_FILE } from '../cache/sqlite-file.ts';
import { CAPTURES_FILE, readSqliteCaptures } from '../captures/sqlite.ts';
import { systemClock } from '../../system/clock.ts';
import type { Ledger } from '../ledger/ledger.ts';
import { FILE_PROMISE, TABLE_PROMISES } from '../ledger/promises.ts';
import { openSqliteLedger } from '../ledger/sqlite/driver.ts';
import { examineStoreFile } from '../sqlite/file.ts';
import { VAULT_FILE } from '../vault/sqlite.ts';

/** Where a store is. */
export interface StorePlace {
  /** A URL, or the path of the embedded ledger's file. */
  readonly ledger: { readonly url: string } | { readonly file: string };
  readonly blobs: string;
  /**
   * The path of the captures' file, which means nothing where the ledger is a database: they are in
   * it.
   */
  readonly captures: string;
  readonly captureBlobs: string;
  readonly folder: FolderPlace;
  /** Files of the stores beside an embedded ledger. */
  readonly vault: string;
  readonly cache: string;
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
  /**
   * What is wrong between the folder, the ledger and the stores beside it, and with the files of
   * these.
   */
  readonly strangers: (limit: number) => Promise<readonly string[]>;
}

/** A store that is open to be looked at. */
export interface OpenStore extends ExaminedStore {
  close(): Promise<void>;
}

/**
 * Opens a store.
 *
 * @throws Error when a server has the file, or the ledger is not of this version: it is not
 *   migrated, since a look for damage must see what is there; or when the captures are of a
 *   newer one
 */
export async function openStore(place: StorePlace): Promise<OpenStore> {
  const { ledger: where } = place;
  const ledger =
    'url' in where
      ? await (await import('../ledger/postgres/to-read.ts')).openPostgresToRead(where.url)
      : await openSqliteLedger(where.file, systemClock, { access: 'read' });
  try {
    const captures = await openCapturesToRead(place);
    return {
      ledger,
      promises: 'url' in where ? TABLE_PROMISES : [...TABLE_PROMISES, FILE_PROMISE],
      blobs: await blobsIn(place.blobs),
      captures,
      captureBlobs: await blobsIn(place.captureBlobs),
      strangers: (limit) => strangersIn(place, ledger, limit),
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

/**
 * What does not belong together, or is no store at all; nothing is said of files that an older
 * claimcheck would not have made.
 */
async function strangersIn(place: StorePlace, ledger: Ledger, limit: number): Promise<readonly string[]> {
  const known = await ledger.identity();
  let between: string[];
  try {
    between = mistakesBetween(place.folder, readIdentity(place.folder.data), known);
  } catch (error) {
    if (!(error instanceof Stranger)) throw error;
    between = [error.message];
  }
  if ('url' in place.ledger) return between.slice(0, limit);
  const files = [
    [place.vault, VAULT_FILE],
    // Their pages and rows are a promise of their own.
    [place.captures, CAPTURES_FILE],
    [place.cache, CACHE_FILE],
  ] as const;
  const found = files.flatMap(([file, store]) =>
    existsSync(file) ? examineStoreFile(file, store, known.ledger, { limit, whole: store !== CAPTURES_FILE }) : [],
  );
  return [...between, ...found].slice(0, limit);
}

async function openCapturesToRead({ ledger, captures }: StorePlace): Promise<CaptureReader | null> {
  if ('file' in ledger) return readSqliteCaptures(captures);
  // Imported here, since most have no use for it.
  const [{ readPostgresCaptures }, { readOnly }] = await Promise.all([
    import('../captures/postgres.ts'),
    import('../ledger/postgres/to-read.ts'),
  ]);
  return readPostgresCaptures(readOnly(ledger.url));
}

async function blobsIn(folder: string): Promise<ReadBlobs | null> {
  return access(folder).then(
    () => readBlobDirectory(folder),
    () => null,
  );
}
