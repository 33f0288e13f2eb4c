// The ledger drivers as suites open them: on an empty store, with a hand on its time. A suite takes
// a `DriverUnderTest`, and a test file of each driver calls it.

import pg from 'pg';
import type { Duration, Moment } from '../../../src/domain/time.ts';
import type { Ledger } from '../../../src/stores/ledger/ledger.ts';
import { openPostgresLedger } from '../../../src/stores/ledger/postgres/driver.ts';
import { openSqliteLedger } from '../../../src/stores/ledger/sqlite/driver.ts';
import { type PostgresServer, stopTime } from '../../support/postgres.ts';
import { ManualClock } from './manual-clock.ts';

/** A ledger on a store of its own. */
export interface OpenedLedger {
  readonly ledger: Ledger;
  readonly clock: ManualClock;
  /** Where its store is, to look at it from outside; empty where it is in memory. */
  readonly url: string;
  /** Moves the time of the ledger and of the clock. */
  advance(by: Duration): Promise<void>;
  /**
   * Another server's ledger on the same store; the same ledger where a store has one server at a
   * time.
   */
  another(): Promise<Ledger>;
  /** Closes what was opened here. */
  close(): Promise<void>;
}

/** A driver that can be opened as often as a suite likes. */
export interface DriverUnderTest {
  readonly name: 'SQLite' | 'Postgres';
  open(): Promise<OpenedLedger>;
}

/** SQLite, in memory. */
export const SQLITE: DriverUnderTest = {
  name: 'SQLite',
  async open() {
    const clock = new ManualClock();
    const ledger = await openSqliteLedger(':memory:', clock);
    return {
      ledger,
      clock,
      url: '',
      advance: async (by) => clock.advance(by),
      another: async () => ledger,
      close: () => ledger.close(),
    };
  },
};

/**
 * Postgres, on a server that `server` answers once it runs; databases are used again, emptied,
 * because making one takes a tenth of a second.
 */
export function postgres(server: () => PostgresServer): DriverUnderTest {
  const free: string[] = [];
  return {
    name: 'Postgres',
    async open() {
      const clock = new ManualClock();
      const used = free.pop();
      const url = used ?? (await server().newDatabase());
      const steady = (): Moment => clock.steady();
      const ledgers = [await openPostgresLedger(url, { steady })];
      if (used === undefined) await stopTime(url, clock.now());
      // Kept open, because time is moved more often than anything else is done.
      const beside = new pg.Client({ connectionString: url });
      await beside.connect();
      const moveTime = () => beside.query('UPDATE test_time SET now_ms = $1', [clock.now()]);
      await moveTime();
      // Time was another when it was opened.
      await ledgers[0]!.check();
      return {
        ledger: ledgers[0]!,
        clock,
        url,
        async advance(by) {
          clock.advance(by);
          await moveTime();
        },
        async another() {
          const other = await openPostgresLedger(url, { steady });
          ledgers.push(other);
          return other;
        },
        async close() {
          await Promise.all(ledgers.map((one) => one.close()));
          await beside.query(EMPTY);
          await beside.end();
          free.push(url);
        },
      };
    },
  };
}

/** Deletes every row but those that say which ledger it is, and which migrations were applied. */
const EMPTY = `
  DO $$ DECLARE names TEXT; BEGIN
    SELECT string_agg(format('claimcheck.%I', tablename), ', ') INTO names
    FROM pg_tables WHERE schemaname = 'claimcheck' AND tablename NOT IN ('migrations', 'identity');
    EXECUTE 'TRUNCATE ' || names;
  END $$`;
