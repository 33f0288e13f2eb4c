// The connections to Postgres: what is done when one of them is lost, and when Postgres undoes a
// transaction by itself.

import { setTimeout as pause } from 'node:timers/promises';
import type pg from 'pg';
import { type Backoff, pauseOf } from '../../domain/backoff.ts';
import { StorageFull } from '../../domain/errors.ts';
import { steadyNow } from '../../system/clock.ts';
import { driverFor } from './driver.ts';
import {
  type Duration,
  elapsed,
  inSeconds,
  type Instant,
  instant,
  milliseconds,
  type Moment,
  seconds,
} from '../../domain/time.ts';
import {
  isConnectionLost,
  isDiskFull,
  isTroubleOfPostgres,
  isUndone,
  notOpened,
  OutcomeUnknown,
  placeOf,
  Unreachable,
  wasNeverSent,
} from './errors.ts';
import { Silence } from './silence.ts';

/** A statement of the ledger. */
export interface Statement {
  /** What a connection keeps the parsed statement under; empty for one that is not kept. */
  readonly name: string;
  readonly text: string;
  /** How long to wait for its answer, where that is not a matter of milliseconds. */
  readonly timeout?: Duration;
}

/** Writes by a statement: in the transaction it belongs to, or in one of the statement's own. */
export interface Writer {
  write<Row>(statement: Statement, values: readonly unknown[]): Promise<Row[]>;
}

/** How the connections are made. */
export interface ConnectionOptions {
  /** Connections for writing and as many for reading, so that neither waits for the other. */
  readonly connectionsMax: number;
  /**
   * How long a call waits for Postgres to come back, in all, before it is told that it is not
   * there. What makes several calls does not wait several times: once Postgres is known to have
   * said nothing for so long, nobody waits until it speaks.
   */
  readonly patience: Duration;
}

/** How often a transaction that Postgres has undone is tried again. */
const TRIES_MAX = 10;
const PAUSES: Backoff = { first: milliseconds(25), max: milliseconds(1_000) };
/** How long to wait for a connection to be made, and for one of the pool's to be free. */
const CONNECT_TIMEOUT = milliseconds(5_000);
/**
 * A statement takes milliseconds; one that takes this long has lost its connection without a word.
 */
const STATEMENT_TIMEOUT = milliseconds(60_000);

/**
 * How long a connection keeps the plans of its statements, in milliseconds. Planning every time
 * took half of Postgres' time, but a plan lasts until somebody analyzes the tables: one made for an
 * empty queue would walk the whole of a long one for every row of a group.
 */
const PLANS_KEPT_MS = 1_000;
const PLAN_ANEW = 'DISCARD PLANS';

// A transaction that waited for a lock must then see what the other did, and every guard counts on
// that; a stricter level would refuse instead. Planning for the values at hand took half as long
// again as a claim.
const ON_CONNECT = `
  SET default_transaction_isolation = 'read committed'; SET plan_cache_mode = force_generic_plan; SET jit = off`;
// A server that is stopped in the middle of a transaction must not hold its rows for good.
const BEGIN = `BEGIN; SET LOCAL idle_in_transaction_session_timeout = '15s'`;

/**
 * Connections to a database, made when they are needed.
 *
 * @param options 8 connections for writing and 8 for reading unless told, and 10 s of patience,
 *   which a restart or a failover may take
 * @throws Error when the URL is none of a database, or the package `pg` is not installed
 */
export async function connect(url: string, options: Partial<ConnectionOptions> = {}): Promise<Connections> {
  const { connectionsMax = 8, patience = seconds(10) } = options;
  return new Connections(await driverFor(url), url, { connectionsMax, patience });
}

/**
 * Does some work with one connection, made as all others are, and closes it afterwards.
 *
 * @throws Error when the database cannot be reached, or the work fails: the message says why
 */
export async function withConnection<Result>(
  url: string,
  work: (client: pg.ClientBase) => Promise<Result>,
): Promise<Result> {
  const connections = await connect(url);
  try {
    return await connections.first(work);
  } catch (error) {
    throw notOpened(error, url);
  } finally {
    await connections.close();
  }
}

