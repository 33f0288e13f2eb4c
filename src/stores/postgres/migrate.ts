// Bringing a schema of a Postgres database to its newest migration: all of it in one transaction,
// by one server at a time.

import type pg from 'pg';
import { hours } from '../../domain/time.ts';
import { type Migration, type Migrated, schemaOf, whyTooNew } from '../migrations.ts';
import { placeOf, Unusable } from './errors.ts';

/** How long a migration may take, or be waited for: it may have to write every run anew. */
const TIMEOUT = hours(2);

/** A schema of the database that a store has for its own. */
export interface PostgresSchema {
  /** Its name, as `claimcheck_vault`. */
  readonly name: string;
  readonly migrations: readonly Migration[];
  /** The number of the advisory lock that a server has while it migrates. */
  readonly lock: number;
  /**
   * A table of the first migration in a database that is older than the record of migrations; null
   * if there is none.
   */
  readonly unrecorded: string | null;
}

/**
 * Whether a table is there. Asked of the catalogue, and not of to_regclass: that answers from a
 * cache which does not hear of what another server has made while this one waited for the lock.
 */
const THERE = `
  SELECT EXISTS (SELECT FROM pg_catalog.pg_tables WHERE schemaname || '.' || tablename = $1) AS "there"`;

/**
 * The number of the last migration that was applied; 0 if there is none.
 *
 * @throws Unusable when it is newer than this claimcheck
 */
export async function appliedTo(client: pg.ClientBase, url: string, schema: PostgresSchema): Promise<number> {
  const applied = await recordedIn(client, schema);
  const refusal = whyTooNew(placeOf(url), applied, schema.migrations, 'another database');
  if (refusal !== null) throw new Unusable(refusal);
  return applied;
}

async function recordedIn(client: pg.ClientBase, { name, unrecorded }: PostgresSchema): Promise<number> {
  if (await isRecorded(client, name)) {
    const { rows } = await client.query<{ applied: number }>(
      `SELECT coalesce(max(number), 0) AS applied FROM ${name}.migrations`,
    );
    return rows[0]!.applied;
  }
  return unrecorded !== null && (await isThere(client, unrecorded)) ? 1 : 0;
}

const isRecorded = (client: pg.ClientBase, name: string): Promise<boolean> => isThere(client, `${name}.migrations`);

async function isThere(client: pg.ClientBase, table: string): Promise<boolean> {
  const { rows } = await client.query<{ there: boolean }>(THERE, [table]);
  return rows[0]!.there;
}

/**
 * Applies the migrations that are missing. Where none is, nothing is written: a role without the
 * right to change the schema can do this too.
 *
 * @throws Unusable when the schema is newer than this claimcheck
 */
export async function migrateSchema(client: pg.ClientBase, url: string, schema: PostgresSchema): Promise<Migrated> {
  const { name, migrations, lock } = schema;
  const newest = schemaOf(migrations);
  if ((await appliedTo(client, url, schema)) === newest) return { applied: [], schema: newest };
  await client.query('BEGIN');
  try {
    await client.query(patiently(`SELECT pg_advisory_xact_lock(${lock})`));
    // Another server may have migrated while this one waited for the lock.
    const applied = await appliedTo(client, url, schema);
    // Postgres refuses even IF NOT EXISTS to the owner of a schema who may make none.
    if (applied === 0) await client.query(`CREATE SCHEMA IF NOT EXISTS ${name}`);
    if (!(await isRecorded(client, name))) await client.query(recordOf(name));
    const record = (one: Migration): Promise<unknown> =>
      client.query(
        `INSERT INTO ${name}.migrations (number, name, applied_at_ms)
         VALUES ($1, $2, (extract(epoch FROM clock_timestamp()) * 1000)::bigint) ON CONFLICT DO NOTHING`,
        [one.number, one.name],
      );
    for (const one of migrations.filter(({ number }) => number <= applied)) await record(one);
    const missing = migrations.filter(({ number }) => number > applied);
    for (const one of missing) {
      await client.query(patiently(one.sql));
      await record(one);
    }
    await client.query('COMMIT');
    return { applied: missing.map((one) => one.name), schema: newest };
  } catch (error) {
    await client.query('ROLLBACK').catch(() => {});
    throw error;
  }
}

/**
 * Makes the record of migrations. Every role that may use the schema may read it, since every
 * server reads it when it starts: a role may have been given the tables of the schema before there
 * was a record.
 */
const recordOf = (name: string): string => `
  CREATE TABLE ${name}.migrations (number INTEGER PRIMARY KEY, name TEXT NOT NULL, applied_at_ms BIGINT NOT NULL);
  GRANT SELECT ON ${name}.migrations TO PUBLIC`;

const patiently = (text: string): pg.QueryConfig & pg.ClientConfig => ({ text, query_timeout: TIMEOUT });
