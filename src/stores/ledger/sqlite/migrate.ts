// Bringing a ledger's file to the newest migration without a server.

import { type MigratedDatabase, openMigrated } from './open.ts';

/**
 * Applies the migrations that a ledger's file lacks, creating it where it is not there.
 *
 * @throws Error as `openDatabase` does: when a server has the file, or a newer claimcheck wrote it
 */
export function migrateSqlite(file: string): Omit<MigratedDatabase, 'db'> {
  const { db, ...migrated } = openMigrated(file);
  db.close();
  return migrated;
}
