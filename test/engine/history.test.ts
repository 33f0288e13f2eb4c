// The events of a run, seen on a real ledger whose time stands still until the test moves it.

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { newRunId } from '../../src/system/clock.ts';
import type { RunError } from '../../src/domain/errors.ts';
import type { RunId } from '../../src/domain/ids.ts';
import { hours, milliseconds, minutes, seconds } from '../../src/domain/time.ts';
import { type HistoryEvent, historyOf, readHistory } from '../../src/engine/history.ts';
import type { AttemptResult, Claim, Ledger } from '../../src/stores/ledger/ledger.ts';
import { openSqliteLedger } from '../../src/stores/ledger/sqlite/driver.ts';
import { ManualClock } from '../stores/ledger/manual-clock.ts';
import { call, deployment, inline } from '../stores/ledger/runs.ts';

const CRASHED: RunError = { type: 'replica-crashed', detail: 'The replica was lost.' };
const RETRY: AttemptResult = { kind: 'retry', error: CRASHED, delay: milliseconds(0) };
const SUCCEEDED: AttemptResult = { kind: 'succeeded', output: inline('1') };

interface Life {
  readonly runId: RunId;
  claim(): Promise<Claim>;
  finish(claim: Claim, result: AttemptResult): Promise<void>;
  /** The run's events: number, kind and status of each. */
  events(): Promise<string[]>;
}

const clock = new ManualClock();
let ledger: Ledger;
let lives = 0;
beforeAll(async () => {
  ledger = await openSqliteLedger(':memory:', clock);
});
afterAll(() => ledger.close());

/** A queued run at an endpoint of its own. */
async function lifeForTest(): Promise<Life> {
  lives += 1;
  const endpoint = `echo-${lives}`;
  await ledger.deploy(deployment({ name: endpoint }));
  const run = call({ endpoint });
  await ledger.enqueue([run]);
  return {
    runId: run.runId,
    async claim() {
      clock.advance(seconds(1));
      const slots = [{ replica: 'a', coldStart: null }];
      const request = {
        endpoint,
        version: 1,
        lane: 'replica',
        slots,
        alone: true,
        owner: 'me',
        lease: seconds(30),
      } as const;
      return (await ledger.claim(request))[0]!.claim;
    },
    async finish(claim, result) {
      clock.advance(seconds(1));
      expect(await ledger.finish([{ claim, result, progress: null }])).toEqual(['recorded']);
    },
    events: async () =>
      (await readHistory(ledger, run.runId))!.map(({ number, kind, status }) => `${number} ${kind} ${status}`),
  };
}

test('a run that waits has arrived, and nothing else', async () => {
  const life = await lifeForTest();
  expect(await life.events()).toEqual(['1 queued queued']);
});

test('a run that succeeds ends with its attempt', async () => {
  const life = await lifeForTest();
  const claim = await life.claim();
  expect(await life.events()).toEqual(['1 queued queued', '2 attempt-started running']);
  await life.finish(claim, SUCCEEDED);
  expect(await life.events()).toEqual(['1 queued queued', '2 attempt-started running', '3 attempt-ended succeeded']);
});

test('an attempt after which the run is tried again leaves it queued', async () => {
  const life = await lifeForTest();
  await life.finish(await life.claim(), RETRY);
  expect((await life.events()).at(-1)).toBe('3 attempt-ended queued');
  await life.finish(await life.claim(), { kind: 'released' });
  expect((await life.events()).at(-1)).toBe('5 attempt-ended queued');
  await life.finish(await life.claim(), { kind: 'failed', error: CRASHED });
  expect((await life.events()).slice(-2)).toEqual(['6 attempt-started running', '7 attempt-ended failed']);
});

