import { describe, expect, onTestFinished, test } from 'vitest';
import { Coalesced, Rounds } from '../../src/system/loops.ts';
import { hours, milliseconds } from '../../src/domain/time.ts';
import { until } from '../support/until.ts';

/** Rounds that the test ends one by one. */
function roundsForTest(pauseMs: number) {
  const begun: (() => void)[] = [];
  const rounds = new Rounds(() => new Promise<void>((resolve) => begun.push(resolve)), milliseconds(pauseMs));
  onTestFinished(async () => {
    begun.forEach((end) => end());
    await rounds.stop();
  });
  return { rounds, begun };
}

describe('rounds', () => {
  test('begin at once, and again after the pause that follows the end of one', async () => {
    const { rounds, begun } = roundsForTest(1);
    rounds.start();
    expect(begun).toHaveLength(1);
    begun[0]!();
    await until('there is a second round', () => begun.length === 2);
  });

  test('begin after a time where one is given', async () => {
    const { rounds, begun } = roundsForTest(1);
    rounds.start(milliseconds(5));
    expect(begun).toHaveLength(0);
    await until('there is a round', () => begun.length === 1);
  });

  test('are over once the one that has begun is', async () => {
    const { rounds, begun } = roundsForTest(1);
    rounds.start();
    let isOver = false;
    const stopped = rounds.stop().then(() => (isOver = true));
    await new Promise(setImmediate);
    expect([isOver, rounds.stopped]).toEqual([false, true]);
    begun[0]!();
    await stopped;
    expect(begun).toHaveLength(1);
  });

  test('that are stopped before the first are over at once', async () => {
    const { rounds, begun } = roundsForTest(1);
    rounds.start(hours(1_000));
    await rounds.stop();
    expect(begun).toHaveLength(0);
  });
});

/** Coalesced work whose rounds the test ends one by one. */
function coalescedForTest(begins: 'at-once' | 'at-turn-end') {
  const begun: (() => void)[] = [];
  const work = new Coalesced(() => new Promise<void>((resolve) => begun.push(resolve)), begins);
  onTestFinished(async () => {
    begun.forEach((end) => end());
    await work.stop();
  });
  return { work, begun };
}

describe('coalesced work', () => {
  test('is begun at once, and once more for all who asked during its round', async () => {
    const { work, begun } = coalescedForTest('at-once');
    work.wake();
    expect(begun).toHaveLength(1);
    for (let count = 0; count < 3; count += 1) work.wake();
    expect(begun).toHaveLength(1);
    begun[0]!();
    await until('there is a second round', () => begun.length === 2);
    begun[1]!();
    await new Promise(setImmediate);
    expect(begun).toHaveLength(2);
  });

  test('that begins at the end of a turn is one round for all who asked in it', async () => {
    const { work, begun } = coalescedForTest('at-turn-end');
    for (let count = 0; count < 3; count += 1) work.wake();
    expect(begun).toHaveLength(0);
    await until('there is a round', () => begun.length === 1);
    begun[0]!();
    await new Promise(setImmediate);
    expect(begun).toHaveLength(1);
  });

  test('is over once its round is, also where more was asked for meanwhile', async () => {
    const { work, begun } = coalescedForTest('at-once');
    work.wake();
    work.wake();
    let isOver = false;
    const stopped = work.stop().then(() => (isOver = true));
    await new Promise(setImmediate);
    expect([isOver, work.stopped]).toEqual([false, true]);
    begun[0]!();
    await stopped;
    work.wake();
    await new Promise(setImmediate);
    expect(begun).toHaveLength(1);
  });

  test('that is stopped before its turn is over begins nothing', async () => {
    const { work, begun } = coalescedForTest('at-turn-end');
    work.wake();
    await work.stop();
    expect(begun).toHaveLength(0);
  });
});
