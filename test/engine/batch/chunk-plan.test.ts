import { array, assert, constantFrom, integer, property, record, uniqueArray } from 'fast-check';
import { describe, expect, test } from 'vitest';
import { newRunId } from '../../../src/system/clock.ts';
import type { RowRange } from '../../../src/domain/batch.ts';
import type { RunFailure } from '../../../src/domain/errors.ts';
import { ChunkPlan, type Settled } from '../../../src/engine/batch/chunk-plan.ts';
import type { ChunkRecord } from '../../../src/stores/ledger/ledger.ts';

const succeeded = (rows: RowRange): ChunkRecord => ({ runId: newRunId(), rows, status: 'succeeded', error: null });
const failed = (rows: RowRange, type: RunFailure = 'model-error'): ChunkRecord => ({
  runId: newRunId(),
  rows,
  status: 'failed',
  error: { type, detail: 'no' },
});
const range = (from: number, to: number): RowRange => ({ from, to });
const everything = Number.MAX_SAFE_INTEGER;

describe('a plan', () => {
  test('hands out ranges of the size asked for, in the order of rows, the last one shorter', () => {
    expect(new ChunkPlan(7, 3, []).next(everything)).toEqual([range(0, 3), range(3, 6), range(6, 7)]);
  });

  test('hands out no more than asked for, and nothing twice', () => {
    const plan = new ChunkPlan(5, 1, []);
    expect(plan.next(2)).toEqual([range(0, 1), range(1, 2)]);
    expect(plan.next(0)).toEqual([]);
    expect(plan.next(-3)).toEqual([]);
    expect(plan.next(everything)).toEqual([range(2, 3), range(3, 4), range(4, 5)]);
    expect(plan.next(everything)).toEqual([]);
    expect(plan.outstanding).toBe(5);
  });

  test('of no rows is complete from the start', () => {
    const plan = new ChunkPlan(0, 10, []);
    expect(plan.complete).toBe(true);
    expect(plan.next(everything)).toEqual([]);
    expect(plan.progress).toEqual({ done: 0, total: 0, failed: 0 });
  });

  test('counts rows, and is complete when every one is settled', () => {
    const plan = new ChunkPlan(5, 2, []);
    const [first, second, third] = plan.next(everything);
    plan.ended(succeeded(third!));
    expect(plan.progress).toEqual({ done: 1, total: 5, failed: 0 });
    plan.ended(succeeded(first!));
    expect(plan.complete).toBe(false);
    plan.ended(succeeded(second!));
    expect(plan.progress).toEqual({ done: 5, total: 5, failed: 0 });
    expect(plan.complete).toBe(true);
    expect(plan.outstanding).toBe(0);
  });

  test('settles in the order of rows, however the chunks ended', () => {
    const plan = new ChunkPlan(4, 1, []);
    for (const rows of plan.next(everything).toReversed()) plan.ended(succeeded(rows));
    expect(plan.settledInOrder().map(({ rows }) => rows.from)).toEqual([0, 1, 2, 3]);
  });

  test('hands out the halves of a chunk that failed before anything else, so that a bad row is found soon', () => {
    const plan = new ChunkPlan(9, 3, []);
    plan.next(1);
    plan.ended(failed(range(0, 3)));
    expect(plan.progress).toEqual({ done: 0, total: 9, failed: 0 });
    expect(plan.next(3)).toEqual([range(0, 1), range(1, 3), range(3, 6)]);
  });

  test('settles a row that failed alone, with why', () => {
    const plan = new ChunkPlan(1, 10, []);
    plan.next(1);
    plan.ended(failed(range(0, 1)));
    expect(plan.progress).toEqual({ done: 1, total: 1, failed: 1 });
    expect(plan.settledInOrder()).toEqual([{ rows: range(0, 1), error: 'model-error: no' }]);
    expect(plan.firstFailure).toEqual({ from: 0, to: 1, error: 'model-error: no' });
  });

  test.each(['model-error', 'invalid-output', 'replica-crashed', 'out-of-memory', 'run-timeout'] as const)(
    'halves a chunk that ended with %s, which one row can cause',
    (type) => {
      const plan = new ChunkPlan(4, 4, []);
      plan.next(1);
      plan.ended(failed(range(0, 4), type));
      expect(plan.next(everything)).toEqual([range(0, 2), range(2, 4)]);
    },
  );

  test.each(['replica-unavailable', 'queue-expired', 'internal'] as const)(
    'settles a chunk whole that ended with %s, which no row causes',
    (type) => {
      const plan = new ChunkPlan(4, 4, []);
      plan.next(1);
      plan.ended(failed(range(0, 4), type));
      expect(plan.progress).toEqual({ done: 4, total: 4, failed: 4 });
    },
  );

  test('settles a chunk that somebody cancelled', () => {
    const plan = new ChunkPlan(4, 4, []);
    plan.next(1);
    plan.ended({ ...failed(range(0, 4)), status: 'cancelled', error: null });
    expect(plan.settledInOrder()).toEqual([{ rows: range(0, 4), error: expect.stringContaining('run-cancelled') }]);
  });

  test('does not count a chunk twice, nor one that it never handed out', () => {
    const plan = new ChunkPlan(4, 2, []);
    plan.next(1);
    plan.ended(succeeded(range(0, 2)));
    plan.ended(succeeded(range(0, 2)));
    plan.ended(failed(range(0, 2)));
    plan.ended(succeeded(range(1, 3)));
    expect(plan.progress).toEqual({ done: 2, total: 4, failed: 0 });
  });
});