test('a cancel ends a run that waits with an event of its own, and one that runs with its attempt', async () => {
  const waiting = await lifeForTest();
  await ledger.cancel(waiting.runId);
  expect(await waiting.events()).toEqual(['1 queued queued', '2 ended cancelled']);
  const running = await lifeForTest();
  await running.claim();
  await ledger.cancel(running.runId);
  expect((await running.events()).at(-1)).toBe('3 attempt-ended cancelled');
  const queuedAgain = await lifeForTest();
  await queuedAgain.finish(await queuedAgain.claim(), RETRY);
  await ledger.cancel(queuedAgain.runId);
  expect((await queuedAgain.events()).slice(-2)).toEqual(['3 attempt-ended queued', '4 ended cancelled']);
});

test('a run that waits too long after a failed attempt was ended by the wait and not by the attempt', async () => {
  const life = await lifeForTest();
  await life.finish(await life.claim(), RETRY);
  clock.advance(hours(7));
  await ledger.expire();
  expect((await life.events()).slice(-2)).toEqual(['3 attempt-ended queued', '4 ended failed']);
  expect((await readHistory(ledger, life.runId))!.at(-1)).toMatchObject({ error: { type: 'queue-expired' } });
});

test('an attempt whose worker was lost leaves the run queued, until it has lost too many', async () => {
  const life = await lifeForTest();
  const ends: (string | undefined)[] = [];
  for (let attempt = 1; attempt <= 3; attempt += 1) {
    await life.claim();
    clock.advance(minutes(1));
    await ledger.reclaim('me');
    ends.push((await life.events()).at(-1));
  }
  expect(ends).toEqual(['3 attempt-ended queued', '5 attempt-ended queued', '7 attempt-ended failed']);
});

describe('every history', () => {
  /** What may be done with a run, by a number. */
  const steps = [
    async ({ claim, finish }: Life) => finish(await claim(), RETRY),
    async ({ claim, finish }: Life) => finish(await claim(), { kind: 'released' }),
    async ({ claim }: Life) => {
      await claim();
      clock.advance(minutes(1));
      await ledger.reclaim('me');
    },
  ];
  const ends = [
    async ({ claim, finish }: Life) => finish(await claim(), SUCCEEDED),
    async ({ claim, finish }: Life) => finish(await claim(), { kind: 'failed', error: CRASHED }),
    async ({ runId }: Life) => ledger.cancel(runId),
    async ({ claim, runId }: Life) => {
      await claim();
      await ledger.cancel(runId);
    },
    async () => {
      clock.advance(hours(7));
      await ledger.expire();
    },
  ];
  const courses = ends.flatMap((end, last) =>
    [[], [0], [1], [2], [0, 1], [1, 2], [2, 0]].map(
      (before) => [[...before.map(String), `end ${last}`].join(', '), before, end] as const,
    ),
  );

  test.each(courses)(
    'rises, never changes what it has said, and ends with the status of the run: %s',
    async (_, before, end) => {
      const life = await lifeForTest();
      const seen: HistoryEvent[][] = [];
      const look = async () => seen.push((await readHistory(ledger, life.runId))!);
      await look();
      for (const step of before) {
        await steps[step]!(life);
        await look();
      }
      await end(life);
      await look();
      const whole = seen.at(-1)!;
      for (const earlier of seen) expect(whole.slice(0, earlier.length)).toEqual(earlier);
      const numbers = whole.map(({ number }) => number);
      expect(numbers).toEqual([...new Set(numbers)].toSorted((a, b) => a - b));
      expect(whole.at(-1)!.status).toBe((await ledger.run(life.runId))!.status);
      expect(whole.slice(0, -1).every(({ status }) => status === 'queued' || status === 'running')).toBe(true);
    },
  );
});

test('attempts that are given in any form make the same events: there is no clock in the numbers', async () => {
  const life = await lifeForTest();
  await life.finish(await life.claim(), SUCCEEDED);
  const [run, attempts] = [(await ledger.run(life.runId))!, await ledger.attempts(life.runId)];
  const stopped = attempts.map((attempt) => ({ ...attempt, stoppedAt: null }));
  expect(historyOf(run, stopped).map(({ number }) => number)).toEqual([1, 2, 3]);
});

test('an id that names no run has no history', async () => {
  expect(await readHistory(ledger, newRunId())).toBeNull();
});
