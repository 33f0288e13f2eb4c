// A file of a smaller store beside the ledger's: how it is made, told from other files, and opened.

import { chmodSync, closeSync, existsSync, openSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { makeFolder } from '../../system/folders.ts';
import { isNoDatabase } from './failures.ts';
import { assertLocal } from './file-system.ts';
import { type Migration, schemaOf, whyTooNew } from '../migrations.ts';
import { brokenChecks } from './constraints.ts';
import { migrateFile } from './migrate.ts';
import { Query } from './query.ts';
import { type OpenedDatabase, openReadOnly } from './read-only.ts';
import { markOf, transaction } from './transaction.ts';

/** What the file of a store is. */
export interface StoreFile {
  /** As which it is used, for messages: `a vault`. */
  readonly what: string;
  /** Marks the file as this store's. */
  readonly applicationId: number;
  readonly migrations: readonly Migration[];
  /** How it is written, as pragmas. They are said before there is a table. */
  readonly settings: readonly string[];
  /** How long a write waits for another process to end its own, in milliseconds. */
  readonly busyTimeoutMs: number;
  /** What to do about a file that is something else: `choose another folder with --data`. */
  readonly instead: string;
  /** A sentence about a file that is a database and cannot be used all the same, or nothing. */
  readonly remedy?: string;
  /** Queries for the places (`place`) where what is in it breaks what the store promises. */
  readonly checks?: readonly string[];
}

/**
 * Which ledger a file belongs to. No part of the schema's version: older versions have no use for
 * it, and may go on without.
 */
const BELONGS_TO = `
  CREATE TABLE IF NOT EXISTS belongs_to (one INTEGER PRIMARY KEY CHECK (one = 1), ledger TEXT NOT NULL) STRICT`;
const BELONG = `INSERT INTO belongs_to (one, ledger) VALUES (1, $ledger) ON CONFLICT DO NOTHING`;
const ADOPTED = `
  INSERT INTO belongs_to (one, ledger) VALUES (1, $ledger) ON CONFLICT DO UPDATE SET ledger = excluded.ledger`;
const HAS_OWNER = `SELECT count(*) AS tables FROM sqlite_schema WHERE name = 'belongs_to'`;
const OWNER = `SELECT ledger FROM belongs_to`;

const ADOPT = 'If it is to belong here all the same: claimcheck migrate --adopt.';

/** The file is something else; the message says what, and what to do. */
class OtherFile extends Error {}

/**
 * Opens the file of a store, which is made for this user alone where it is not there.
 *
 * @param ledger the id of the ledger that it is beside: one that belongs to none yet belongs to
 *   this one from now on; null where that is not known
 * @throws Error when it lies on another machine, is something else or another ledger's, cannot be
 *   used, or was written by a newer claimcheck
 */
export function openStoreFile(file: string, store: StoreFile, ledger: string | null = null): DatabaseSync {
  return openMigrated(file, store, ledger).db;
}

/**
 * Applies the migrations that the file of a store lacks, if there is one, and answers their names.
 *
 * @throws Error as `openStoreFile` does
 */
export function migrateStoreFile(file: string, store: StoreFile): readonly string[] {
  if (!existsSync(file)) return [];
  const { db, applied } = openMigrated(file, store, null);
  db.close();
  return applied;
}

function openMigrated(
  file: string,
  store: StoreFile,
  ledger: string | null,
): { readonly db: DatabaseSync; readonly applied: readonly string[] } {
  makeFolder(dirname(file));
  assertLocal(dirname(file));
  makePrivate(file);
  const db = new DatabaseSync(file, { timeout: store.busyTimeoutMs });
  try {
    // Looked at first, since settings and migrations are written into the file.
    transaction(db, () => assertUsable(db, file, store, ledger), 'BEGIN');
    for (const setting of store.settings) db.exec(`PRAGMA ${setting}`);
    const { applied } = migrateFile(db, store.migrations, store.applicationId);
    transaction(db, () => {
      // Another process may be newer, and have migrated it meanwhile.
      assertUsable(db, file, store, ledger);
      db.exec(BELONGS_TO);
      if (ledger !== null) db.prepare(BELONG).run({ ledger });
    });
    return { db, applied };
  } catch (cause) {
    db.close();
    if (cause instanceof OtherFile) throw cause;
    // Perhaps somebody's table, whose name was given by mistake: nothing is said about removing it.
    if (isNoDatabase(cause))
      throw new Error(`${file} is something else than ${store.what}: ${(cause as Error).message}; ${store.instead}.`, {
        cause,
      });
    const why = `${file} cannot be used as ${store.what}: ${(cause as Error).message}.`;
    throw new Error(store.remedy === undefined ? why : `${why} ${store.remedy}`, { cause });
  }
}

/**
 * Opens the file of a store without ever writing to it. Null where nothing is in it yet.
 *
 * @throws Error when it is something else, or was written by an older or a newer claimcheck
 */
export function openStoreFileToRead(file: string, store: StoreFile): OpenedDatabase | null {
  const opened = openReadOnly(file);
  try {
    if (!transaction(opened.db, () => isNew(opened.db, file, store), 'BEGIN')) {
      assertCurrent(opened.db, file, store);
      return opened;
    }
  } catch (cause) {
    opened.close();
    if (cause instanceof OtherFile) throw cause;
    throw new Error(`${file} cannot be opened: ${(cause as Error).message}`, { cause });
  }
  opened.close();
  return null;
}

/**
 * Makes the file of a store, where it is there, belong to another ledger.
 *
 * @throws Error as `openStoreFile` does
 */
export function adoptStoreFile(file: string, store: StoreFile, ledger: string): void {
  if (!existsSync(file)) return;
  const db = openStoreFile(file, store);
  try {
    db.prepare(ADOPTED).run({ ledger });
  } finally {
    db.close();
  }
}

/**
 * What is wrong with the file of a store, so many places at the most; it is only read.
 *
 * @param ledger the ledger that it is to belong to; null where nobody knows
 * @param extent `whole` reads all of it; otherwise whether it is such a file, and whose
 */
export function examineStoreFile(
  file: string,
  store: StoreFile,
  ledger: string | null,
  { limit, whole }: { readonly limit: number; readonly whole: boolean },
): string[] {
  let opened: OpenedDatabase | null;
  try {
    opened = openStoreFileToRead(file, store);
  } catch (error) {
    return [(error as Error).message];
  }
  if (opened === null) return [`${file} holds nothing, not even the tables of ${store.what}`];
  try {
    const strange = ownerMistakes(opened.db, file, store, ledger);
    return whole ? [...strange, ...contentMistakes(opened.db, file, store, limit)] : strange;
  } catch (error) {
    return [`${file} cannot be read to its end: ${(error as Error).message}`];
  } finally {
    opened.close();
  }
}

function ownerMistakes(db: DatabaseSync, file: string, { what }: StoreFile, ledger: string | null): string[] {
  return isStrange(db, ledger)
    ? [`${file} is ${what} of another ledger than the one beside it. Put back the one that belongs here`]
    : [];
}

/**
 * Whether a file belongs to another ledger than this one; one that belongs to none yet does not.
 */
function isStrange(db: DatabaseSync, ledger: string | null): boolean {
  const { tables } = new Query<{ tables: number }>(db, HAS_OWNER).only();
  const owner = tables === 0 ? undefined : new Query<{ ledger: string }>(db, OWNER).first();
  return owner !== undefined && ledger !== null && owner.ledger !== ledger;
}

function contentMistakes(db: DatabaseSync, file: string, { checks = [] }: StoreFile, limit: number): string[] {
  const said = new Query<{ place: string }>(db, `SELECT integrity_check AS place FROM pragma_integrity_check`).all();
  const damages = said.filter(({ place }) => place !== 'ok');
  // What is read through damaged pages says nothing.
  const places =
    damages.length > 0
      ? damages.map(({ place }) => place)
      : [
          ...checks.flatMap((sql) => new Query<{ place: string }>(db, sql).all()).map(({ place }) => place),
          ...brokenChecks(db, limit),
        ];
  return places.slice(0, limit).map((place) => `${file}: ${place}`);
}

/**
 * @throws OtherFile for a file that is not this store's, is of a newer schema, or belongs to
 *   another ledger
 */
function assertUsable(db: DatabaseSync, file: string, store: StoreFile, ledger: string | null): void {
  if (isNew(db, file, store) || !isStrange(db, ledger)) return;
  const { what, instead, remedy } = store;
  throw new OtherFile(
    `${file} is ${what} of another ledger than the one beside it. Put back the one that belongs here, or ${instead}. ${remedy ?? ADOPT}`,
  );
}

/**
 * Makes a file for this user alone where it is not there. SQLite would make it readable for
 * everybody; what it makes beside it has the rights that this one has.
 */
export function makePrivate(file: string): void {
  if (existsSync(file)) return;
  closeSync(openSync(file, 'a', 0o600));
  chmodSync(file, 0o600);
}

/**
 * Whether nothing is in the file yet. To be asked in a transaction: what another process makes of
 * it in between would be taken for somebody else's.
 *
 * @throws OtherFile where it is not this store's
 */
function isNew(db: DatabaseSync, file: string, { applicationId, migrations, instead }: StoreFile): boolean {
  const owner = markOf(db, 'application_id');
  const { tables } = new Query<{ tables: number }>(db, 'SELECT count(*) AS tables FROM sqlite_schema').only();
  if (owner === 0 && tables === 0) return true;
  if (owner !== applicationId) throw new OtherFile(`${file} is another program's database; ${instead}.`);
  const refusal = whyTooNew(file, markOf(db, 'user_version'), migrations, instead);
  if (refusal !== null) throw new OtherFile(refusal);
  return false;
}

/** @throws OtherFile for a file that lacks migrations: it is looked at, and so not changed */
function assertCurrent(db: DatabaseSync, file: string, { migrations }: StoreFile): void {
  const [written, newest] = [markOf(db, 'user_version'), schemaOf(migrations)];
  if (written < newest)
    throw new OtherFile(
      `${file} was written by an older claimcheck (schema ${written}; this one reads ${newest}). Bring it up to date with: claimcheck migrate.`,
    );
}