/** See the head of this file. */
export class Connections implements Writer {
  readonly #url: string;
  readonly #patience: Duration;
  readonly #readers: pg.Pool;
  readonly #writers: pg.Pool;
  /** When a connection made its plans, by performance.now(). */
  readonly #plannedAtMs = new WeakMap<pg.PoolClient, number>();
  /** Connections that somebody uses. */
  readonly #lent = new Set<pg.PoolClient>();
  readonly #silence: Silence;
  #commits = 0;
  /** Calls that have not been answered. */
  #underway = 0;
  #whenIdle: (() => void)[] = [];

  constructor(driver: typeof pg, url: string, { connectionsMax, patience }: ConnectionOptions) {
    this.#url = url;
    this.#patience = patience;
    const ask = (): Promise<void> => this.#underwayWhile(() => this.#question(askAnything)).then(doNothing, doNothing);
    this.#silence = new Silence({ ask, patience, endWaits: () => this.#cut() });
    this.#readers = openPool(driver, url, connectionsMax);
    this.#writers = openPool(driver, url, connectionsMax);
  }

  /** How long a call waits; see `ConnectionOptions`. */
  get patience(): Duration {
    return this.#patience;
  }

  /** Where the database is, for people; without its password. */
  get place(): string {
    return placeOf(this.#url);
  }

  /** Transactions that were committed. */
  get commits(): number {
    return this.#commits;
  }

  /** Lends the first connection, without patience, so that a wrong URL is told at once. */
  async first<Result>(work: (client: pg.PoolClient) => Promise<Result>): Promise<Result> {
    const client = await this.#writers.connect();
    try {
      return await work(client);
    } finally {
      client.release();
    }
  }

  /**
   * Asks for the time, without patience.
   *
   * @throws Unreachable
   */
  async ask(): Promise<Instant> {
    try {
      return await this.#underwayWhile(() => this.#question(askTime));
    } catch (error) {
      throw this.#asTrouble(error);
    }
  }

  /** Reads; where the connection is lost, it is asked again on another. */
  read<Row>(statement: Statement, values: readonly unknown[]): Promise<Row[]> {
    return this.#untilDone((begin) =>
      this.#with(this.#readers, begin, async (client) => {
        await this.#forgetOldPlans(client);
        return ask<Row>(client, statement, values);
      }),
    );
  }

  /**
   * Writes by one statement that is a transaction of its own: one round trip, and its locks are
   * held no longer than its commit takes.
   *
   * @throws OutcomeUnknown when the connection is lost before the answer is there
   * @throws StorageFull when Postgres has no room for it
   */
  async write<Row>(statement: Statement, values: readonly unknown[]): Promise<Row[]> {
    const rows = await this.#untilDone((begin) =>
      this.#with(this.#writers, begin, async (client) => {
        await this.#forgetOldPlans(client);
        return ask<Row>(client, statement, values).catch((error: unknown) => {
          throw this.#asUnknown(error);
        });
      }),
    );
    this.#commits += 1;
    return rows;
  }

  /**
   * Does a write that may as well be done twice: where nobody knows whether it was done, it is done
   * again.
   */
  async untilKnown<Result>(write: () => Promise<Result>): Promise<Result> {
    const begin = steadyNow();
    for (let tries = 1; ; tries += 1) {
      try {
        return await write();
      } catch (error) {
        if (!(error instanceof OutcomeUnknown) || tries >= TRIES_MAX || this.#isPatienceOver(begin)) throw error;
      }
    }
  }

  /**
   * Writes by several statements. `work` may be called again, so it changes nothing but through its
   * transaction.
   *
   * @throws OutcomeUnknown when the connection is lost during the commit
   * @throws StorageFull when Postgres has no room for it
   */
  async transaction<Result>(work: (writer: Writer) => Promise<Result>): Promise<Result> {
    const result = await this.#untilDone((begin) =>
      this.#with(this.#writers, begin, async (client) => {
        await this.#forgetOldPlans(client);
        await client.query(BEGIN);
        const done = await work({ write: (statement, values) => ask(client, statement, values) }).catch(
          async (error: unknown) => {
            await client.query('ROLLBACK').catch(() => {});
            throw error;
          },
        );
        await client.query('COMMIT').catch((error: unknown) => {
          throw this.#asUnknown(error);
        });
        return done;
      }),
    );
    this.#commits += 1;
    return result;
  }

  /** Resolves when nothing is under way. */
  async idle(): Promise<void> {
    if (this.#underway > 0) await new Promise<void>((resolve) => this.#whenIdle.push(resolve));
  }

  /** Waits for what is under way, then closes every connection. */
  async close(): Promise<void> {
    // The pools would never serve a call that still waits for a connection.
    await this.idle();
    this.#silence.stop();
    await Promise.all([this.#readers.end(), this.#writers.end()]);
  }

  /** Counts what has not been answered. */
  async #underwayWhile<Result>(work: () => Promise<Result>): Promise<Result> {
    this.#underway += 1;
    this.#silence.begin();
    try {
      return await work();
    } finally {
      this.#underway -= 1;
      if (this.#underway === 0) {
        this.#silence.end();
        for (const resolve of this.#whenIdle.splice(0)) resolve();
      }
    }
  }

  /**
   * Tries again what was certainly not done: Postgres has undone it, or the connection was lost
   * before anything was committed, and patience has not ended since.
   */
  #untilDone<Result>(attempt: (begin: Moment) => Promise<Result>): Promise<Result> {
    return this.#underwayWhile(async () => {
      const begin = steadyNow();
      for (let tries = 1; ; tries += 1) {
        try {
          return await attempt(begin);
        } catch (error) {
          if (isDiskFull(error)) throw this.#asFull(error);
          const mayBeDone = isUndone(error) || (isConnectionLost(error) && !this.#isPatienceOver(begin));
          if (!mayBeDone || tries >= TRIES_MAX) throw this.#asTrouble(error);
        }
      }
    });
  }

  /** Asks at once, however long Postgres has said nothing, and remembers whether an answer came. */
  async #question<Answer>(ask: (client: pg.PoolClient) => Promise<Answer>): Promise<Answer> {
    const askedAt = steadyNow();
    try {
      return await this.#lend(await this.#readers.connect(), ask);
    } catch (error) {
      // An error of its own is an answer.
      if (isConnectionLost(error)) this.#silence.unanswered(askedAt);
      else this.#silence.heard();
      throw error;
    }
  }

  async #with<Result>(pool: pg.Pool, begin: Moment, work: (client: pg.PoolClient) => Promise<Result>): Promise<Result> {
    return this.#lend(await this.#take(pool, begin), work);
  }

  async #lend<Result>(client: pg.PoolClient, work: (client: pg.PoolClient) => Promise<Result>): Promise<Result> {
    this.#lent.add(client);
    try {
      const result = await work(client);
      this.#silence.heard();
      client.release();
      return result;
    } catch (error) {
      const broken = error instanceof OutcomeUnknown || isConnectionLost(error);
      client.release(broken);
      throw error;
    } finally {
      this.#lent.delete(client);
    }
  }

  /**
   * Ends the connections that somebody waits at: their statements fail as those of any connection
   * that is lost.
   */
  #cut(): void {
    for (const client of this.#lent) void (client as pg.PoolClient & pg.Client).end().catch(() => {});
  }

  async #take(pool: pg.Pool, begin: Moment): Promise<pg.PoolClient> {
    for (let failures = 0; ; failures += 1) {
      this.#assertNotSilent();
      try {
        return await pool.connect();
      } catch (cause) {
        if (!isConnectionLost(cause) || this.#isPatienceOver(begin))
          throw new Unreachable(notOpened(cause, this.#url).message, { cause });
      }
      await pause(pauseOf(PAUSES, failures));
    }
  }

  /** @throws Unreachable where Postgres has said nothing for as long as anybody waits */
  #assertNotSilent(): void {
    const { tooLong } = this.#silence;
    if (tooLong === null) return;
    const lasts = Math.round(inSeconds(tooLong));
    throw new Unreachable(`Postgres at ${placeOf(this.#url)} has not answered for ${lasts} s.`);
  }

  #isPatienceOver(begin: Moment): boolean {
    return elapsed(this.#silence.patientSince(begin), steadyNow()) >= this.#patience;
  }

  async #forgetOldPlans(client: pg.PoolClient): Promise<void> {
    const nowMs = performance.now();
    const plannedAtMs = this.#plannedAtMs.get(client);
    if (plannedAtMs !== undefined && nowMs - plannedAtMs < PLANS_KEPT_MS) return;
    this.#plannedAtMs.set(client, nowMs);
    if (plannedAtMs !== undefined) await client.query(PLAN_ANEW);
  }

  #asFull(cause: unknown): StorageFull {
    return new StorageFull(`Postgres at ${placeOf(this.#url)} has no room left on its disk.`, { cause });
  }

  /**
   * An error of Postgres for its caller: trouble of the store, unless it speaks of what was
   * asked.
   */
  #asTrouble(cause: unknown): unknown {
    if (!isTroubleOfPostgres(cause)) return cause;
    const why = cause instanceof Error ? cause.message : String(cause);
    return new Unreachable(`Postgres at ${placeOf(this.#url)} does not do what it is asked for: ${why}`, { cause });
  }

  /**
   * What a failed commit says of itself: a lost connection leaves it open whether anything was
   * done, unless nothing was ever sent.
   */
  #asUnknown(cause: unknown): unknown {
    if (!isConnectionLost(cause) || wasNeverSent(cause)) return cause;
    const what = 'was lost in the middle of a write; whether it was done is not known.';
    return new OutcomeUnknown(`The connection to Postgres at ${placeOf(this.#url)} ${what}`, { cause });
  }
}

