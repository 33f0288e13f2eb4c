import { describe, expect, onTestFinished, test } from 'vitest';
import { Rounds } from '../../src/system/clock.ts';
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
