// The captures in a file of their own in the data folder. In the thread of its caller: a capture is a row of a few kilobytes that comes after a
// whole run, and what is large about it is a blob. Only the server has the file open, so no write waits for another's.

import type { DatabaseSync } from 'node:sqlite';
import { StorageFull } from '../domain/errors.ts';
import type { RunId } from '../domain/ids.ts';
import { failureOf } from '../ledger/sqlite/failures.ts';
import { Query } from '../ledger/sqlite/query.ts';
import { openStoreFile, type StoreFile } from '../ledger/sqlite/store-file.ts';
import type { CaptureFilter, CapturePlace, CaptureRecord, CaptureStore, Kept, NewCapture } from './captures.ts';
import { CAPTURE_COLUMNS, type CaptureRow, captureValues, NEW_COLUMNS, toCapture } from './rows.ts';

const SCHEMA = `
  CREATE TABLE captures (
    sequence      INTEGER PRIMARY KEY AUTOINCREMENT,
    version       INTEGER NOT NULL,
    tenant        TEXT    NOT NULL,
    endpoint      TEXT    NOT NULL,
    name          TEXT    NOT NULL,
    run_id        TEXT    NOT NULL,
    created_at_ms INTEGER NOT NULL,
    content       TEXT    NOT NULL,
    UNIQUE (tenant, endpoint, name, version),
    UNIQUE (tenant, endpoint, name, run_id)
  ) STRICT;
  CREATE INDEX captures_of_an_endpoint ON captures (tenant, endpoint, sequence)`;

const CAPTURES_FILE: StoreFile = {
  what: 'a store of captures',
  // The letters "clmp", for predictions.
  applicationId: 0x63_6c_6d_70,
  version: 1,
  schema: SCHEMA,
  settings: ['journal_mode = WAL', 'synchronous = FULL'],
  busyTimeoutMs: 5_000,
  instead: 'choose another folder with --data',
};

// One statement, so that two never take the same number.
const ADD = `
  INSERT INTO captures (${NEW_COLUMNS}, version)
  VALUES (?1, ?2, ?3, ?4, ?5, ?6,
    (SELECT coalesce(max(version), 0) + 1 FROM captures WHERE tenant = ?1 AND endpoint = ?2 AND name = ?3))
  ON CONFLICT (tenant, endpoint, name, run_id) DO NOTHING`;
const OF_RUN = `
  SELECT ${CAPTURE_COLUMNS} FROM captures
  WHERE tenant = $tenant AND endpoint = $endpoint AND name = $name AND run_id = $runId`;
const GET = `
  SELECT ${CAPTURE_COLUMNS} FROM captures
  WHERE tenant = $tenant AND endpoint = $endpoint AND name = $name AND ($version IS NULL OR version = $version)
  ORDER BY version DESC LIMIT 1`;
const LIST = `
  SELECT ${CAPTURE_COLUMNS} FROM captures
  WHERE tenant = $tenant AND endpoint = $endpoint
    AND ($name IS NULL OR name = $name) AND ($before IS NULL OR sequence < $before)
  ORDER BY sequence DESC LIMIT $limit`;

/**
 * Opens the captures in a file, which is made for this user alone where it is not there.
 *
 * @throws Error when the file lies on another machine, is something else, or was written by a newer claimcheck
 */
export async function openSqliteCaptures(file: string): Promise<CaptureStore> {
  return new SqliteCaptures(openStoreFile(file, CAPTURES_FILE));
}

class SqliteCaptures implements CaptureStore {
  readonly #db: DatabaseSync;
  readonly #add;
  readonly #ofRun;
  readonly #get;
  readonly #list;

  constructor(db: DatabaseSync) {
    this.#db = db;
    this.#add = db.prepare(ADD);
    this.#ofRun = new Query<CaptureRow>(db, OF_RUN);
    this.#get = new Query<CaptureRow>(db, GET);
    this.#list = new Query<CaptureRow>(db, LIST);
  }

  async add(capture: NewCapture): Promise<Kept> {
    const isNew = this.#insert(capture);
    const { tenant, endpoint, name, runId } = capture;
    const kept = this.#ofRun.only({ tenant, endpoint, name, runId });
    return { result: isNew ? 'added' : 'found', capture: toCapture(kept) };
  }

  async ofRun({ tenant, endpoint, name }: CapturePlace, runId: RunId): Promise<CaptureRecord | null> {
    const row = this.#ofRun.first({ tenant, endpoint, name, runId });
    return row === undefined ? null : toCapture(row);
  }

  async get({ tenant, endpoint, name }: CapturePlace, version: number | null): Promise<CaptureRecord | null> {
    const row = this.#get.first({ tenant, endpoint, name, version });
    return row === undefined ? null : toCapture(row);
  }

  async list({ tenant, endpoint, name, before, limit }: CaptureFilter): Promise<readonly CaptureRecord[]> {
    return this.#list.all({ tenant, endpoint, name: name ?? null, before: before ?? null, limit }).map(toCapture);
  }

  async close(): Promise<void> {
    this.#db.close();
  }

  #insert(capture: NewCapture): boolean {
    try {
      return this.#add.run(...captureValues(capture)).changes === 1;
    } catch (cause) {
      if (failureOf(cause) !== 'full') throw cause;
      throw new StorageFull('The disk has no room for another capture.', { cause });
    }
  }
}
