// The captures in the database of the ledger, in a schema of their own: they outlive the runs that
// they come from.

import type { RunId } from '../../domain/ids.ts';
import { seconds } from '../../domain/time.ts';
import type { ConnectionOptions, Connections, Statement } from '../postgres/connections.ts';
import type { StoreConnections } from '../postgres/lent-connections.ts';
import { migrationsIn } from '../migrations.ts';
import { openStoreSchema, readStoreSchema, type StoreSchema } from '../postgres/schema.ts';
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
  NEW_COLUMNS,
  newestReadable,
  readableOf,
  toCapture,
} from './rows.ts';

/**
 * A call that adds or deletes has the lock of the name until its transaction ends, so that versions
 * come one after the other.
 */
const LOCK_NAME: Statement = {
  name: 'claimcheck_lock_captures',
  text: `SELECT pg_advisory_xact_lock(x'636c6d70'::integer, hashtext(json_build_array($1::text, $2::text, $3::text)::text))`,
};
const ADD: Statement = {
  name: 'claimcheck_add_capture',
  text: `
  INSERT INTO claimcheck_captures.captures (${NEW_COLUMNS}, version)
  VALUES ($1, $2, $3, $4, $5, $6, (
    SELECT coalesce(max(version), 0) + 1 FROM (
      SELECT version FROM claimcheck_captures.captures WHERE tenant = $1 AND endpoint = $2 AND name = $3
      UNION ALL SELECT newest FROM claimcheck_captures.deleted_versions WHERE tenant = $1 AND endpoint = $2 AND name = $3) taken))
  ON CONFLICT (tenant, endpoint, name, run_id) DO NOTHING
  RETURNING ${CAPTURE_COLUMNS}`,
};
const OF_RUN: Statement = {
  name: 'claimcheck_capture_of_run',
  text: `
  SELECT ${CAPTURE_COLUMNS} FROM claimcheck_captures.captures
  WHERE tenant = $1 AND endpoint = $2 AND name = $3 AND run_id = $4`,
};
const GET: Statement = {
  name: 'claimcheck_capture',
  text: `
  SELECT ${CAPTURE_COLUMNS} FROM claimcheck_captures.captures
  WHERE tenant = $1 AND endpoint = $2 AND name = $3 AND ($4::integer IS NULL OR version = $4)
  ORDER BY version DESC LIMIT 1`,
};
const LIST: Statement = {
  name: 'claimcheck_captures',
  text: `
  SELECT ${CAPTURE_COLUMNS} FROM claimcheck_captures.captures
  WHERE tenant = $1 AND endpoint = $2 AND ($3::text IS NULL OR name = $3) AND ($4::bigint IS NULL OR sequence < $4)
  ORDER BY sequence DESC LIMIT $5`,
};
const ALL: Statement = {
  name: 'claimcheck_all_captures',
  text: `SELECT ${CAPTURE_COLUMNS} FROM claimcheck_captures.captures WHERE sequence > $1 ORDER BY sequence LIMIT $2`,
};
const DELETE: Statement = {
  name: 'claimcheck_delete_captures',
  text: `
  WITH deleted AS (
    DELETE FROM claimcheck_captures.captures
    WHERE tenant = $1 AND endpoint = $2 AND name = $3 AND ($4::integer IS NULL OR version = $4)
    RETURNING ${CAPTURE_COLUMNS}
  ), numbers AS (
    INSERT INTO claimcheck_captures.deleted_versions AS kept (tenant, endpoint, name, newest)
    SELECT tenant, endpoint, name, max(version) FROM deleted GROUP BY tenant, endpoint, name
    ON CONFLICT (tenant, endpoint, name) DO UPDATE SET newest = greatest(kept.newest, excluded.newest)
  )
  SELECT ${CAPTURE_COLUMNS} FROM deleted`,
};

const CONNECTIONS: ConnectionOptions = {
  // One connection to read with and one to write: captures are as rare as the runs of whole tables.
  connectionsMax: 1,
  // How long callers wait while Postgres is away, as the ledger's do.
  patience: seconds(10),
};
/** The schema of the captures. */
export const CAPTURES_SCHEMA: StoreSchema = {
  name: 'claimcheck_captures',
  migrations: migrationsIn(new URL('./migrations/postgres/', import.meta.url)),
  // The letters "clmp".
  lock: 0x63_6c_6d_70,
  unrecorded: 'claimcheck_captures.captures',
  ...CONNECTIONS,
};

