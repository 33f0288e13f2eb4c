// Answers in an SQLite file that several processes may have open at once. A server has it in a
// thread of its own (thread.ts), a program that uses the SDK in its own.
//
// Not as durable as the ledger, on purpose: after a power cut the last answers may be gone, and are
// computed again.

import type { DatabaseSync, StatementSync } from 'node:sqlite';
import type { Clock } from '../../system/clock.ts';
import { StorageFull } from '../../domain/errors.ts';
import { after, type Duration, type Instant } from '../../domain/time.ts';
import { failureOf } from '../sqlite/failures.ts';
import { Query } from '../sqlite/query.ts';
import { openStoreFile } from '../sqlite/file.ts';
import { transaction } from '../sqlite/transaction.ts';
import { CACHE_FILE, type Totals, totalsOf } from './sqlite-file.ts';
import {
  type CacheInfo,
  type CacheKey,
  type CachePlace,
  type CacheStore,
  type Found,
  type ComputedAnswers,
  type Question,
  totalOf,
  USED_WITHIN_MS,
  usesOf,
  type VersionInfo,
} from '../../cache/port.ts';

/** Answers that are forgotten in one transaction, so that others get their turn in between. */
const FORGET_MAX = 5_000;
/** Pages that are given back to the disk in one transaction. */
const VACUUM_PAGES = 4_096;

const ADD_PLACE = `INSERT INTO places (tenant, endpoint) VALUES ($tenant, $endpoint) ON CONFLICT DO NOTHING`;
const PLACE = `SELECT place FROM places WHERE tenant = $tenant AND endpoint = $endpoint`;
const COUNT = `UPDATE places SET hits = hits + $hits, misses = misses + $misses WHERE place = $place`;
const COUNTS = `SELECT hits, misses FROM places WHERE place = $place`;
const VERSIONS = `SELECT version, rows, bytes FROM totals WHERE place = $place AND rows > 0 ORDER BY version DESC`;
const KEYS = `SELECT count(*) AS keys FROM (SELECT DISTINCT key FROM entries WHERE place = $place)`;
const ADD_TOTALS = `
  INSERT INTO totals (place, version, rows, bytes) VALUES ($place, $version, $rows, $bytes)
  ON CONFLICT (place, version) DO UPDATE SET rows = rows + excluded.rows, bytes = bytes + excluded.bytes`;
// The parameters of what is done once for every key have no names: looking names up took half as
// long again.
const ENTRY = `
  SELECT entry, answer, used_at_ms FROM entries WHERE place = ? AND key = ? AND version = ?`;
const NEWEST_ENTRY = `
  SELECT entry, answer, used_at_ms FROM entries WHERE place = ? AND key = ? AND version >= ?
  ORDER BY version DESC LIMIT 1`;
const USE = `UPDATE entries SET used_at_ms = ? WHERE entry = ?`;
const CLAIM = `
  INSERT INTO claims (place, key, version, caller, lapses_at_ms) VALUES (?, ?, ?, ?, ?)
  ON CONFLICT (place, key, version) DO UPDATE SET caller = excluded.caller, lapses_at_ms = excluded.lapses_at_ms
  WHERE caller = excluded.caller OR lapses_at_ms <= ?`;
const ADD = `
  INSERT INTO entries (place, key, version, answer, used_at_ms) VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`;
const TAKE_OUT = `
  DELETE FROM entries WHERE place = $place AND key = $key AND version = $version RETURNING octet_length(answer) AS bytes`;
const UNCLAIM = `DELETE FROM claims WHERE place = ? AND key = ? AND caller = ?`;
const RENEW = `UPDATE claims SET lapses_at_ms = $lapsesAt WHERE caller = $caller AND place = $place`;
const RELEASE = `DELETE FROM claims WHERE caller = $caller AND place = $place`;
const GONE = `RETURNING place, version, octet_length(answer) AS bytes`;
const CLEAR = `DELETE FROM entries WHERE entry IN (SELECT entry FROM entries WHERE place = $place LIMIT ${FORGET_MAX}) ${GONE}`;
const DELETE = `DELETE FROM entries WHERE place = $place AND key = $key ${GONE}`;
const EVICT = `
  DELETE FROM entries WHERE entry IN (SELECT entry FROM entries WHERE used_at_ms < $unusedSince LIMIT ${FORGET_MAX}) ${GONE}`;
const FORGET_LAPSED = `DELETE FROM claims WHERE lapses_at_ms <= $now`;