describe('a plan that is taken up again', () => {
  test('does what is left and nothing that is done', () => {
    const done = succeeded(range(2, 4));
    const plan = new ChunkPlan(6, 2, [done]);
    expect(plan.progress).toEqual({ done: 2, total: 6, failed: 0 });
    expect(plan.next(everything)).toEqual([range(0, 2), range(4, 6)]);
    expect(plan.settledInOrder()).toEqual([{ rows: range(2, 4), chunk: done.runId }]);
  });

  test('waits for chunks that are queued or running still, and hands them out no second time', () => {
    const open = (['queued', 'running'] as const).map((status, place): ChunkRecord => ({
      ...succeeded(range(place, place + 1)),
      status,
    }));
    const plan = new ChunkPlan(2, 1, open);
    expect(plan.outstanding).toBe(2);
    expect(plan.next(everything)).toEqual([]);
    for (const { rows } of open) plan.ended(succeeded(rows));
    expect(plan.complete).toBe(true);
  });

  test('goes on with the halves of a chunk that failed', () => {
    const half = succeeded(range(0, 2));
    const plan = new ChunkPlan(4, 4, [failed(range(0, 4)), half]);
    expect(plan.progress).toEqual({ done: 2, total: 4, failed: 0 });
    expect(plan.next(everything)).toEqual([range(2, 4)]);
  });
});

/** The rows of settled ranges, one by one. */
const rowsOf = (settled: readonly Settled[]): number[] =>
  settled.flatMap(({ rows: { from, to } }) => Array.from({ length: to - from }, (_, place) => from + place));

/** A table with some bad rows, how it is cut, and in what order chunks end. */
const scenario = record({
  total: integer({ min: 0, max: 60 }),
  size: integer({ min: 1, max: 20 }),
  inFlight: integer({ min: 1, max: 8 }),
  bad: uniqueArray(integer({ min: 0, max: 59 }), { maxLength: 12 }),
  types: array(constantFrom('model-error', 'invalid-output', 'replica-crashed', 'run-timeout'), {
    minLength: 1,
    maxLength: 5,
  }),
  order: array(integer({ min: 0, max: 1_000 }), { minLength: 1, maxLength: 50 }),
});

/**
 * Runs a plan to its end: a chunk fails while it holds a bad row, and chunks end in an order that
 * `order` picks. Answers every chunk it made.
 */