/**
 * Opens the captures in a Postgres database, and makes their schema `claimcheck_captures` where it
 * is not there.
 *
 * @param url as `openPostgresLedger` takes it
 * @param lender as `openStoreSchema` takes it
 * @throws Error when the database cannot be used: the message says why and what to do
 */
export async function openPostgresCaptures(url: string, lender: Connections | null = null): Promise<CaptureStore> {
  return new PostgresCaptures(await openStoreSchema(url, CAPTURES_SCHEMA, lender));
}

/**
 * Opens the captures in a database to look at them, and never writes. Null where there are none;
 * otherwise as `openPostgresCaptures`.
 */
export async function readPostgresCaptures(url: string): Promise<CaptureReader | null> {
  const connections = await readStoreSchema(url, CAPTURES_SCHEMA);
  if (connections === null) return null;
  const captures = new PostgresCaptures(connections);
  const rows = (after: number, limit: number): Promise<readonly CaptureRow[]> =>
    connections.read<CaptureRow>(ALL, [after, limit]);
  return {
    get: (...asked) => captures.get(...asked),
    all: (after, limit) => readableOf(rows, after, limit),
    mistakes: (limit) => mistakesIn(rows, limit),
    damages: async () => null,
    close: () => captures.close(),
  };
}

class PostgresCaptures implements CaptureStore {
  readonly #connections: StoreConnections;

  constructor(connections: StoreConnections) {
    this.#connections = connections;
  }

  /** Done again after a lost connection it answers 'found', which is as well. */
  async add(capture: NewCapture): Promise<AddedCapture> {
    const { tenant, endpoint, name, runId } = capture;
    return this.#connections.untilKnown(() =>
      this.#connections.transaction(async (writer) => {
        await writer.write(LOCK_NAME, [tenant, endpoint, name]);
        const [added] = await writer.write<CaptureRow>(ADD, captureValues(capture));
        if (added !== undefined) return { result: 'added', capture: toCapture(added) };
        const [found] = await writer.write<CaptureRow>(OF_RUN, [tenant, endpoint, name, runId]);
        return { result: 'found', capture: toCapture(found!) };
      }),
    );
  }

  async ofRun({ tenant, endpoint, name }: CapturePlace, runId: RunId): Promise<CaptureRecord | null> {
    return this.#first(OF_RUN, [tenant, endpoint, name, runId]);
  }

  async get({ tenant, endpoint, name }: CapturePlace, version: number | null): Promise<CaptureRecord | null> {
    return this.#first(GET, [tenant, endpoint, name, version]);
  }

  async list({ tenant, endpoint, name, before, limit }: CaptureFilter): Promise<readonly CaptureRecord[]> {
    const read = (from: number | null, most: number): Promise<readonly CaptureRow[]> =>
      this.#connections.read<CaptureRow>(LIST, [tenant, endpoint, name ?? null, from, most]);
    return newestReadable(read, before ?? null, limit);
  }

  async all(after: number, limit: number): Promise<readonly CaptureRecord[]> {
    return (await this.#connections.read<CaptureRow>(ALL, [after, limit])).map(toCapture);
  }

  /**
   * Done again after a lost connection it finds nothing any more, so what every try has found is
   * put together.
   */
  async delete({ tenant, endpoint, name }: CapturePlace, version: number | null): Promise<readonly CaptureRecord[]> {
    const deleted = new Map<number, CaptureRecord>();
    await this.#connections.untilKnown(() =>
      this.#connections.transaction(async (writer) => {
        await writer.write(LOCK_NAME, [tenant, endpoint, name]);
        const rows = await writer.write<CaptureRow>(DELETE, [tenant, endpoint, name, version]);
        // Where the blobs of any other are, nobody can say: they are left over.
        for (const row of rows.filter(isReadable)) deleted.set(row.sequence, toCapture(row));
      }),
    );
    return [...deleted.values()];
  }

  close(): Promise<void> {
    return this.#connections.close();
  }

  async #first(statement: Statement, values: readonly unknown[]): Promise<CaptureRecord | null> {
    const [row] = await this.#connections.read<CaptureRow>(statement, values);
    return row === undefined ? null : toCapture(row);
  }
}
