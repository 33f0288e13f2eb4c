import { assert, integer, property } from 'fast-check';
import { expect, test } from 'vitest';
import { halves } from '../../src/domain/batch.ts';

test.each([
  [
    { from: 0, to: 2 },
    { from: 0, to: 1 },
    { from: 1, to: 2 },
  ],
  [
    { from: 0, to: 3 },
    { from: 0, to: 1 },
    { from: 1, to: 3 },
  ],
  [
    { from: 10, to: 20 },
    { from: 10, to: 15 },
    { from: 15, to: 20 },
  ],
])('%j is halved into %j and %j', (range, first, second) => {
  expect(halves(range)).toEqual([first, second]);
});

test('halves lie side by side, are never empty, and differ by a row at the most', () => {
  assert(
    property(integer({ min: 0, max: 1e6 }), integer({ min: 2, max: 1e6 }), (from, length) => {
      const [first, second] = halves({ from, to: from + length });
      expect(first.from).toBe(from);
      expect(first.to).toBe(second.from);
      expect(second.to).toBe(from + length);
      const [shorter, longer] = [first.to - first.from, second.to - second.from];
      expect(shorter).toBeGreaterThan(0);
      expect([0, 1]).toContain(longer - shorter);
    }),
  );
});
