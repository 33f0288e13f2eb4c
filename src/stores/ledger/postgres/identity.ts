// Which ledger this is, which data folder it belongs to, and whether a server works on it that has
// another one.

import type pg from 'pg';
import { hours } from '../../../domain/time.ts';
import type { Identity, NamedBlob } from '../ledger.ts';
import { type BlobRow, toNamedBlob } from '../rows.ts';
import type { Connections, Statement } from '../../postgres/connections.ts';
import { notOpened, Unusable } from '../../postgres/errors.ts';

/**
 * A server that compares a folder with its ledger has this lock meanwhile; the number is the
 * letters "clmi".
 */
const LOCK = `SELECT pg_advisory_xact_lock(x'636c6d69'::integer)`;
/** How long to wait for another server that does so: in its turn it writes two small files. */
const LOCK_TIMEOUT = hours(1);

/**
 * What the connection for hints calls itself, so that the others see which folder its server has.
 */
export const folderName = (folder: string): string => `claimcheck in ${folder}`;

const IDENTITY: Statement = {
  name: '',
  text: `
  SELECT ledger, folder, mark, EXISTS (
    SELECT 1 FROM pg_stat_activity a
    WHERE a.datname = current_database() AND a.application_name LIKE 'claimcheck in %' AND a.application_name <> $1
  ) AND $1 <> '' AS "isElsewhere"
  FROM claimcheck.identity`,
};
const BELONG: Statement = { name: '', text: `UPDATE claimcheck.identity SET folder = $1, mark = $2` };
const BLOBS: Statement = {
  name: '',
  text: `
  SELECT * FROM (
    SELECT input_blob AS key, run_id, 'input' AS role, input_type AS type, input_bytes AS bytes, input_sha256 AS sha256
    FROM claimcheck.runs WHERE input_blob COLLATE "C" > $1
    UNION ALL SELECT output_blob, run_id, 'output', output_type, output_bytes, output_sha256
    FROM claimcheck.runs WHERE output_blob COLLATE "C" > $1) named
  ORDER BY key COLLATE "C" LIMIT $2`,
};

const COUNT: Statement = { name: '', text: `SELECT count(*) AS runs FROM claimcheck.runs` };

/** Keeps the identity. */
export class Identities {
  readonly #connections: Connections;
  readonly #connect: () => pg.Client;
  readonly #url: string;
  readonly #folder: string | null;

  /**
   * @param folder what tells the folder of this server from any other, as the hints' connection
   *   says it
   */
  constructor(connections: Connections, driver: typeof pg, url: string, folder: string | null) {
    this.#connections = connections;
    this.#connect = () => new driver.Client({ connectionString: url, fallback_application_name: 'claimcheck' });
    this.#url = url;
    this.#folder = folder;
  }

  async identity(): Promise<Identity> {
    const mine = this.#folder === null ? '' : folderName(this.#folder);
    const [row] = await this.#connections.read<Identity>(IDENTITY, [mine]);
    if (row === undefined) throw new Unusable('The ledger does not say which one it is: claimcheck.identity is empty.');
    return row;
  }

  async belongTo(folder: string, mark: string): Promise<void> {
    await this.#connections.untilKnown(() => this.#connections.write(BELONG, [folder, mark]));
  }

  async blobs(after: string, limit: number): Promise<NamedBlob[]> {
    return (await this.#connections.read<BlobRow>(BLOBS, [after, limit])).map(toNamedBlob);
  }

  async runCount(): Promise<number> {
    return (await this.#connections.read<{ runs: number }>(COUNT, []))[0]!.runs;
  }

  /** On a connection of its own: those of the pool are needed by the work. */
  async exclusively<Result>(work: () => Promise<Result>): Promise<Result> {
    const client = this.#connect();
    client.on('error', () => {});
    try {
      await client.connect();
      await client.query('BEGIN');
      await client.query({ text: LOCK, query_timeout: LOCK_TIMEOUT } as pg.QueryConfig);
    } catch (error) {
      await client.end().catch(() => {});
      throw notOpened(error, this.#url);
    }
    try {
      return await work();
    } finally {
      // With the connection goes its lock.
      await client.end().catch(() => {});
    }
  }
}
