// Rows that a disk has changed, or somebody who wrote into the database: they are nobody's harm but
// their own. A driver's test file only says how its ledger is opened, and how its store is written
// into.

import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { RunId } from '../../../src/domain/ids.ts';
import { seconds } from '../../../src/domain/time.ts';
import type { ClaimedRun, Ledger } from '../../../src/stores/ledger/ledger.ts';
import { TEXT_PROMISE } from '../../../src/stores/ledger/record-promises.ts';
import { call, deployment, inline } from './runs.ts';

/** What a list of events may have become. */
const NO_LISTS = [
  '["run.succeeded","run.fai',
  '',
  'null',
  '"run.failed"',
  '{"run.failed":1,"run.succeeded":1,"run.cancelled":1}',
  '["run.succeeded","run.failed","run.cancelled",7]',
  String.raw`["run.succeeded","run.failed","run.cancelled","\u0000"`,
  '1e999999',
  '['.repeat(9_000),
];
const CALLBACK = {
  url: 'https://example.com/hook',
  events: ['run.succeeded', 'run.failed', 'run.cancelled'],
} as const;
const ERROR = { type: 'model-error', detail: 'no' } as const;

/** A store that was opened, and can be closed, written into and opened again. */
export interface DamagedStore {
  open(): Promise<Ledger>;
  /** Runs statements on the table `runs` of open runs, with no ledger there. */
  damage(sql: string): Promise<void>;
}

/** Runs the suite; `store` answers a new store for every test. */
export function describeDamage(name: string, store: () => Promise<DamagedStore>): void {
  describe(`a damaged row of a ${name} ledger`, () => {
    let ledger: Ledger;
    let on: DamagedStore;
    beforeEach(async () => {
      on = await store();
      ledger = await on.open();
      await ledger.deploy(deployment());
    });
    afterEach(() => ledger.close());

    /**
     * Enqueues runs that are told of, one for each list and one whose list stays whole; answers
     * them in that order.
     */
    const enqueue = async (way: string): Promise<RunId[]> => {
      const runs = [...NO_LISTS, null].map(() =>
        call({ callback: CALLBACK, runName: way, lostWorkersMax: 1, queueTtl: way === 'late' ? seconds(60) : null }),
      );
      await ledger.enqueue(runs);
      return runs.map(({ runId }) => runId);
    };
    const claim = (slots: number): Promise<ClaimedRun[]> =>
      ledger.claim({
        endpoint: 'echo',
        version: 1,
        lane: 'replica',
        slots: Array.from({ length: slots }, () => ({ replica: 'r1', coldStart: null })),
        alone: true,
        owner: 'me',
        lease: seconds(300),
      });
    const damage = async (...sql: string[]): Promise<void> => {
      await ledger.close();
      await on.damage(sql.join(';'));
      ledger = await on.open();
    };

    test('ends as every other run does, without a delivery, and keeps none of them from ending', async () => {
      const ways = ['succeeded', 'failed', 'lost', 'cancelled', 'purged', 'late'] as const;
      const runs = new Map<string, RunId[]>();
      for (const way of ['succeeded', 'failed', 'lost'] as const) runs.set(way, await enqueue(way));
      const held = await claim(3 * (NO_LISTS.length + 1));
      for (const way of ['cancelled', 'purged', 'late'] as const) runs.set(way, await enqueue(way));
      await damage(
        ...[...runs.values()].flatMap((ids) =>
          NO_LISTS.map((list, place) => `UPDATE runs SET callback_events = '${list}' WHERE run_id = '${ids[place]}'`),
        ),
        `UPDATE runs SET lease_until_ms = 1 WHERE run_name = 'lost'`,
        `UPDATE runs SET queue_deadline_ms = 1 WHERE run_name = 'late'`,
      );
      const output = inline('{"y":2}');
      const recorded = await ledger.finish(
        held
          .filter(({ run }) => run.runName !== 'lost')
          .map(({ claim, run }) => ({
            claim,
            progress: null,
            result: run.runName === 'failed' ? { kind: 'failed', error: ERROR } : { kind: 'succeeded', output },
          })),
      );
      expect(new Set(recorded)).toEqual(new Set(['recorded']));
      expect(await ledger.reclaim('me')).toHaveLength(NO_LISTS.length + 1);
      expect(await ledger.expire()).toHaveLength(NO_LISTS.length + 1);
      for (const runId of runs.get('cancelled')!) expect((await ledger.cancel(runId)).result).toBe('cancelled');
      const purged = await ledger.purge({ endpoint: 'echo' });
      expect(purged.cancelled).toHaveLength(NO_LISTS.length + 1);
      for (const way of ways) {
        const ended = await Promise.all(runs.get(way)!.map((runId) => ledger.run(runId)));
        const status = way === 'succeeded' ? way : way === 'cancelled' || way === 'purged' ? 'cancelled' : 'failed';
        expect(new Set(ended.map((run) => run!.status))).toEqual(new Set([status]));
        const told = await Promise.all(runs.get(way)!.map((runId) => ledger.deliveries(runId)));
        expect([way, ...told.map(({ length }) => length)]).toEqual([way, ...NO_LISTS.map(() => 0), 1]);
      }
    });

    test('is named by the audit, which says of the others what it would say without it', async () => {
      const runs = await enqueue('queued');
      await damage(
        ...NO_LISTS.map((list, place) => `UPDATE runs SET callback_events = '${list}' WHERE run_id = '${runs[place]}'`),
      );
      await ledger.purge({ endpoint: 'echo' });
      expect((await ledger.audit()).filter(({ where }) => where.includes(runs.at(-1)!))).toEqual([]);
      const named = (await ledger.auditRecords()).filter(({ promise }) => promise === TEXT_PROMISE);
      expect(named.map(({ where }) => where.slice(0, 36))).toEqual(runs.slice(0, -1));
    });

    test('that has a number which no JavaScript number holds can be read with the others, claimed, and ends', async () => {
      const [damaged, whole] = await enqueue('queued');
      await damage(
        `UPDATE runs SET started_at_ms = 9007199254740993, timeout_ms = 9007199254740993, progress_done = 9007199254740993, progress_total = 9007199254740993,
          metadata = '{', trace = '{', callback_events = '[1]' WHERE run_id = '${damaged}'`,
      );
      const listed = await ledger.runs({ limit: 100 });
      expect(listed.map(({ runId }) => runId)).toEqual(expect.arrayContaining([damaged, whole]));
      const claimed = await claim(2);
      expect(claimed.map(({ claim: { runId } }) => runId)).toEqual([damaged, whole]);
      expect(claimed.map(({ damaged }) => damaged)).toEqual([['metadata', 'trace', 'callback_events'], undefined]);
      expect((await ledger.cancel(damaged!)).result).toBe('cancelled');
    });
  });
}
