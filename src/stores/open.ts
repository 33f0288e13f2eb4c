// The stores of a server, opened in their order: the ledger, the blobs beside it, the vault, the
// captures, the cache. This file knows which drivers there are.

import { existsSync, rmSync } from 'node:fs';
import { assertMayOpen, Belonging, type FolderPlace, folderMark } from './belonging.ts';
import { Attendant } from './backup/attendant.ts';
import type { BlobStore } from './blobs/blobs.ts';
import type { CaptureStore } from './captures/captures.ts';
import { CaptureKeeper } from './captures/keeper.ts';
import { CAPTURES_FILE, openSqliteCaptures } from './captures/sqlite.ts';
import { openBlobDirectory } from './blobs/directory.ts';
import { CacheKeeper } from './cache/keeper.ts';
import type { CacheStore } from '../cache/port.ts';
import { CACHE_FILE } from './cache/sqlite-file.ts';
import { openCacheThread } from './cache/thread.ts';
import { openUponUse } from './cache/upon-use.ts';
import { cautious, type Clock, systemClock } from '../system/clock.ts';
import {
  blobFolder,
  cacheFile,
  capturesFile,
  capturesFolder,
  type Config,
  ledgerFile,
  vaultFile,
} from '../config/config.ts';
import type { StorageBroken } from '../domain/errors.ts';
import { after, type Duration, hours, inSeconds } from '../domain/time.ts';
import type { FolderRights } from './disk/folder-rights.ts';
import { makeFolder } from '../system/folders.ts';
import type { Ledger } from './ledger/ledger.ts';
import { openSqliteLedger, type SqliteOptions } from './ledger/sqlite/driver.ts';
import { migrateSqlite } from './ledger/sqlite/migrate.ts';
import { adoptStoreFile, migrateStoreFile } from './sqlite/file.ts';
import { type Log, openLog } from '../system/log.ts';
import { DiskRoom } from './disk/disk-room.ts';
import { narrowRights } from './disk/private.ts';
import type { Connections } from './postgres/connections.ts';
import { openSqliteVault, VAULT_FILE } from './vault/sqlite.ts';
import type { Vault } from './vault/vault.ts';

/**
 * Servers that share a ledger share the data folder too, and none of them takes an hour to write a
 * file.
 */
const ABANDONED_SINCE: Duration = hours(-1);

/** What is kept, and the room that there is for it. */
export interface Stores {
  readonly ledger: Ledger;
  readonly blobs: BlobStore;
  readonly vault: Vault;
  /**
   * The captures, and what they keep: apart from the runs' blobs, since it does not end with their
   * retention.
   */
  readonly captures: { readonly store: CaptureStore; readonly blobs: BlobStore };
  readonly cache: CacheStore;
  readonly room: DiskRoom;
  /**
   * What time it is for what is kept: the database's where there is one, regardless of this
   * machine's clock.
   */
  readonly clock: Clock;
  /** What may be deleted in the data folder. */
  readonly folder: FolderRights;
  /** Resolves when the store can no longer be trusted. */
  readonly broken: Promise<StorageBroken>;
}

/**
 * Opens everything that is kept; `undo` closes it again, in reverse.
 *
 * @throws Error when something cannot be opened, or somebody else has it: the message says what to
 *   do
 */
export async function openStores(
  config: Config,
  undo: AsyncDisposableStack,
  log: Log,
  machine: Clock = systemClock,
): Promise<Stores> {
  const { promise: broken, resolve: onBroken } = Promise.withResolvers<StorageBroken>();
  makeFolder(config.data);
  const place = folderPlace(config);
  assertMayOpen(place);
  narrowRights(config.data, log);
  const room = undo.adopt(new DiskRoom(config.data, log), (opened) => opened.close());
  const onFull = (urgent: boolean): void => room.full(urgent);
  const connections = await connectTo(config.database);
  if (connections !== null) undo.adopt(connections, (opened) => opened.close());
  const ledger = undo.adopt(
    await openLedger(config, { onFull, onBroken, onClockSet: clockSet(log), connections }, log, machine),
    (opened) => opened.close(),
  );
  const clock: Clock = { now: () => ledger.now(), steady: () => machine.steady() };
  await room.start();
  const belonging = undo.adopt(await Belonging.found(place, ledger, clock.now()), (found) => leave(found, log));
  const attendant = undo.adopt(new Attendant({ data: config.data, ledger, log }), (started) => started.close());
  attendant.start();
  const folder: FolderRights = { since: () => belonging.since(), isCopied: () => attendant.isBusy() };
  const blobs = await openBlobs(blobFolder(config.data), ledger, onBroken);
  const vault = undo.adopt(await openVault(config, belonging.ledger, connections), (opened) => opened.close());
  const captures = {
    store: undo.adopt(await openCaptures(config, belonging.ledger, connections), (opened) => opened.close()),
    blobs: await openBlobs(capturesFolder(config.data), ledger, onBroken),
  };
  const captureKeeper = new CaptureKeeper({ ...captures, clock: cautious(clock), log, folder });
  undo.adopt(captureKeeper, (started) => started.close()).start();
  const cache = undo.adopt(await openCache(config, belonging.ledger, connections), (opened) => opened.close());
  const cacheKeeper = new CacheKeeper({ cache, unusedFor: config.cacheUnusedFor, clock: cautious(clock), log });
  undo.adopt(cacheKeeper, (started) => started.close()).start();
  await belonging.complete();
  return { ledger, blobs, vault, captures, cache, room, clock, folder, broken };
}