interface Entry {
  readonly entry: number;
  readonly answer: string;
  readonly used_at_ms: number;
}

/**
 * Opens answers in a file, which is made for this user alone where it is not there.
 *
 * @param ledger as `openStoreFile` takes it
 * @throws Error when the file lies on another machine, is no cache, or was written by a newer
 *   claimcheck
 */
export function openSqliteCache(file: string, clock: Clock, ledger: string | null = null): CacheStore {
  return new SqliteCache(openStoreFile(file, CACHE_FILE, ledger), clock);
}

const bytesOf = (key: CacheKey): Uint8Array => Buffer.from(key, 'hex');

class SqliteCache implements CacheStore {
  readonly #db: DatabaseSync;
  readonly #clock: Clock;
  readonly #statements;

  constructor(db: DatabaseSync, clock: Clock) {
    this.#db = db;
    this.#clock = clock;
    this.#statements = prepareStatements(db);
  }

  async lookUp(place: CachePlace, question: Question): Promise<readonly Found[]> {
    const id = this.#placeOf(place);
    // In one transaction, or SQLite would look for what others have written before every single
    // key, which took twice the time.
    const { found, missing, stale } = this.#transaction('BEGIN', () => this.#look(id, question));
    const now = this.#clock.now();
    this.#transaction('BEGIN IMMEDIATE', () => {
      for (const at of missing) found[at] = this.#claim(id, question, question.keys[at]!, now);
      for (const entry of stale) this.#statements.use.run(now, entry);
      this.#statements.count.run({ place: id, ...usesOf(found) });
    });
    return found;
  }

  /**
   * What is there, seen without holding anybody up; what is not there is marked with `others` for
   * the moment.
   */
  #look(place: number, { keys, version, anyVersion, bytesMax }: Question) {
    const found: Found[] = [];
    const missing: number[] = [];
    const stale: number[] = [];
    const usedBefore = this.#clock.now() - USED_WITHIN_MS;
    const statement = anyVersion ? this.#statements.newestEntry : this.#statements.entry;
    let length = 0;
    for (const key of keys) {
      if (length >= bytesMax) break;
      const entry = find(statement, [place, bytesOf(key), anyVersion ? 0 : version]);
      if (entry === undefined) missing.push(found.push('others') - 1);
      else {
        length += Buffer.byteLength(entry.answer);
        found.push({ answer: entry.answer });
        if (entry.used_at_ms < usedBefore) stale.push(entry.entry);
      }
    }
    return { found, missing, stale };
  }

  /** Looks once more, since an answer may have come between the look and the right to write. */
  #claim(place: number, { version, anyVersion, caller, lease }: Question, key: CacheKey, now: Instant): Found {
    const statement = anyVersion ? this.#statements.newestEntry : this.#statements.entry;
    const bytes = bytesOf(key);
    const entry = find(statement, [place, bytes, anyVersion ? 0 : version]);
    if (entry !== undefined) return { answer: entry.answer };
    const { changes } = this.#statements.claim.run(place, bytes, version, caller, after(now, lease), now);
    return changes === 1 ? 'mine' : 'others';
  }

  async keep(place: CachePlace, { version, caller, entries, replaces = false }: ComputedAnswers): Promise<number> {
    const id = this.#placeOf(place);
    const now = this.#clock.now();
    let [rows, bytes] = [0, 0];
    this.#transaction('BEGIN IMMEDIATE', () => {
      for (const { key, answer } of entries) {
        const blob = bytesOf(key);
        const old = replaces ? this.#statements.takeOut.first({ place: id, key: blob, version }) : undefined;
        if (old !== undefined) {
          rows -= 1;
          bytes -= old.bytes;
        }
        if (this.#statements.add.run(id, blob, version, answer, now).changes === 1) {
          rows += 1;
          bytes += Buffer.byteLength(answer);
        }
        this.#statements.unclaim.run(id, blob, caller);
      }
      this.#statements.addTotals.run({ place: id, version, rows, bytes });
    });
    return rows;
  }

  async renew(place: CachePlace, caller: string, lease: Duration): Promise<number> {
    const lapsesAt = after(this.#clock.now(), lease);
    return Number(this.#statements.renew.run({ caller, place: this.#placeOf(place), lapsesAt }).changes);
  }

  async release(place: CachePlace, caller: string): Promise<void> {
    this.#statements.release.run({ caller, place: this.#placeOf(place) });
  }

  async info(place: CachePlace): Promise<CacheInfo> {
    const id = { place: this.#placeOf(place) };
    const versions = this.#statements.versions.all(id).map((one) => ({ ...one }));
    // A version has a key once; where there are several, the index over the keys is gone through.
    const keys = versions.length > 1 ? this.#statements.keys.only(id).keys : (versions[0]?.rows ?? 0);
    return { ...totalOf(versions), ...this.#statements.counts.only(id), keys, versions };
  }

  async clear(place: CachePlace): Promise<number> {
    const id = this.#placeOf(place);
    let cleared = 0;
    for (;;) {
      const gone = this.#forget(() => this.#statements.clear.all({ place: id }));
      if (gone === 0) return cleared;
      cleared += gone;
    }
  }

  async deleteEntries(place: CachePlace, keys: readonly CacheKey[]): Promise<number> {
    const id = this.#placeOf(place);
    return this.#forget(() => keys.flatMap((key) => this.#statements.delete.all({ place: id, key: bytesOf(key) })));
  }

  async evict(unusedSince: Instant): Promise<number> {
    this.#statements.forgetLapsed.run({ now: this.#clock.now() });
    return this.#forget(() => this.#statements.evict.all({ unusedSince }));
  }

  async compact(): Promise<number> {
    const pageBytes = this.#pragma('page_size');
    const pages = this.#pragma('page_count');
    for (let left = this.#pragma('freelist_count'); left > 0; left = this.#pragma('freelist_count')) {
      this.#db.exec(`PRAGMA incremental_vacuum(${VACUUM_PAGES})`);
      // Others may fill the file faster than it is emptied.
      if (this.#pragma('freelist_count') >= left) break;
    }
    this.#db.exec('PRAGMA wal_checkpoint(TRUNCATE)');
    return Math.max(0, pages - this.#pragma('page_count')) * pageBytes;
  }

  async close(): Promise<void> {
    this.#db.close();
  }

  #forget(work: () => Totals[]): number {
    return this.#transaction('BEGIN IMMEDIATE', () => {
      const gone = work();
      for (const one of totalsOf(gone)) this.#statements.addTotals.run({ ...one });
      return gone.length;
    });
  }

  #placeOf({ tenant, endpoint }: CachePlace): number {
    const known = this.#statements.place.first({ tenant, endpoint });
    if (known !== undefined) return known.place;
    this.#statements.addPlace.run({ tenant, endpoint });
    return this.#statements.place.only({ tenant, endpoint }).place;
  }

  #pragma(name: 'page_size' | 'page_count' | 'freelist_count'): number {
    return (this.#db.prepare(`PRAGMA ${name}`).get() as Record<string, number>)[name]!;
  }

  #transaction<Result>(begin: 'BEGIN' | 'BEGIN IMMEDIATE', work: () => Result): Result {
    try {
      return transaction(this.#db, work, begin);
    } catch (cause) {
      if (failureOf(cause) !== 'full') throw cause;
      throw new StorageFull('The disk has no room left for the cache; nothing was written.', { cause });
    }
  }
}

type EntryValues = readonly [place: number, key: Uint8Array, version: number];

const find = (statement: StatementSync, values: EntryValues): Entry | undefined =>
  statement.get(...values) as Entry | undefined;

function prepareStatements(db: DatabaseSync) {
  return {
    addPlace: db.prepare(ADD_PLACE),
    place: new Query<{ readonly place: number }>(db, PLACE),
    count: db.prepare(COUNT),
    counts: new Query<{ readonly hits: number; readonly misses: number }>(db, COUNTS),
    versions: new Query<VersionInfo>(db, VERSIONS),
    keys: new Query<{ readonly keys: number }>(db, KEYS),
    addTotals: db.prepare(ADD_TOTALS),
    entry: db.prepare(ENTRY),
    newestEntry: db.prepare(NEWEST_ENTRY),
    use: db.prepare(USE),
    claim: db.prepare(CLAIM),
    add: db.prepare(ADD),
    takeOut: new Query<{ readonly bytes: number }>(db, TAKE_OUT),
    unclaim: db.prepare(UNCLAIM),
    renew: db.prepare(RENEW),
    release: db.prepare(RELEASE),
    clear: new Query<Totals>(db, CLEAR),
    delete: new Query<Totals>(db, DELETE),
    evict: new Query<Totals>(db, EVICT),
    forgetLapsed: db.prepare(FORGET_LAPSED),
  };
}
