// Opening the database file: durable, alone, migrated; or a sentence that says why not.

import { mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync } from 'node:sqlite';

/** First SQLite without the WAL-reset corruption (sqlite.org, release 3.51.3). */
const SQLITE_MIN = '3.51.3';
/** Marks the file as ours, so that another program's database is never migrated by mistake: the letters "clmc". */
const APPLICATION_ID = 0x63_6c_6d_63;
const SYNCHRONOUS_FULL = 2;
/** SQLite's code for a file that somebody else has locked. */
const SQLITE_BUSY = 5;
const MIGRATIONS = new URL('../migrations/sqlite/', import.meta.url);

/**
 * Opens the ledger's file, creating it where it is not there, and brings it to the newest migration.
 *
 * @throws Error when another process has the file, it belongs to another program, or it was written by a newer claimcheck
 */
export function openDatabase(file: string): DatabaseSync {
  assertEngine();
  const db = connect(file);
  try {
    // Exclusive before WAL: the lock is held for good, so a second server is refused; and it is the kernel's, so a kill -9 frees it.
    db.exec('PRAGMA locking_mode = EXCLUSIVE');
    takeLock(db, file);
    db.exec('PRAGMA journal_mode = WAL');
    db.exec('PRAGMA synchronous = FULL');
    db.exec('PRAGMA foreign_keys = ON');
    db.exec('PRAGMA cache_size = -65536');
    migrate(db, file);
    assertDurable(db, file);
    return db;
  } catch (error) {
    // With the connection goes its lock.
    db.close();
    throw error;
  }
}

function connect(file: string): DatabaseSync {
  try {
    if (file !== ':memory:') mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
    return new DatabaseSync(file);
  } catch (cause) {
    throw new Error(`${file} cannot be opened: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
  }
}

function assertEngine(): void {
  const engine = process.versions.sqlite ?? '0';
  if (engine.localeCompare(SQLITE_MIN, undefined, { numeric: true }) < 0) {
    throw new Error(`This Node carries SQLite ${engine}; claimcheck needs ${SQLITE_MIN} or newer, which Node 24 has.`);
  }
}

function takeLock(db: DatabaseSync, file: string): void {
  try {
    db.exec('BEGIN EXCLUSIVE; COMMIT');
  } catch (cause) {
    const { errcode, message } = cause as Error & { errcode?: number };
    if (errcode !== SQLITE_BUSY) throw new Error(`${file} cannot be used as a ledger: ${message}.`, { cause });
    throw new Error(
      `Another process has ${file} open. One server at a time can use a data folder: stop the other one, or choose another with --data.`,
      { cause },
    );
  }
}

function migrate(db: DatabaseSync, file: string): void {
  const owner = pragma(db, 'application_id');
  const tables = (db.prepare('SELECT count(*) AS tables FROM sqlite_schema').get() as { tables: number }).tables;
  if (owner !== APPLICATION_ID && (owner !== 0 || tables > 0)) {
    throw new Error(`${file} is another program's database; choose another folder with --data.`);
  }
  const migrations = readdirSync(MIGRATIONS)
    .filter((name) => name.endsWith('.sql'))
    .sort();
  const applied = pragma(db, 'user_version');
  if (applied > migrations.length) {
    throw new Error(
      `${file} was written by a newer claimcheck (schema ${applied}; this one knows ${migrations.length}). Use that version, or another folder with --data.`,
    );
  }
  for (const name of migrations.slice(applied)) {
    const sql = readFileSync(new URL(name, MIGRATIONS), 'utf8');
    db.exec(
      `BEGIN IMMEDIATE; ${sql}; PRAGMA application_id = ${APPLICATION_ID}; PRAGMA user_version = ${Number.parseInt(name, 10)}; COMMIT`,
    );
  }
}

/** Asked after a write on purpose: straight after opening, the answer can be FULL and turn to NORMAL with the first write. */
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