/**
 * A server that cannot say that it has stopped has stopped all the same: the folder and the ledger
 * are as they were at its start.
 */
function leave(belonging: Belonging, log: Log): Promise<void> {
  return belonging.leave().catch((error: unknown) => {
    log.warn({ err: error }, 'the data folder and the ledger do not say that this server has stopped');
  });
}

const clockSet =
  (log: Log) =>
  (by: Duration): void =>
    log.warn(
      { by_seconds: inSeconds(by) },
      'the clock was set, or this machine slept: what waits for a time was moved along, and nothing waits longer or ends sooner for it',
    );

/** A data folder as it is held against its ledger. */
export function folderPlace(place: LedgerPlace): FolderPlace {
  const { database, data } = place;
  return {
    data,
    kind: database === null ? 'sqlite' : 'postgres',
    place: placeOf(place),
    ledgerFile: ledgerFile(data),
    stores: database === null ? [vaultFile(data), capturesFile(data)] : [],
    blobFolders: [blobFolder(data), capturesFolder(data)],
  };
}

/** The connections that the ledger and the stores beside it share; null for stores in files. */
async function connectTo(database: string | null): Promise<Connections | null> {
  if (database === null) return null;
  const { connect } = await import('./postgres/connections.ts');
  return connect(database);
}

/** How a ledger is opened, wherever it is. */
interface LedgerOptions extends SqliteOptions {
  /** Connections to its database that are there already; null if it makes its own. */
  readonly connections?: Connections | null;
}

/** The ledger that the configuration names. Postgres' driver is loaded only where it is used. */
async function openLedger(
  { database, data }: LedgerPlace,
  { connections = null, ...options }: LedgerOptions,
  log: Log,
  machine: Clock,
): Promise<Ledger> {
  if (database === null) return openSqliteLedger(ledgerFile(data), machine, options);
  const { openPostgresLedger } = await import('./ledger/postgres/driver.ts');
  makeFolder(blobFolder(data));
  const folder = folderMark(data, blobFolder(data));
  return openPostgresLedger(database, {
    onCaution: (caution) => log.warn(caution),
    ...(options.onClockSet !== undefined && { onClockSet: options.onClockSet }),
    ...(folder !== null && { folder }),
    ...(connections !== null && { connections }),
  });
}

function openBlobs(folder: string, ledger: Ledger, onBroken: (cause: StorageBroken) => void): Promise<BlobStore> {
  const abandonedBefore = after(systemClock.now(), ABANDONED_SINCE);
  return openBlobDirectory(folder, { onBroken, ...(ledger.isShared && { abandonedBefore }) });
}

/**
 * The vault of a configuration: beside the ledger, in a file or a database. Anyone who may read it
 * is the operator.
 *
 * @param ledger the id of the ledger; null if it is not open
 * @param connections to the database, if there are some already
 * @throws Error when it cannot be used: the message says why and what to do
 */
export async function openVault(
  { database, data }: LedgerPlace,
  ledger: string | null = null,
  connections: Connections | null = null,
): Promise<Vault> {
  if (database === null) return openSqliteVault(vaultFile(data), ledger);
  const { openPostgresVault } = await import('./vault/postgres.ts');
  return openPostgresVault(database, connections);
}

async function openCaptures(
  { database, data }: LedgerPlace,
  ledger: string,
  connections: Connections | null,
): Promise<CaptureStore> {
  if (database === null) return openSqliteCaptures(capturesFile(data), ledger);
  const { openPostgresCaptures } = await import('./captures/postgres.ts');
  return openPostgresCaptures(database, connections);
}