const doNothing = (): void => {};

function openPool(driver: typeof pg, url: string, max: number): pg.Pool {
  const pool = new driver.Pool({
    connectionString: url,
    max,
    fallback_application_name: 'claimcheck',
    keepAlive: true,
    connectionTimeoutMillis: CONNECT_TIMEOUT,
    query_timeout: STATEMENT_TIMEOUT,
    onConnect: (client) => client.query(within(CONNECT_TIMEOUT, ON_CONNECT)),
    types: {
      // Every BIGINT of the ledger is a count or a time in milliseconds, far below 2^53.
      getTypeParser: ((oid, format) =>
        oid === driver.types.builtins.INT8
          ? Number
          : driver.types.getTypeParser(oid, format)) as typeof driver.types.getTypeParser,
    },
  });
  // An 'error' event that nobody hears would end the process. The user of the connection gets the
  // error from its statement.
  pool.on('error', () => {});
  pool.on('connect', (client) => client.on('error', () => {}));
  return pool;
}

/** How long Postgres may take to answer what it need not look up. */
const QUESTION_TIMEOUT = seconds(3);
const TIME = 'SELECT claimcheck.now_ms() AS now_ms';
const ANYTHING = 'SELECT 1';

async function askTime(client: pg.PoolClient): Promise<Instant> {
  return instant((await client.query<{ now_ms: number }>(within(QUESTION_TIMEOUT, TIME))).rows[0]!.now_ms);
}

const askAnything = (client: pg.PoolClient): Promise<unknown> => client.query(within(QUESTION_TIMEOUT, ANYTHING));

/** A statement that is waited for so long: the types of pg know of no such limit. */
const within = (timeout: Duration, text: string): pg.QueryConfig & { readonly query_timeout: number } => ({
  text,
  query_timeout: timeout,
});

async function ask<Row>(
  client: pg.PoolClient,
  { name, text, timeout = STATEMENT_TIMEOUT }: Statement,
  values: readonly unknown[],
): Promise<Row[]> {
  const query = { name, text, values: values.map(withoutNul), query_timeout: timeout };
  return (await client.query(query)).rows as Row[];
}

/**
 * Postgres keeps no U+0000 in a text, and a model's last words may hold one: it becomes U+FFFD
 * rather than an error.
 */
function withoutNul(value: unknown): unknown {
  if (typeof value === 'string') return value.includes('\0') ? value.replaceAll('\0', '\u{FFFD}') : value;
  return Array.isArray(value) ? value.map(withoutNul) : value;
}
