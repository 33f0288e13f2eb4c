// The captures in a file of their own in the data folder. In the thread of its caller: a capture is
// a row of a few kilobytes that comes after a whole run, and what is large about it is a blob. Only
// the server has the file open, so no write waits for another's.

import { existsSync } from 'node:fs';
import type { DatabaseSync } from 'node:sqlite';
import { StorageBroken, StorageFull } from '../../domain/errors.ts';
import type { RunId } from '../../domain/ids.ts';
import { failureOf } from '../sqlite/failures.ts';
import { Query, type Values } from '../sqlite/query.ts';
import { migrationsIn } from '../migrations.ts';
import { openStoreFile, openStoreFileToRead, type StoreFile } from '../sqlite/file.ts';
import { transaction } from '../sqlite/transaction.ts';
import type {
  CaptureFilter,
  CapturePlace,
  CaptureReader,
  CaptureRecord,
  CaptureStore,
  AddedCapture,
  NewCapture,
} from './captures.ts';
import {
  CAPTURE_COLUMNS,
  type CaptureRow,
  captureValues,
  isReadable,
  mistakesIn,
  newestReadable,
  NEW_COLUMNS,
  readableOf,
  toCapture,
} from './rows.ts';

/** The file of captures. */
export const CAPTURES_FILE: StoreFile = {
  what: 'a store of captures',
  // The letters "clmp", for predictions.
  applicationId: 0x63_6c_6d_70,
  migrations: migrationsIn(new URL('./migrations/sqlite/', import.meta.url)),
  settings: ['journal_mode = WAL', 'synchronous = FULL'],
  busyTimeoutMs: 5_000,
  instead: 'choose another folder with --data',
};

// One statement, so that two never take the same number.
const ADD = `
  INSERT INTO captures (${NEW_COLUMNS}, version)
  VALUES (?1, ?2, ?3, ?4, ?5, ?6,
    (SELECT coalesce(max(version), 0) + 1 FROM (
      SELECT version FROM captures WHERE tenant = ?1 AND endpoint = ?2 AND name = ?3
      UNION ALL SELECT newest FROM deleted_versions WHERE tenant = ?1 AND endpoint = ?2 AND name = ?3)))
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
const ALL = `SELECT ${CAPTURE_COLUMNS} FROM captures WHERE sequence > $after ORDER BY sequence LIMIT $limit`;
const DELETE = `
  DELETE FROM captures
  WHERE tenant = $tenant AND endpoint = $endpoint AND name = $name AND ($version IS NULL OR version = $version)
  RETURNING ${CAPTURE_COLUMNS}`;
const KEEP_NUMBER = `
  INSERT INTO deleted_versions (tenant, endpoint, name, newest) VALUES ($tenant, $endpoint, $name, $newest)
  ON CONFLICT DO UPDATE SET newest = max(newest, excluded.newest)`;
const DAMAGES = `SELECT integrity_check AS damage FROM pragma_integrity_check LIMIT $limit`;

/**
 * Opens the captures in a file, which is made for this user alone where it is not there.
 *
 * @param ledger as `openStoreFile` takes it
 * @throws Error when the file lies on another machine, is something else, or was written by a newer
 *   claimcheck
 */
export async function openSqliteCaptures(file: string, ledger: string | null = null): Promise<CaptureStore> {
  return new SqliteCaptures(openStoreFile(file, CAPTURES_FILE, ledger));
}

/**
 * Opens the captures in a file to look at them, and never writes. Null where there is no such file,
 * or nothing in it.
 *
 * @throws Error when it is something else, or was written by a newer claimcheck
 */
export async function readSqliteCaptures(file: string): Promise<CaptureReader | null> {
  const opened = existsSync(file) ? openStoreFileToRead(file, CAPTURES_FILE) : null;
  if (opened === null) return null;
  const { db, close } = opened;
  const read = async <Row, Result>(
    sql: string,
    values: Values,
    take: (rows: readonly Row[]) => Result,
  ): Promise<Result> => {
    try {
      return take(new Query<Row>(db, sql).all(values));
    } catch (cause) {
      throw new StorageBroken(`${file} cannot be read to its end: ${(cause as Error).message}`, { cause });
    }
  };
  const captures = (rows: readonly CaptureRow[]): CaptureRecord[] => rows.map(toCapture);
  const rows = (after: number, limit: number): Promise<readonly CaptureRow[]> =>
    read<CaptureRow, readonly CaptureRow[]>(ALL, { after, limit }, (found) => found);
  const damage = (rows: readonly { readonly damage: string }[]): string[] => rows.map((row) => row.damage);
  return {
    get: async ({ tenant, endpoint, name }, version) =>
      (await read(GET, { tenant, endpoint, name, version }, captures))[0] ?? null,
    all: (after, limit) => readableOf(rows, after, limit),
    mistakes: (limit) => mistakesIn(rows, limit),
    async damages(limit) {
      const said = await read(DAMAGES, { limit }, damage);
      return said.filter((line) => line !== 'ok');
    },
    close: async () => close(),
  };
}

class SqliteCaptures implements CaptureStore {
  readonly #db: DatabaseSync;
  readonly #add;
  readonly #ofRun;
  readonly #get;
  readonly #list;
  readonly #all;
  readonly #delete;
  readonly #keepNumber;

  constructor(db: DatabaseSync) {
    this.#db = db;
    this.#add = db.prepare(ADD);
    this.#ofRun = new Query<CaptureRow>(db, OF_RUN);
    this.#get = new Query<CaptureRow>(db, GET);
    this.#list = new Query<CaptureRow>(db, LIST);
    this.#all = new Query<CaptureRow>(db, ALL);
    this.#delete = new Query<CaptureRow>(db, DELETE);
    this.#keepNumber = db.prepare(KEEP_NUMBER);
  }

  async add(capture: NewCapture): Promise<AddedCapture> {
    const isNew = orFull('another capture', () => this.#add.run(...captureValues(capture)).changes === 1);
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
    const place = { tenant, endpoint, name: name ?? null };
    return newestReadable(
      async (from, most) => this.#list.all({ ...place, before: from, limit: most }),
      before ?? null,
      limit,
    );
  }

  async all(after: number, limit: number): Promise<readonly CaptureRecord[]> {
    return this.#all.all({ after, limit }).map(toCapture);
  }

  async delete({ tenant, endpoint, name }: CapturePlace, version: number | null): Promise<readonly CaptureRecord[]> {
    const place = { tenant, endpoint, name };
    return orFull('the deletion of a capture', () =>
      transaction(this.#db, () => {
        const deleted = this.#delete.all({ ...place, version });
        if (deleted.length > 0)
          this.#keepNumber.run({ ...place, newest: Math.max(...deleted.map((one) => one.version)) });
        // Where the blobs of any other are, nobody can say: they are left over.
        return deleted.filter(isReadable).map(toCapture);
      }),
    );
  }

  async close(): Promise<void> {
    this.#db.close();
  }
}

/** Writes, and says of what for want of room. */
function orFull<Result>(what: string, write: () => Result): Result {
  try {
    return write();
  } catch (cause) {
    if (failureOf(cause) !== 'full') throw cause;
    throw new StorageFull(`The disk has no room for ${what}.`, { cause });
  }
}
