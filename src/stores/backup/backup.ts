// A backup: a folder that is as the data folder was at one moment, made while servers work.
//
// The order is what makes it one. A store that names what is in another one is copied before it:
// the cache and the captures before the ledger, whose versions they speak of, and every store
// before the blobs that it names. Servers delete no blob meanwhile (attendant.ts).

import { existsSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { type FolderIdentity, readIdentity, writeIdentity } from '../belonging.ts';
import { blobsOf, type CaptureRecord, everyCapture } from '../captures/captures.ts';
import { readSqliteCaptures } from '../captures/sqlite.ts';
import { systemClock } from '../../system/clock.ts';
import {
  blobFolder,
  cacheFile,
  capturesFile,
  capturesFolder,
  type Config,
  ledgerFile,
  logFolder,
  vaultFile,
} from '../../config/config.ts';
import { reasonOf } from '../../domain/system-error.ts';
import { toRfc3339 } from '../../domain/time.ts';
import { FolderError, makeFolder, syncFolder } from '../../system/folders.ts';
import { copyHeldLedger, copyIdleLedger, copyStoreFile } from '../ledger/sqlite/copy.ts';
import { openSqliteLedger } from '../ledger/sqlite/driver.ts';
import { type Copied, type CopiedNamed, copyAll, filesIn, isWithin, makeDurable } from './files.ts';
import { dump } from './postgres-tools.ts';
import { Hold } from './hold.ts';
import { assertItsLedger } from './its-ledger.ts';

/** What is to be backed up, and where to. */
export interface BackupOrder {
  readonly place: Pick<Config, 'data' | 'database'>;
  readonly to: string;
  /** Whether the database is left to its owner. */
  readonly withoutDatabase: boolean;
  readonly environment: NodeJS.ProcessEnv;
}

/** What a backup says of itself; there is none before it is whole. */
export interface Manifest {
  readonly about: string;
  readonly madeAt: string;
  readonly kind: FolderIdentity['kind'];
  /** Whether the database is in it; null where there is none. */
  readonly database: boolean | null;
  readonly blobs: Copied;
  readonly captureBlobs: Copied;
  /**
   * Payloads that a run or a capture names and that were not there to be copied: they were lost
   * before.
   */
  readonly missing: readonly string[];
}

const MANIFEST = 'backup-manifest.json';
const DUMP = 'database.dump';
/** Names asked of a ledger at a time. */
const NAMES = 100_000;
/** How often the captures are copied anew where some were deleted meanwhile. */
const CAPTURE_TRIES = 5;

/** Where a dump lies in a backup. */
export const dumpFile = (folder: string): string => join(folder, DUMP);
/** Where a backup says what it is. */
export const manifestFile = (folder: string): string => join(folder, MANIFEST);

/**
 * Makes a backup.
 *
 * @throws Error when it cannot be made; what is in the folder then is none
 */
export async function backUp(order: BackupOrder): Promise<Manifest> {
  const { data, database } = order.place;
  const to = resolve(order.to);
  const identity = readIdentity(data);
  if (identity === null)
    throw new Error(`${data} has nothing to back up yet: no server of this version has worked in it.`);
  await assertWhole(order, identity);
  assertEmpty(to, data);
  makeTarget(to);
  const startedAt = systemClock.now();
  const hold = await Hold.of(data);
  try {
    const parts = database === null ? await fromFiles(data, to, hold) : await fromDatabase(order, to);
    await copyAll(logFolder(data), logFolder(to), await filesIn(logFolder(data)));
    hold.assert();
    writeIdentity(to, { ...identity, ...parts.belongs, next: null, complete: true });
    return writeManifest(to, { madeAt: toRfc3339(startedAt), kind: identity.kind, ...parts.manifest });
  } finally {
    hold.end();
  }
}

/** A copy of what is not whole, or does not belong together, is made by nobody who knows it. */
async function assertWhole({ place, withoutDatabase }: BackupOrder, identity: FolderIdentity): Promise<void> {
  const { data, database } = place;
  if ((identity.kind === 'postgres') !== (database !== null))
    throw new Error(
      identity.kind === 'postgres'
        ? `The runs of ${data} are in ${identity.place}: name that database in the configuration or in CLAIMCHECK_DATABASE_URL.`
        : `The runs of ${data} are in a file in it, and the configuration names a database.`,
    );
  if (database !== null) {
    if (!withoutDatabase) await assertItsLedger(database, data, identity);
    return;
  }
  const gone = [ledgerFile, ...(identity.complete ? [vaultFile, capturesFile] : [])]
    .map((of) => of(data))
    .filter((file) => !existsSync(file));
  if (gone.length > 0)
    throw new Error(
      `${gone.join(' and ')} ${gone.length === 1 ? 'is' : 'are'} gone, so there is no whole copy to make.`,
    );
}

function assertEmpty(to: string, data: string): void {
  if (isWithin(to, data))
    throw new Error(`${to} lies in the data folder itself. Name a folder elsewhere, best on another disk.`);
  if (!existsSync(to)) return;
  if (!statSync(to).isDirectory()) throw new Error(`${to} is a file. Name a folder that is empty, or not there yet.`);
  if (readdirSync(to).length > 0)
    throw new Error(`${to} is not empty. Name a folder that is, or one that is not there yet.`);
}

function makeTarget(to: string): void {
  try {
    makeFolder(to);
  } catch (error) {
    if (!(error instanceof FolderError)) throw error;
    throw new Error(`The folder ${to} cannot be made: ${reasonOf(error.cause)}. Name another one.`, { cause: error });
  }
}

interface Parts {
  readonly manifest: Pick<Manifest, 'database' | 'blobs' | 'captureBlobs' | 'missing'>;
  /** What the ledger's copy says it belongs to. */
  readonly belongs: Partial<Pick<FolderIdentity, 'folder' | 'mark'>>;
}

async function fromFiles(data: string, to: string, hold: Hold): Promise<Parts> {
  const stores = [
    [cacheFile(data), cacheFile(to)],
    [vaultFile(data), vaultFile(to)],
  ] as const;
  for (const [from, copy] of stores) if (existsSync(from)) await copyStoreFile(from, copy);
  const captured = await copyCaptures(data, to);
  if (!(await copyIdleLedger(ledgerFile(data), ledgerFile(to)))) {
    await hold.answered();
    await copyHeldLedger(ledgerFile(data), ledgerFile(to));
  }
  const { names, belongs } = await readLedger(ledgerFile(to));
  const { missing, ...blobs } = await copyAll(blobFolder(data), blobFolder(to), names);
  for (const file of [cacheFile, vaultFile, capturesFile, ledgerFile].map((of) => of(to)))
    if (existsSync(file)) await makeDurable(file);
  const { missing: lost, ...captureBlobs } = captured;
  return { manifest: { database: null, blobs, captureBlobs, missing: [...missing, ...lost] }, belongs };
}

/**
 * A capture that is deleted meanwhile takes its blobs with it: then they are copied anew. What is
 * missing every time was lost.
 */
async function copyCaptures(data: string, to: string): Promise<CopiedNamed> {
  let copied: CopiedNamed = { files: 0, bytes: 0, missing: [] };
  if (!existsSync(capturesFile(data))) return copied;
  for (let tries = 0; tries < CAPTURE_TRIES && (tries === 0 || copied.missing.length > 0); tries += 1) {
    await copyStoreFile(capturesFile(data), capturesFile(to));
    copied = await copyAll(capturesFolder(data), capturesFolder(to), await captureBlobs(capturesFile(to)));
  }
  return copied;
}

async function captureBlobs(file: string): Promise<string[]> {
  const captures = await readSqliteCaptures(file);
  const paths: string[] = [];
  if (captures === null) return paths;
  for await (const capture of everyCapture(captures)) paths.push(...blobPaths(capture));
  await captures.close();
  return paths;
}

const pathOf = (key: string): string => join(key.slice(34, 36), key);
const blobPaths = (capture: CaptureRecord): string[] => blobsOf(capture).map(({ key }) => pathOf(key));

async function readLedger(file: string): Promise<{ names: string[]; belongs: Parts['belongs'] }> {
  const ledger = await openSqliteLedger(file, systemClock, { access: 'read' });
  try {
    const names: string[] = [];
    for (let after = ''; ;) {
      const page = await ledger.blobs(after, NAMES);
      names.push(...page.map(({ key }) => pathOf(key)));
      if (page.length < NAMES) break;
      after = page.at(-1)!.key;
    }
    const { folder, mark } = await ledger.identity();
    return { names, belongs: folder === null || mark === null ? {} : { folder, mark } };
  } finally {
    await ledger.close();
  }
}

async function fromDatabase({ place, withoutDatabase, environment }: BackupOrder, to: string): Promise<Parts> {
  const { data, database } = place;
  if (!withoutDatabase) {
    await dump(database!, dumpFile(to), environment);
    await makeDurable(dumpFile(to));
  }
  // All there are: those that the dump names are among them, since none is deleted meanwhile.
  const all = async (folder: (root: string) => string): Promise<Copied> => {
    // One that is gone by now is a payload of a capture that was deleted meanwhile.
    const { files, bytes } = await copyAll(folder(data), folder(to), await filesIn(folder(data)));
    return { files, bytes };
  };
  const [blobs, captureBlobs] = [await all(blobFolder), await all(capturesFolder)];
  return { manifest: { database: !withoutDatabase, blobs, captureBlobs, missing: [] }, belongs: {} };
}

function writeManifest(to: string, said: Omit<Manifest, 'about'>): Manifest {
  const about = 'A backup of a claimcheck data folder. It is put back with: claimcheck restore';
  const manifest = { about, ...said };
  writeFileSync(manifestFile(to), `${JSON.stringify(manifest, null, 2)}\n`, { mode: 0o600, flush: true });
  syncFolder(to);
  return manifest;
}
