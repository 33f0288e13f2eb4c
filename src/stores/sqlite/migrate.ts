// Bringing an SQLite file to its newest schema.

import type { DatabaseSync } from 'node:sqlite';
import { type Migration, type Migrated, schemaOf } from '../migrations.ts';
import { markOf, transaction } from './transaction.ts';

/**
 * Applies the migrations that a file lacks, each in a transaction of its own: a crash leaves the
 * file between two of them, and the next start goes on from there. Several processes may do so at
 * once.
 *
 * @param applicationId marks the file as the store's
 */
export function migrateFile(db: DatabaseSync, migrations: readonly Migration[], applicationId: number): Migrated {
  const schema = schemaOf(migrations);
  const applied: string[] = [];
  // Read before any transaction, since one that may write waits for every other process.
  const before = markOf(db, 'user_version');
  const missing = migrations.filter(({ number }) => number > before);
  for (const { number, name, sql } of missing) {
    transaction(db, () => {
      if (markOf(db, 'user_version') >= number) return;
      db.exec(`${sql}; PRAGMA application_id = ${applicationId}; PRAGMA user_version = ${number}`);
      applied.push(name);
    });
  }
  return { applied, schema };
}
