// Stores in files, as somebody changes them who is no part of claimcheck.

import { DatabaseSync } from 'node:sqlite';

/** Runs statements on the file of a store; answers the rows of a single one. */
export function changeFile(file: string, sql: string): Record<string, unknown>[] {
  const db = new DatabaseSync(file, { enableForeignKeyConstraints: false });
  try {
    if (/^\s*SELECT/.test(sql)) return db.prepare(sql).all();
    db.exec(sql);
    return [];
  } finally {
    db.close();
  }
}
