// Bringing a database to the newest migration: all of it in one transaction, by one server at a time.

import { readdir, readFile } from 'node:fs/promises';
import type pg from 'pg';
import { hours } from '../../../domain/time.ts';
import { placeOf, Unusable } from '../../postgres/errors.ts';

const MIGRATIONS = new URL('../migrations/postgres/', import.meta.url);
/** Whoever migrates has this lock until its transaction ends; the number is the letters "clmc". */
const LOCK = `SELECT pg_advisory_xact_lock(x'636c6d63'::integer)`;
/** How long a migration may take, or be waited for: it may have to write every run anew. */
const TIMEOUT = hours(2);
const EXISTS = `SELECT to_regclass('claimcheck.migrations') IS NOT NULL AS "exists"`;
const APPLIED = `SELECT coalesce(max(number), 0) AS applied FROM claimcheck.migrations`;
const CREATE = `
  CREATE SCHEMA IF NOT EXISTS claimcheck;
  CREATE TABLE claimcheck.migrations (number INTEGER PRIMARY KEY, name TEXT NOT NULL, applied_at_ms BIGINT NOT NULL)`;
const RECORD = `INSERT INTO claimcheck.migrations (number, name, applied_at_ms) VALUES ($1, $2, claimcheck.now_ms())`;

/** What a migration has done. */
export interface Migrated {
  /** Names of the migrations that were applied now, in their order. */
  readonly applied: readonly string[];
  /** The number of the last migration there is. */
  readonly schema: number;
}

/**
 * Applies the migrations that are missing.
 *
 * @throws Error when the schema is newer than this claimcheck
 */
export async function migrate(client: pg.ClientBase, url: string): Promise<Migrated> {
  const names = (await readdir(MIGRATIONS)).filter((name) => name.endsWith('.sql')).sort();
  await client.query('BEGIN');
  try {
    await client.query(patiently(LOCK));
    const applied = await appliedTo(client);
    const schema = numberOf(names.at(-1)!);
    if (applied > schema) {
      throw new Unusable(
        `${placeOf(url)} was written by a newer claimcheck (schema ${applied}; this one knows ${schema}). Use that version, or another database.`,
      );
    }
    const missing = names.filter((name) => numberOf(name) > applied);
    for (const name of missing) {
      await client.query(patiently(await readFile(new URL(name, MIGRATIONS), 'utf8')));
      await client.query(RECORD, [numberOf(name), name]);
    }
    await client.query('COMMIT');
    return { applied: missing, schema };
  } catch (error) {
    await client.query('ROLLBACK').catch(() => {});
    throw error;
  }
}

const numberOf = (name: string): number => Number.parseInt(name, 10);

/** The number of the last migration; a database without any gets the table that records them. */
async function appliedTo(client: pg.ClientBase): Promise<number> {
  const { rows } = await client.query<{ exists: boolean }>(EXISTS);
  if (!rows[0]!.exists) await client.query(CREATE);
  return (await client.query<{ applied: number }>(APPLIED)).rows[0]!.applied;
}

const patiently = (text: string): pg.QueryConfig & pg.ClientConfig => ({ text, query_timeout: TIMEOUT });
