// Transactions and marks of an SQLite file.

import type { DatabaseSync } from 'node:sqlite';
import { Query } from './query.ts';

/**
 * Does work in one transaction. One that writes has the right to do so from its start: one that
 * asked for it in the middle would be refused if another connection has written since.
 */
export function transaction<Result>(
  db: DatabaseSync,
  work: () => Result,
  begin: 'BEGIN' | 'BEGIN IMMEDIATE' = 'BEGIN IMMEDIATE',
): Result {
  db.exec(begin);
  try {
    const result = work();
    db.exec('COMMIT');
    return result;
  } catch (error) {
    if (db.isTransaction) db.exec('ROLLBACK');
    throw error;
  }
}

/** A mark of the file: which program's it is, or which schema it has. */
export const markOf = (db: DatabaseSync, name: 'application_id' | 'user_version'): number =>
  new Query<Record<string, number>>(db, `PRAGMA ${name}`).only()[name]!;