/**
 * The answers that are kept, beside the ledger as well: servers that share one share the other. A
 * file that is there is opened now, so that what is wrong with it is said now.
 */
async function openCache(
  { database, data }: LedgerPlace,
  ledger: string,
  connections: Connections | null,
): Promise<CacheStore> {
  const file = cacheFile(data);
  const open = (): Promise<CacheStore> => openCacheThread(file, ledger);
  if (database === null) return existsSync(file) ? open() : openUponUse(open);
  const { openPostgresCache } = await import('./cache/postgres.ts');
  return openPostgresCache(database, connections);
}

/** What of a configuration says where the ledger is. */
type LedgerPlace = Pick<Config, 'database' | 'data'>;

/** Where the ledger is, for people. */
export function placeOf({ database, data }: LedgerPlace): string {
  if (database === null) return ledgerFile(data);
  const { host, pathname } = new URL(database);
  return `postgres://${host}${pathname}`;
}

/** What a migration has done. */
export interface MigratedLedger {
  /** Where the ledger is, for people; without the password of a database. */
  readonly ledger: string;
  /** Names of the migrations that were applied now, in their order. */
  readonly applied: readonly string[];
  /** The number of the last migration there is. */
  readonly schema: number;
}

/**
 * Brings a ledger to the newest schema, and starts nothing.
 *
 * @param isAdopted whether the folder is given to this ledger next

 * @throws Error when it cannot be opened, a server has it, or a newer claimcheck wrote it
 */
export async function migrateLedger(place: LedgerPlace, isAdopted = false): Promise<MigratedLedger> {
  const { database, data } = place;
  // A folder that is adopted is one that was refused.
  if (!isAdopted) assertMayOpen(folderPlace(place));
  if (database === null) return { ledger: ledgerFile(data), ...migrateSqlite(ledgerFile(data)) };
  const { migratePostgres } = await import('./ledger/postgres/driver.ts');
  return { ledger: placeOf(place), ...(await migratePostgres(database)) };
}

/**
 * Brings the stores beside a ledger to their newest schemas; answers the names of the migrations
 * that each lacked. In files, those are migrated that are there; in a database, those that are
 * missing are made.
 *
 * @throws Error when one cannot be opened, or a newer claimcheck wrote it
 */
export async function migrateStores({
  database,
  data,
}: LedgerPlace): Promise<Readonly<Record<string, readonly string[]>>> {
  if (database === null)
    return {
      vault: migrateStoreFile(vaultFile(data), VAULT_FILE),
      captures: migrateStoreFile(capturesFile(data), CAPTURES_FILE),
      cache: migrateStoreFile(cacheFile(data), CACHE_FILE),
    };
  const [{ VAULT_SCHEMA }, { CAPTURES_SCHEMA }, { CACHE_SCHEMA }, { migrateStoreSchema }] = await Promise.all([
    import('./vault/postgres.ts'),
    import('./captures/postgres.ts'),
    import('./cache/postgres.ts'),
    import('./postgres/schema.ts'),
  ]);
  return {
    vault: await migrateStoreSchema(database, VAULT_SCHEMA),
    captures: await migrateStoreSchema(database, CAPTURES_SCHEMA),
    cache: await migrateStoreSchema(database, CACHE_SCHEMA),
  };
}

/**
 * Makes a data folder and a ledger belong to each other, regardless of what they belonged to, and
 * the stores beside a ledger in a file with them. The answers of the cache go: they are known by
 * the numbers of versions, which this ledger may have given to others.
 *
 * @throws Error as `migrateLedger`, or where servers work on the ledger with another folder
 */
export async function adoptFolder(place: LedgerPlace): Promise<void> {
  const { database, data } = place;
  makeFolder(data);
  const ledger = await openLedger(place, {}, openLog('silent'), systemClock);
  try {
    await Belonging.adopt(folderPlace(place), ledger, systemClock.now());
    if (database !== null) return;
    const { ledger: id } = await ledger.identity();
    adoptStoreFile(vaultFile(data), VAULT_FILE, id);
    adoptStoreFile(capturesFile(data), CAPTURES_FILE, id);
    for (const end of ['', '-wal', '-shm']) rmSync(`${cacheFile(data)}${end}`, { force: true });
  } finally {
    await ledger.close();
  }
}

/** Lets a folder and a ledger that were put back from a backup belong to each other. */
export async function settleRestored(place: LedgerPlace): Promise<void> {
  const ledger = await openLedger(place, {}, openLog('silent'), systemClock);
  try {
    await Belonging.restored(folderPlace(place), ledger, systemClock.now());
  } finally {
    await ledger.close();
  }
}
