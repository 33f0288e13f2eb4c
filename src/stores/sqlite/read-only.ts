// Opening a database file without ever writing to it, or beside it.

import { existsSync, rmSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';

/** A database file that is open, and how to close it. */
export interface OpenedDatabase {
  readonly db: DatabaseSync;
  readonly close: () => void;
}

/**
 * Opens a file that is there. Not even the log that a killed server left is written back, and no
 * file stays that was not there.
 */
export function openReadOnly(file: string): OpenedDatabase {
  // SQLite makes these two where they are missing: an empty log, and an index of the log that holds
  // nothing of its own.
  const strangers = [`${file}-wal`, `${file}-shm`].filter((name) => !existsSync(name));
  const db = new DatabaseSync(file, { readOnly: true });
  const close = (): void => {
    // Before the lock goes: a server that starts then has files of these names that are its own.
    for (const name of strangers) rmSync(name, { force: true });
    db.close();
  };
  return { db, close };
}
