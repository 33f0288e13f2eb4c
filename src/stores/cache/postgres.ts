// Answers in the database of the ledger, in a schema of their own: shared by every server that
// works on it, whose clock tells when a claim lapses, so that the servers' own need not agree.

import { type Duration, type Instant, minutes, seconds } from '../../domain/time.ts';
import { type Connections, type Statement, type Writer } from '../postgres/connections.ts';
import type { StoreConnections } from '../postgres/lent-connections.ts';
import { migrationsIn } from '../migrations.ts';
import { openStoreSchema, type StoreSchema } from '../postgres/schema.ts';
import {
  type CacheInfo,
  type CacheKey,
  type CachePlace,
  type CacheStore,
  type Found,
  type ComputedAnswers,
  type Question,
  totalOf,
  usesOf,
  USED_WITHIN_MS,
  type VersionInfo,
} from '../../cache/port.ts';

/** Answers that are forgotten in one transaction. */
const FORGET_MAX = 5_000;
const VACUUM_TIMEOUT: Duration = minutes(10);

const NOW_MS = `(extract(epoch FROM clock_timestamp()) * 1000)::bigint`;
const statement = (name: string, text: string): Statement => ({ name: `claimcheck_cache_${name}`, text });

const PLACE = statement('place', `SELECT place FROM claimcheck_cache.places WHERE tenant = $1 AND endpoint = $2`);
const ADD_PLACE = statement(
  'add_place',
  `INSERT INTO claimcheck_cache.places (tenant, endpoint) VALUES ($1, $2) ON CONFLICT DO NOTHING`,
);
// "before" is how long the answers of the keys before this one are; an answer that is not wanted
// any more is not even read out.
const LOOK = statement(
  'look',
  `
  SELECT at, entry, used_at_ms < ${NOW_MS} - ${USED_WITHIN_MS} AS stale, CASE WHEN before < $4 THEN answer END AS answer FROM (
    SELECT a.at, e.entry, e.used_at_ms, e.answer,
      coalesce(sum(octet_length(e.answer)) OVER (ORDER BY a.at ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0) AS before
    FROM unnest($2::text[]) WITH ORDINALITY AS a(key, at)
    CROSS JOIN LATERAL (
      SELECT entry, used_at_ms, answer FROM claimcheck_cache.entries
      WHERE place = $1 AND key = decode(a.key, 'hex') AND ($3::bigint IS NULL OR version = $3)
      ORDER BY version DESC LIMIT 1
    ) AS e
  ) AS found ORDER BY at`,
);
const USE = statement(
  'use',
  `UPDATE claimcheck_cache.entries SET used_at_ms = ${NOW_MS} WHERE entry = ANY ($1::bigint[])`,
);
// In the order of the keys, so that two that claim the same ones never wait for each other.
const CLAIM = statement(
  'claim',
  `
  INSERT INTO claimcheck_cache.claims AS c (place, key, version, caller, lapses_at_ms)
  SELECT $1, decode(key, 'hex'), $2, $3, ${NOW_MS} + $4 FROM unnest($5::text[]) AS a(key) ORDER BY key
  ON CONFLICT (place, key, version) DO UPDATE SET caller = excluded.caller, lapses_at_ms = excluded.lapses_at_ms
  WHERE c.caller = excluded.caller OR c.lapses_at_ms <= ${NOW_MS}
  RETURNING encode(key, 'hex') AS key`,
);
const COUNT = statement(
  'count',
  `UPDATE claimcheck_cache.places SET hits = hits + $2, misses = misses + $3 WHERE place = $1`,
);
const ADD = statement(
  'add',
  `
  INSERT INTO claimcheck_cache.entries (place, key, version, used_at_ms, answer)
  SELECT $1, decode(key, 'hex'), $2, ${NOW_MS}, answer FROM unnest($3::text[], $4::text[]) AS a(key, answer) ORDER BY key
  ON CONFLICT DO NOTHING RETURNING octet_length(answer) AS bytes`,
);
const TAKE_OUT = statement(
  'take_out',
  `
  DELETE FROM claimcheck_cache.entries
  WHERE place = $1 AND version = $2 AND key IN (SELECT decode(key, 'hex') FROM unnest($3::text[]) AS a(key))
  RETURNING octet_length(answer) AS bytes`,
);
const UNCLAIM = statement(
  'unclaim',
  `
  DELETE FROM claimcheck_cache.claims
  WHERE place = $1 AND caller = $2 AND key IN (SELECT decode(key, 'hex') FROM unnest($3::text[]) AS a(key))`,
);
const ADD_TOTALS = statement(
  'add_totals',
  `
  INSERT INTO claimcheck_cache.totals AS t (place, version, rows, bytes) VALUES ($1, $2, $3, $4)
  ON CONFLICT (place, version) DO UPDATE SET rows = t.rows + excluded.rows, bytes = t.bytes + excluded.bytes`,
);
const RENEW = statement(
  'renew',
  `
  WITH renewed AS (
    UPDATE claimcheck_cache.claims SET lapses_at_ms = ${NOW_MS} + $3 WHERE caller = $2 AND place = $1 RETURNING 1
  ) SELECT count(*) AS renewed FROM renewed`,
);
const RELEASE = statement('release', `DELETE FROM claimcheck_cache.claims WHERE caller = $2 AND place = $1`);
const COUNTS = statement('counts', `SELECT hits, misses FROM claimcheck_cache.places WHERE place = $1`);
const VERSIONS = statement(
  'versions',
  `SELECT version, rows, bytes FROM claimcheck_cache.totals WHERE place = $1 AND rows > 0 ORDER BY version DESC`,
);
const KEYS = statement(
  'keys',
  `SELECT count(*) AS keys FROM (SELECT DISTINCT key FROM claimcheck_cache.entries WHERE place = $1) AS known`,
);
const SOME_OF = (which: string): string => `
  WITH gone AS (
    DELETE FROM claimcheck_cache.entries WHERE entry IN (SELECT entry FROM claimcheck_cache.entries WHERE ${which})
    RETURNING place, version, octet_length(answer) AS bytes
  ) SELECT place, version, count(*) AS rows, sum(bytes)::bigint AS bytes FROM gone GROUP BY place, version ORDER BY place, version`;