function runToEnd(
  plan: ChunkPlan,
  bad: ReadonlySet<number>,
  { inFlight, types, order }: { inFlight: number; types: readonly RunFailure[]; order: readonly number[] },
  open: RowRange[] = [],
  stopAfter = Number.POSITIVE_INFINITY,
): ChunkRecord[] {
  const made: ChunkRecord[] = [];
  for (let step = 0; !plan.complete && step < stopAfter; step += 1) {
    open.push(...plan.next(inFlight - plan.outstanding));
    expect(plan.outstanding).toBe(open.length);
    expect(open.length).toBeGreaterThan(0);
    const [rows] = open.splice(order[step % order.length]! % open.length, 1);
    const isBad = [...bad].some((row) => row >= rows!.from && row < rows!.to);
    const chunk = isBad ? failed(rows!, types[step % types.length]) : succeeded(rows!);
    made.push(chunk);
    plan.ended(chunk);
  }
  return made;
}

describe('any ends in any order', () => {
  test('every row is settled exactly once, and exactly the bad ones have no answer', () => {
    assert(
      property(scenario, ({ total, size, bad, ...rest }) => {
        const badRows = new Set(bad.filter((row) => row < total));
        const plan = new ChunkPlan(total, size, []);
        runToEnd(plan, badRows, rest);
        const settled = plan.settledInOrder();
        expect(rowsOf(settled)).toEqual(Array.from({ length: total }, (_, row) => row));
        expect(rowsOf(settled.filter((one) => 'error' in one))).toEqual([...badRows].toSorted((a, b) => a - b));
        expect(plan.progress).toEqual({ done: total, total, failed: badRows.size });
      }),
    );
  });

  test('a plan that is taken up again from any subset of its chunks ends the same, and redoes none of them', () => {
    assert(
      property(
        scenario,
        integer({ min: 0, max: 40 }),
        array(constantFrom(true, false), { minLength: 1, maxLength: 20 }),
        ({ total, size, bad, ...rest }, stopAfter, keep) => {
          const badRows = new Set(bad.filter((row) => row < total));
          const open: RowRange[] = [];
          const made = runToEnd(new ChunkPlan(total, size, []), badRows, rest, open, stopAfter);
          // What is left of it: chunks that ended, chunks that are at work still, and some that
          // were lost.
          const kept = made.filter((_, place) => keep[place % keep.length]!);
          const working = open
            .filter((_, place) => keep[place % keep.length]!)
            .map((rows): ChunkRecord => ({ ...succeeded(rows), status: 'running' }));
          const plan = new ChunkPlan(total, size, [...kept, ...working]);
          const reachable = working.filter(
            ({ rows }) => plan.progress.total > 0 && isReachable(rows, total, size, kept),
          );
          const again = runToEnd(
            plan,
            badRows,
            { ...rest, inFlight: 100 },
            reachable.map(({ rows }) => rows),
          );
          expect(rowsOf(plan.settledInOrder())).toEqual(Array.from({ length: total }, (_, row) => row));
          expect(plan.progress).toEqual({ done: total, total, failed: badRows.size });
          const ended = new Set(kept.map(({ rows }) => `${rows.from}-${rows.to}`));
          for (const { rows } of again.filter((chunk) => !working.some((one) => one.rows === chunk.rows)))
            expect(ended.has(`${rows.from}-${rows.to}`) && isReachable(rows, total, size, kept)).toBe(false);
        },
      ),
    );
  });
});

/**
 * Whether a range is one that the plan gets to: a chunk of the first cut, or a half of one that is
 * known to have failed.
 */
function isReachable({ from, to }: RowRange, total: number, size: number, known: readonly ChunkRecord[]): boolean {
  const start = Math.floor(from / size) * size;
  let at: RowRange = range(start, Math.min(total, start + size));
  for (;;) {
    if (at.from === from && at.to === to) return true;
    const here = at;
    const chunk = known.find(({ rows }) => rows.from === here.from && rows.to === here.to);
    if (chunk === undefined || chunk.status !== 'failed' || at.to - at.from < 2) return false;
    const middle = at.from + Math.floor((at.to - at.from) / 2);
    at = from < middle ? range(at.from, middle) : range(middle, at.to);
    if (from < at.from || to > at.to) return false;
  }
}
