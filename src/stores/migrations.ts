// The migrations of a store: numbered files of SQL in a folder, applied in their order and never
// changed afterwards.

import { readdirSync, readFileSync } from 'node:fs';

/** One migration. */
export interface Migration {
  /** Its place in the order, from 1: the schema of a store is the number of its last migration. */
  readonly number: number;
  /** The name of its file: `0001_runs.sql`. */
  readonly name: string;
  readonly sql: string;
}

/** What migrating a store has done. */
export interface Migrated {
  /** Names of the migrations that were applied now, in their order. */
  readonly applied: readonly string[];
  /** The number of the last migration there is. */
  readonly schema: number;
}

/** The migrations in a folder, in their order. */
export function migrationsIn(folder: URL): readonly Migration[] {
  return readdirSync(folder)
    .filter((name) => name.endsWith('.sql'))
    .sort()
    .map((name) => ({
      number: Number.parseInt(name, 10),
      name,
      sql: readFileSync(new URL(name, folder), 'utf8'),
    }));
}

/** The schema that a claimcheck with these migrations writes. */
export const schemaOf = (migrations: readonly Migration[]): number => migrations.at(-1)!.number;

/**
 * Why a store cannot be used whose schema is newer than these migrations, or null if it is not.
 *
 * @param instead what else to do: `choose another folder with --data`
 */
export function whyTooNew(
  place: string,
  applied: number,
  migrations: readonly Migration[],
  instead: string,
): string | null {
  const known = schemaOf(migrations);
  return applied <= known
    ? null
    : `${place} was written by a newer claimcheck (schema ${applied}; this one knows ${known}). Use that version, or ${instead}.`;
}