const CLEAR = statement('clear', SOME_OF(`place = $1 LIMIT ${FORGET_MAX}`));
const DELETE = statement(
  'delete',
  SOME_OF(`place = $1 AND key IN (SELECT decode(key, 'hex') FROM unnest($2::text[]) AS a(key))`),
);
const EVICT = statement('let_go', SOME_OF(`used_at_ms < $1 LIMIT ${FORGET_MAX}`));
const FORGET_LAPSED = statement('forget_lapsed', `DELETE FROM claimcheck_cache.claims WHERE lapses_at_ms <= ${NOW_MS}`);
const VACUUM: Statement = { name: '', text: 'VACUUM claimcheck_cache.entries', timeout: VACUUM_TIMEOUT };

interface Seen {
  /** Counted from 1. */
  readonly at: number;
  readonly entry: number;
  readonly stale: boolean;
  readonly answer: string | null;
}

/** The schema of the cache. */
export const CACHE_SCHEMA: StoreSchema = {
  name: 'claimcheck_cache',
  migrations: migrationsIn(new URL('./migrations/postgres/', import.meta.url)),
  // The letters "clmk".
  lock: 0x63_6c_6d_6b,
  unrecorded: 'claimcheck_cache.claims',
  // Connections for looks and as many for what is written.
  connectionsMax: 4,
  // How long callers wait while Postgres is away, as the ledger's do.
  patience: seconds(10),
};

/**
 * Opens answers in a Postgres database, and makes their schema `claimcheck_cache` where it is not
 * there.
 *
 * @param url as `openPostgresLedger` takes it
 * @param lender as `openStoreSchema` takes it
 * @throws Error when the database cannot be used: the message says why and what to do
 */
export async function openPostgresCache(url: string, lender: Connections | null = null): Promise<CacheStore> {
  return new PostgresCache(await openStoreSchema(url, CACHE_SCHEMA, lender));
}

class PostgresCache implements CacheStore {
  readonly #connections: StoreConnections;

  constructor(connections: StoreConnections) {
    this.#connections = connections;
  }

