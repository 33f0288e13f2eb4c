import { expect, test } from 'vitest';
import { pauseOf, spread } from '../../src/domain/backoff.ts';
import { milliseconds, seconds } from '../../src/domain/time.ts';

const backoff = { first: milliseconds(200), max: seconds(30) };

test.each([
  [0, 200],
  [1, 400],
  [7, 25_600],
  [8, 30_000],
  [5_000, 30_000],
])('after %i failures in a row the pause is %i ms: it doubles up to its limit', (failures, ms) => {
  expect(pauseOf(backoff, failures)).toBe(ms);
});

test('the second half of a spread pause is chance', () => {
  expect([0, 0.5, 1].map((chance) => spread(seconds(2), chance))).toEqual([1_000, 1_500, 2_000]);
});
