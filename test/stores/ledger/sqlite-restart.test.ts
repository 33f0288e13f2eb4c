// What a start costs must depend on what was running, and not on how much waits or is kept. No time
// is measured: SQLite says how it goes about.

import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { expect, onTestFinished, test } from 'vitest';
import { systemClock } from '../../../src/system/clock.ts';
import { seconds } from '../../../src/domain/time.ts';
import { openDatabase } from '../../../src/stores/ledger/sqlite/open.ts';
import { commitTogether, openStore, type Reply, type Verb } from '../../../src/stores/ledger/sqlite/verbs.ts';
import { batch, call, deployment } from './runs.ts';

/**
 * Walks that are bounded: over the endpoints, over what runs, over what another step has bounded,
 * over a parameter.
 */
const BOUNDED = /^SCAN (?:e$|due$|placed$|json_each |\(subquery|\w+ USING INDEX runs_leased|CONSTANT ROW)/;
/**
 * Its plan holds the check of a foreign key, a walk over all runs, which is made only when a name
 * changes.
 */
const DEPLOY = /^\s*INSERT INTO endpoints/;

/** Statements as they are run. */
function record(db: DatabaseSync): Set<string> {
  const executed = new Set<string>();
  const prepare = db.prepare.bind(db);
  db.prepare = (sql: string): StatementSync => {
    const statement = prepare(sql);
    for (const way of ['run', 'get', 'all'] as const) {
      const execute = statement[way].bind(statement) as unknown as (...values: unknown[]) => unknown;
      const recorded = (...values: unknown[]): unknown => {
        executed.add(sql);
        return execute(...values);
      };
      Object.assign(statement, { [way]: recorded });
    }
    return statement;
  };
  return executed;
}

test('with 100,000 runs queued, a start walks through those that ran alone, and claims no more than it has slots', () => {
  const db = openDatabase(':memory:');
  onTestFinished(() => db.close());
  const executed = record(db);
  const store = openStore(db, 'write');
  const ask = (verb: Verb, ...args: readonly unknown[]): unknown => {
    const [reply] = commitTogether(store, [{ verb, now: systemClock.now(), args }]) as [Reply];
    if (!('value' in reply)) throw new Error(JSON.stringify(reply));
    return reply.value;
  };
  const claim = (owner: string, lane: 'replica' | 'engine', count: number) =>
    ask('claim', {
      version: 1,
      endpoint: 'echo',
      lane,
      slots: Array.from({ length: count }, () => ({ replica: 'r', coldStart: null })),
      alone: true,
      owner,
      lease: seconds(30),
    });
  ask('deploy', deployment({ queueLimit: 1_000_000 }));
  for (let thousand = 0; thousand < 100; thousand += 1)
    ask(
      'enqueue',
      Array.from({ length: 1_000 }, () => call()),
    );
  ask('enqueue', [batch(), batch()]);
  claim('the dead server', 'replica', 8);
  claim('the dead server', 'engine', 1);

  executed.clear();
  ask('deploy', deployment({ queueLimit: 1_000_000 }));
  expect(ask('reclaim', 'the new server')).toHaveLength(9);
  expect(ask('reclaim', 'the new server')).toEqual([]);
  expect(ask('expire')).toEqual([]);
  expect(ask('collect')).toEqual({ runs: 0, blobs: [], logs: [] });
  ask('claimDeliveries', 10, seconds(30));
  expect(ask('depths')).toMatchObject([{ queued: 100_002, running: 0 }]);
  expect(claim('the new server', 'replica', 3)).toHaveLength(3);
  expect(claim('the new server', 'engine', 1)).toHaveLength(1);

  const walks = [...executed]
    .filter((sql) => !DEPLOY.test(sql))
    .flatMap((sql) => db.prepare(`EXPLAIN QUERY PLAN ${sql}`).all() as { detail: string }[])
    .map(({ detail }) => detail)
    .filter((detail) => detail.startsWith('SCAN'));
  expect(walks.length).toBeGreaterThan(0);
  expect(walks.filter((walk) => !BOUNDED.test(walk))).toEqual([]);
});
