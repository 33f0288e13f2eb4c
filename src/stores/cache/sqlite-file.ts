// What a file with answers is made of.

import { migrationsIn } from '../migrations.ts';
import type { StoreFile } from '../sqlite/file.ts';

/** The file of a cache. */
export const CACHE_FILE: StoreFile = {
  what: 'a cache',
  // The letters "clmk".
  applicationId: 0x63_6c_6d_6b,
  migrations: migrationsIn(new URL('./migrations/sqlite/', import.meta.url)),
  settings: [
    // Lets pages be given back without writing the whole file again.
    'auto_vacuum = INCREMENTAL',
    'journal_mode = WAL',
    'synchronous = NORMAL',
    'cache_size = -65536',
    'temp_store = MEMORY',
  ],
  // Each write takes well under a second.
  busyTimeoutMs: 30_000,
  instead: 'name another file',
  checks: [
    `SELECT 'an answer of ' || p.endpoint || ' version ' || e.version || ' is no JSON' AS place FROM entries e JOIN places p ON p.place = e.place
     WHERE NOT json_valid(e.answer)`,
    `SELECT 'an answer under a key of ' || octet_length(key) || ' bytes' AS place FROM entries WHERE octet_length(key) <> 16`,
    `SELECT 'answers that belong to no endpoint' AS place FROM entries e WHERE NOT EXISTS (SELECT 1 FROM places p WHERE p.place = e.place) LIMIT 1`,
    `SELECT 'the totals of ' || coalesce(p.endpoint, 'no endpoint') || ' version ' || t.version || ' are ' || t.rows || ' answers; there are ' || count(e.entry) AS place
     FROM totals t LEFT JOIN places p ON p.place = t.place LEFT JOIN entries e ON e.place = t.place AND e.version = t.version
     GROUP BY t.place, t.version HAVING count(e.entry) <> t.rows OR coalesce(sum(octet_length(e.answer)), 0) <> t.bytes`,
    `SELECT 'the totals of ' || count(*) || ' answers are missing' AS place FROM entries e
     WHERE NOT EXISTS (SELECT 1 FROM totals t WHERE t.place = e.place AND t.version = e.version) HAVING count(*) > 0`,
  ],
  remedy: 'What it holds can be computed again: remove it, or name another file.',
};

/** Answers of one version of one place that have gone: one of them, or the sum of several. */
export interface Totals {
  readonly place: number;
  readonly version: number;
  readonly bytes: number;
}

/** What answers that have gone take from the totals, by place and version. */
export function totalsOf(gone: readonly Totals[]): { place: number; version: number; rows: number; bytes: number }[] {
  const sums = new Map<string, { place: number; version: number; rows: number; bytes: number }>();
  for (const { place, version, bytes } of gone) {
    const name = `${place} ${version}`;
    const sum = sums.get(name) ?? { place, version, rows: 0, bytes: 0 };
    sum.rows -= 1;
    sum.bytes -= bytes;
    sums.set(name, sum);
  }
  return [...sums.values()];
}
