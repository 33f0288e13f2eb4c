// Opening the database file: durable, alone, migrated; or a sentence that says why not.

import { existsSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { makeFolder } from '../../../system/folders.ts';
import { type Migrated, migrationsIn, schemaOf, whyTooNew } from '../../migrations.ts';
import { assertLocal } from '../../sqlite/file-system.ts';
import { migrateFile } from '../../sqlite/migrate.ts';
import { type OpenedDatabase, openReadOnly } from '../../sqlite/read-only.ts';
import { makePrivate } from '../../sqlite/file.ts';

/** First SQLite without the WAL-reset corruption (sqlite.org, release 3.51.3). */
const SQLITE_MIN = '3.51.3';
/**
 * Marks the file as ours, so that another program's database is never migrated by mistake: the
 * letters "clmc".
 */
const APPLICATION_ID = 0x63_6c_6d_63;
const SYNCHRONOUS_FULL = 2;
/** SQLite's code for a file that somebody else has locked. */
const SQLITE_BUSY = 5;
const MIGRATIONS = migrationsIn(new URL('../migrations/sqlite/', import.meta.url));

/**
 * Opens the ledger's file, creating it where it is not there, and brings it to the newest
 * migration.
 *
 * @throws Error when another process has the file, it lies on another machine, belongs to another
 *   program, or was written by a newer claimcheck
 */
export function openDatabase(file: string): DatabaseSync {
  return openMigrated(file).db;
}

/** A ledger's file that is open, and how it came to the newest schema. */
export interface MigratedDatabase extends Migrated {
  readonly db: DatabaseSync;
}

/** As `openDatabase`, and says which migrations it has applied. */
export function openMigrated(file: string): MigratedDatabase {
  assertEngine();
  const db = connect(file);
  try {
    // Exclusive before WAL: the lock is held for good, so a second server is refused; and it is the
    // kernel's, so a kill -9 frees it.
    db.exec('PRAGMA locking_mode = EXCLUSIVE');
    takeLock(db, file);
    db.exec('PRAGMA journal_mode = WAL');
    db.exec('PRAGMA synchronous = FULL');
    db.exec('PRAGMA foreign_keys = ON');
    db.exec('PRAGMA cache_size = -65536');
    // So that no statement needs room in the folder for temporary files, which may be full or on
    // another disk.
    db.exec('PRAGMA temp_store = MEMORY');
    // Checkpoints are made after commits (checkpoint.ts): SQLite's own ignore every error.
    db.exec('PRAGMA wal_autocheckpoint = 0');
    emptyLog(db, file);
    const migrated = migrate(db, file);
    assertDurable(db, file);
    return { db, ...migrated };
  } catch (error) {
    // With the connection goes its lock.
    db.close();
    throw error;
  }
}

/**
 * Opens a ledger's file without ever writing to it: not even the log that a killed server left is
 * written back. No server can open the file meanwhile.
 *
 * @throws Error when a server has the file, or it is no ledger of this version's: it is not
 *   migrated, since that would change what is looked at
 */
export function openToRead(file: string): OpenedDatabase {
  assertEngine();
  if (!existsSync(file)) throw new Error(`There is no ledger at ${file}. Name its folder with --data.`);
  const opened = openReadOnly(file);
  try {
    assertReadable(opened.db, file);
    return opened;
  } catch (error) {
    opened.close();
    throw error;
  }
}

function assertReadable(db: DatabaseSync, file: string): void {
  let schema: number;
  try {
    schema = pragma(db, 'user_version');
  } catch (cause) {
    if (!isBusy(cause)) throw cannotOpen(file, cause);
    throw new Error(
      `A server has ${file} open, so it cannot be examined. Stop the server first, or examine a backup of its folder.`,
      { cause },
    );
  }
  if (pragma(db, 'application_id') !== APPLICATION_ID) throw new Error(`${file} is no ledger of claimcheck's.`);
  const known = schemaOf(MIGRATIONS);
  if (schema === known) return;
  throw new Error(
    schema > known
      ? `${file} was written by a newer claimcheck (schema ${schema}; this one knows ${known}). Check it with that version.`
      : `${file} was written by an older claimcheck (schema ${schema}; this one knows ${known}). Check it with that version, or bring it up to date first, with claimcheck migrate.`,
  );
}

function connect(file: string): DatabaseSync {
  if (file !== ':memory:') {
    makeFolder(dirname(file));
    assertLocal(dirname(file));
  }
  try {
    if (file !== ':memory:') makePrivate(file);
    return new DatabaseSync(file);
  } catch (cause) {
    throw cannotOpen(file, cause);
  }
}

function cannotOpen(file: string, cause: unknown): Error {
  return new Error(`${file} cannot be opened: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
}

/**
 * Writes what an earlier server left in the log into the database, makes that durable, and begins
 * an empty log. After a failed fsync the pages of the log that we read may be in memory and not on
 * the disk; anything appended behind them would be lost with them in a power cut, since
 * recovery ends at the first page that is missing.
 */
function emptyLog(db: DatabaseSync, file: string): void {
  const { busy } = db.prepare('PRAGMA wal_checkpoint(TRUNCATE)').get() as { busy: number };
  if (busy !== 0) throw new Error(`The log of ${file} cannot be written into it, because something else reads it.`);
}

function assertEngine(): void {
  const engine = process.versions.sqlite ?? '0';
  if (engine.localeCompare(SQLITE_MIN, undefined, { numeric: true }) < 0) {
    throw new Error(`This Node carries SQLite ${engine}; claimcheck needs ${SQLITE_MIN} or newer, which Node 24 has.`);
  }
}

const isBusy = (error: unknown): boolean => (error as { errcode?: number }).errcode === SQLITE_BUSY;

function takeLock(db: DatabaseSync, file: string): void {
  try {
    db.exec('BEGIN EXCLUSIVE; COMMIT');
  } catch (cause) {
    if (!isBusy(cause)) throw new Error(`${file} cannot be used as a ledger: ${(cause as Error).message}.`, { cause });
    throw new Error(
      `Another process has ${file} open. One server at a time can use a data folder: stop the other one, or choose another with --data.`,
      { cause },
    );
  }
}

function migrate(db: DatabaseSync, file: string): Migrated {
  assertOurs(db, file);
  return migrateFile(db, MIGRATIONS, APPLICATION_ID);
}

function assertOurs(db: DatabaseSync, file: string): void {
  const owner = pragma(db, 'application_id');
  const tables = (db.prepare('SELECT count(*) AS tables FROM sqlite_schema').get() as { tables: number }).tables;
  if (owner !== APPLICATION_ID && (owner !== 0 || tables > 0)) {
    throw new Error(`${file} is another program's database; choose another folder with --data.`);
  }
  const refusal = whyTooNew(file, pragma(db, 'user_version'), MIGRATIONS, 'another folder with --data');
  if (refusal !== null) throw new Error(refusal);
}

/**
 * Asked after a write on purpose: straight after opening, the answer can be FULL and turn to NORMAL
 * with the first write.
 */
function assertDurable(db: DatabaseSync, file: string): void {
  db.exec(`PRAGMA user_version = ${pragma(db, 'user_version')}`);
  const synchronous = pragma(db, 'synchronous');
  if (synchronous !== SYNCHRONOUS_FULL)
    throw new Error(
      `${file} is open with synchronous=${synchronous}, which loses acknowledged runs in a power cut; it must be FULL (${SYNCHRONOUS_FULL}).`,
    );
}

function pragma(db: DatabaseSync, name: 'application_id' | 'user_version' | 'synchronous'): number {
  const row = db.prepare(`PRAGMA ${name}`).get() as Record<string, number>;
  return row[name]!;
}
