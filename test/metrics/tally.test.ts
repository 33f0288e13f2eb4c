import { expect, test } from 'vitest';
import { Count, Distribution, Family } from '../../src/metrics/tally.ts';

test('a combination of labels is one cell, however often it is asked for, and every other is another', () => {
  const family = new Family(() => new Count());
  family.at('a', 'b').value += 1;
  family.at('a', 'b').value += 1;
  family.at('b', 'a').value += 5;
  family.at('a').value += 7;
  expect([...family.entries()].map(([labels, { value }]) => [...labels, value])).toEqual([
    ['a', 'b', '', 2],
    ['a', '', '', 7],
    ['b', 'a', '', 5],
  ]);
});

test('a bound belongs to its bucket, and what is above all of them is counted as well', () => {
  const distribution = new Distribution([1, 2]);
  for (const size of [0, 1, 1.5, 2, 3]) distribution.observe(size);
  expect(distribution.cumulative()).toEqual([2, 4, 5]);
  expect(distribution.sum).toBe(7.5);
});
