// Copies of database files, each as of one moment.

import { statSync } from 'node:fs';
import { copyFile } from 'node:fs/promises';
import { backup, DatabaseSync } from 'node:sqlite';
import { makePrivate } from '../../sqlite/file.ts';

/**
 * All pages in one step: with several, a file that others write would be begun anew for each of
 * their writes.
 */
const ALL_PAGES = 2 ** 30;
const SQLITE_BUSY = 5;
/** How long to wait for another process to end a write, in milliseconds. */
const BUSY_MS = 10_000;

/** Copies the file of a store that others may be writing. */
export async function copyStoreFile(file: string, to: string): Promise<void> {
  const db = new DatabaseSync(file, { timeout: BUSY_MS });
  try {
    makePrivate(to);
    await backup(db, to, { rate: ALL_PAGES });
  } finally {
    db.close();
  }
}

/**
 * Copies the file of a ledger that no server has; false, and nothing was done, where one has it. No
 * server can open it meanwhile.
 */
export async function copyIdleLedger(file: string, to: string): Promise<boolean> {
  const db = new DatabaseSync(file);
  try {
    db.exec('PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE; COMMIT');
    makePrivate(to);
    await backup(db, to, { rate: ALL_PAGES });
    return true;
  } catch (error) {
    if ((error as { errcode?: number }).errcode === SQLITE_BUSY) return false;
    throw error;
  } finally {
    db.close();
  }
}

/**
 * Copies the file of a ledger that its server holds, see `Ledger.holdFile`.
 *
 * @throws Error when the server has written it meanwhile
 */
export async function copyHeldLedger(file: string, to: string): Promise<void> {
  const before = stampOf(file);
  makePrivate(to);
  await copyFile(file, to);
  if (stampOf(file) === before) return;
  throw new Error(
    `${file} was written while it was copied, because its server ended, or its disk is full: what was copied is no backup. Try again.`,
  );
}

function stampOf(file: string): string {
  const { size, mtimeNs, ino } = statSync(file, { bigint: true });
  return `${size} ${mtimeNs} ${ino}`;
}
