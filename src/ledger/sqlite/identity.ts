// Which ledger this is, and which data folder it belongs to.

import type { DatabaseSync } from 'node:sqlite';
import type { BlobKey } from '../../domain/payload.ts';
import type { Identity } from '../ledger.ts';
import { Query } from './query.ts';

const IDENTITY = `SELECT ledger, folder, mark FROM identity`;
const BELONG = `UPDATE identity SET folder = $folder, mark = $mark`;
const BLOBS = `
  SELECT blob FROM (
    SELECT input_blob AS blob FROM runs WHERE input_blob > $after
    UNION ALL SELECT output_blob FROM runs WHERE output_blob > $after)
  ORDER BY blob LIMIT $limit`;

/** Keeps the identity. Its statements are prepared when they are asked for: once in a server's life. */
export class Identities {
  readonly #db: DatabaseSync;

  constructor(db: DatabaseSync) {
    this.#db = db;
  }

  identity(): Identity {
    const row = new Query<Omit<Identity, 'isElsewhere'>>(this.#db, IDENTITY).only();
    // One server at a time has the file.
    return { ...row, isElsewhere: false };
  }

  belongTo(folder: string, mark: string): void {
    this.#db.prepare(BELONG).run({ folder, mark });
  }

  blobs(after: string, limit: number): BlobKey[] {
    return new Query<{ blob: BlobKey }>(this.#db, BLOBS).all({ after, limit }).map(({ blob }) => blob);
  }
}