  async lookUp(place: CachePlace, question: Question): Promise<readonly Found[]> {
    const id = await this.#placeOf(place);
    const seen = await this.#connections.read<Seen>(LOOK, lookOf(id, question, question.keys));
    const cut = seen.find(({ answer }) => answer === null);
    const found: Found[] = question.keys.slice(0, cut === undefined ? undefined : cut.at - 1).map(() => 'others');
    for (const { at, answer } of seen) if (answer !== null) found[at - 1] = { answer };
    const stale = seen.flatMap(({ stale, entry, answer }) => (stale && answer !== null ? [entry] : []));
    const missing = found.flatMap((one, at) => (one === 'others' ? [at] : []));
    const claimed = await this.#claim(
      id,
      question,
      missing.map((at) => question.keys[at]!),
    );
    for (const at of missing) found[at] = claimed.get(question.keys[at]!) ?? 'others';
    if (stale.length > 0) await this.#connections.untilKnown(() => this.#connections.write(USE, [stale]));
    const { hits, misses } = usesOf(found);
    await this.#connections.untilKnown(() => this.#connections.write(COUNT, [id, hits, misses]));
    return found;
  }

  /**
   * Claims keys, and looks once more: an answer may have come between the look and the claim. What
   * is with others is not in it.
   */
  async #claim(place: number, question: Question, missing: readonly CacheKey[]): Promise<ReadonlyMap<CacheKey, Found>> {
    const found = new Map<CacheKey, Found>();
    if (missing.length === 0) return found;
    const { version, caller, lease } = question;
    const values = [place, version, caller, lease, [...new Set(missing)]];
    const write = (): Promise<{ key: CacheKey }[]> => this.#connections.write(CLAIM, values);
    const mine = (await this.#connections.untilKnown(write)).map(({ key }) => key);
    for (const key of mine) found.set(key, 'mine');
    if (mine.length === 0) return found;
    const seen = await this.#connections.read<Seen>(LOOK, lookOf(place, question, mine));
    // One whose answer is not wanted here any more stays claimed; the next look gives it.
    for (const { at, answer } of seen) if (answer !== null) found.set(mine[at - 1]!, { answer });
    const known = mine.filter((key) => found.get(key) !== 'mine');
    if (known.length > 0)
      await this.#connections.untilKnown(() => this.#connections.write(UNCLAIM, [place, caller, known]));
    return found;
  }

  async keep(place: CachePlace, { version, caller, entries, replaces = false }: ComputedAnswers): Promise<number> {
    const id = await this.#placeOf(place);
    const keys = entries.map(({ key }) => key);
    const answers = entries.map(({ answer }) => answer);
    return this.#connections.untilKnown(() =>
      this.#connections.transaction(async (writer) => {
        const old = replaces ? await writer.write<{ bytes: number }>(TAKE_OUT, [id, version, keys]) : [];
        const added = await writer.write<{ bytes: number }>(ADD, [id, version, keys, answers]);
        await writer.write(UNCLAIM, [id, caller, keys]);
        const rows = added.length - old.length;
        await writer.write(ADD_TOTALS, [id, version, rows, lengthOf(added) - lengthOf(old)]);
        return rows;
      }),
    );
  }

  async renew(place: CachePlace, caller: string, lease: Duration): Promise<number> {
    const values = [await this.#placeOf(place), caller, lease];
    const write = (): Promise<{ renewed: number }[]> => this.#connections.write(RENEW, values);
    return (await this.#connections.untilKnown(write))[0]!.renewed;
  }

  async release(place: CachePlace, caller: string): Promise<void> {
    const values = [await this.#placeOf(place), caller];
    await this.#connections.untilKnown(() => this.#connections.write(RELEASE, values));
  }

  async info(place: CachePlace): Promise<CacheInfo> {
    const id = await this.#placeOf(place);
    const [counts] = await this.#connections.read<{ hits: number; misses: number }>(COUNTS, [id]);
    const versions = await this.#connections.read<VersionInfo>(VERSIONS, [id]);
    // A version has a key once; where there are several, the index over the keys is gone through.
    const known = versions.length > 1 ? await this.#connections.read<{ keys: number }>(KEYS, [id]) : [];
    return { ...totalOf(versions), ...counts!, keys: known[0]?.keys ?? versions[0]?.rows ?? 0, versions };
  }

  async clear(place: CachePlace): Promise<number> {
    const id = await this.#placeOf(place);
    let cleared = 0;
    for (;;) {
      const gone = await this.#forget(CLEAR, [id]);
      if (gone === 0) return cleared;
      cleared += gone;
    }
  }

  async deleteEntries(place: CachePlace, keys: readonly CacheKey[]): Promise<number> {
    return this.#forget(DELETE, [await this.#placeOf(place), keys]);
  }

  async evict(unusedSince: Instant): Promise<number> {
    await this.#connections.untilKnown(() => this.#connections.write(FORGET_LAPSED, []));
    return this.#forget(EVICT, [unusedSince]);
  }

  /** Postgres keeps the room for what comes next, and does not say how much it is. */
  async compact(): Promise<number> {
    await this.#connections.untilKnown(() => this.#connections.write(VACUUM, []));
    return 0;
  }

  close(): Promise<void> {
    return this.#connections.close();
  }

  /** Done again after a lost connection it may answer fewer than there were, which nobody minds. */
  #forget(which: Statement, values: readonly unknown[]): Promise<number> {
    return this.#connections.untilKnown(() =>
      this.#connections.transaction(async (writer: Writer) => {
        const gone = await writer.write<VersionInfo & { readonly place: number }>(which, values);
        for (const { place, version, rows, bytes } of gone)
          await writer.write(ADD_TOTALS, [place, version, -rows, -bytes]);
        return gone.reduce((sum, { rows }) => sum + rows, 0);
      }),
    );
  }

  async #placeOf({ tenant, endpoint }: CachePlace): Promise<number> {
    const read = (): Promise<{ place: number }[]> => this.#connections.read(PLACE, [tenant, endpoint]);
    const [known] = await read();
    if (known !== undefined) return known.place;
    await this.#connections.untilKnown(() => this.#connections.write(ADD_PLACE, [tenant, endpoint]));
    return (await read())[0]!.place;
  }
}

const lookOf = (place: number, { version, anyVersion, bytesMax }: Question, keys: readonly CacheKey[]): unknown[] => [
  place,
  keys,
  anyVersion ? null : version,
  bytesMax,
];

const lengthOf = (answers: readonly { readonly bytes: number }[]): number =>
  answers.reduce((sum, { bytes }) => sum + bytes, 0);
