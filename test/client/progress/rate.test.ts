import { expect, test } from 'vitest';
import { rateOf, rateText, type Sample, secondsLeft, timeText, withSample } from '../../../src/client/progress/rate.ts';

/** Samples as they would be kept, from [seconds, rows done] one after the other. */
const samplesOf = (...points: [number, number][]): readonly Sample[] =>
  points.reduce<readonly Sample[]>(
    (samples, [seconds, done]) => withSample(samples, { atMs: seconds * 1_000, done }),
    [],
  );

test('there is no rate before anything was done', () => {
  expect(rateOf([], 0)).toBeNull();
  expect(rateOf(samplesOf([0, 0]), 5_000)).toBeNull();
  expect(rateOf(samplesOf([0, 40], [1, 40], [2, 40]), 5_000)).toBeNull();
});

test('the rate is rows done since the first sample over the time until now', () => {
  expect(rateOf(samplesOf([0, 0], [1, 10], [2, 20]), 2_000)).toBe(10);
  expect(rateOf(samplesOf([10, 400], [20, 450]), 20_000)).toBe(5);
});

test('the rate falls while nothing comes for longer than usual', () => {
  const samples = samplesOf([0, 0], [1, 10], [2, 20]);
  expect([2, 2.5, 3].map((now) => rateOf(samples, now * 1_000))).toEqual([10, 10, 10]);
  expect([5, 11, 21].map((now) => rateOf(samples, now * 1_000))).toEqual([5, 2, 1]);
});

test('the rate follows the last half minute', () => {
  const slowThenFast: [number, number][] = Array.from({ length: 121 }, (_, second) => [
    second,
    second <= 60 ? second : 60 + (second - 60) * 10,
  ]);
  expect(rateOf(samplesOf(...slowThenFast), 120_000)).toBeCloseTo(10);
});

test('with chunks that take minutes, older samples still give a rate', () => {
  const rate = rateOf(samplesOf([0, 0], [120, 10], [240, 20], [360, 30]), 360_000);
  expect(rate).toBeCloseTo(1 / 12);
});

test('what is left takes as long as the rate says', () => {
  expect(secondsLeft(100, 4)).toBe(25);
  expect(secondsLeft(0, null)).toBe(0);
  expect(secondsLeft(5, null)).toBeNull();
  expect(secondsLeft(5, 0)).toBeNull();
});

test.each([
  [0, '0 s'],
  [3, '3 s'],
  [0.44, '0.4 s'],
  [9.94, '9.9 s'],
  [9.96, '10 s'],
  [59.4, '59 s'],
  [59.6, '1 min 00 s'],
  [125, '2 min 05 s'],
  [3_599.7, '1 h 00 min'],
  [12_000, '3 h 20 min'],
  [86_399, '1 d 0 h'],
  [187_200, '2 d 4 h'],
])('%s seconds read %s', (seconds, text) => {
  expect(timeText(seconds)).toBe(text);
});

test.each([
  [0.049, '0.05 rows/s'],
  [7.25, '7.25 rows/s'],
  [9.96, '10.0 rows/s'],
  [99.6, '100 rows/s'],
  [1_234.5, '1235 rows/s'],
])('a rate of %s reads %s', (rate, text) => {
  expect(rateText(rate)).toBe(text);
});
