// Which ledger this is, and which data folder it belongs to.

import type { DatabaseSync } from 'node:sqlite';
import type { Identity, NamedBlob } from '../ledger.ts';
import { type BlobRow, toNamedBlob } from '../rows.ts';
import { Query } from '../../sqlite/query.ts';

const IDENTITY = `SELECT ledger, folder, mark FROM identity`;
const BELONG = `UPDATE identity SET folder = $folder, mark = $mark`;
const BLOBS = `
  SELECT * FROM (
    SELECT input_blob AS key, run_id, 'input' AS role, input_type AS type, input_bytes AS bytes, input_sha256 AS sha256
    FROM runs WHERE input_blob > $after
    UNION ALL SELECT output_blob, run_id, 'output', output_type, output_bytes, output_sha256 FROM runs WHERE output_blob > $after)
  ORDER BY key LIMIT $limit`;
const COUNT = `SELECT count(*) AS runs FROM runs`;

/**
 * Keeps the identity. Its statements are prepared when they are asked for: once in a server's life.
 */
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

  blobs(after: string, limit: number): NamedBlob[] {
    return new Query<BlobRow>(this.#db, BLOBS).all({ after, limit }).map(toNamedBlob);
  }

  runCount(): number {
    return new Query<{ runs: number }>(this.#db, COUNT).only().runs;
  }
}
