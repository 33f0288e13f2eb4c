import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { averageRanks } from '../../src/scoring/ranks.ts';
import { regressionMetrics } from '../../src/scoring/regression.ts';

describe('what scikit-learn and SciPy say of the examples in their documentation', () => {
  test('mean_absolute_error, mean_squared_error, median_absolute_error and r2_score', () => {
    const { mae, rmse, medae, r2 } = regressionMetrics([3, -0.5, 2, 7], [2.5, 0, 2, 8]);
    expect([mae, medae]).toEqual([0.5, 0.5]);
    expect(rmse).toBeCloseTo(Math.sqrt(0.375), 15);
    expect(r2).toBeCloseTo(0.948_608_137_044_967_8, 15);
  });

  test('median_absolute_error of another scale, and r2_score of a prediction that is worse than the mean', () => {
    expect(regressionMetrics([3, -0.5, 2, 7], [2, 0, 2, 8]).medae).toBe(0.75);
    expect(regressionMetrics([1, 2, 3], [3, 2, 1]).r2).toBe(-3);
    expect(regressionMetrics([1, 2, 3], [2, 2, 2]).r2).toBe(0);
  });

  test('spearmanr', () => {
    expect(regressionMetrics([1, 2, 3, 4, 5], [5, 6, 7, 8, 7]).spearmanr).toBeCloseTo(0.820_782_681_668_123_3, 15);
  });
});

describe('what is not defined', () => {
  test('r2 of targets that are all the same is 1 or 0, and says so', () => {
    const exact = regressionMetrics([-2, -2, -2], [-2, -2, -2]);
    const off = regressionMetrics([-2, -2, -2], [-2, -2, -2 + 1e-8]);
    expect([exact.r2, off.r2]).toEqual([1, 0]);
    expect(exact.notes).toContain(
      'r2 is not defined where all targets are the same; 1 says that the predictions are exact.',
    );
    expect(off.notes).toContain(
      'r2 is not defined where all targets are the same; 0 says that the predictions are not exact.',
    );
  });

  test('r2 sees that targets are the same though their mean is rounded', () => {
    expect((0.1 + 0.1 + 0.1) / 3).not.toBe(0.1);
    expect(regressionMetrics([0.1, 0.1, 0.1], [0.2, 0.2, 0.2]).r2).toBe(0);
  });

  test('r2 is told also where the squares of targets are too large or too small for a number', () => {
    expect(regressionMetrics([0, 3e154], [0.9e154, 2.1e154]).r2).toBeCloseTo(0.64, 15);
    expect(regressionMetrics([1e-200, 2e-200], [1e-200, 2.5e-200]).r2).toBeCloseTo(0.5, 15);
    expect(regressionMetrics([1e-200, 2e-200], [1e-200, 2e-200])).toMatchObject({ r2: 1, notes: [] });
  });

  test('r2 of targets whose sum is no number is null, and never 1', () => {
    const { r2, notes } = regressionMetrics([1e308, 1e308, 0], [1e308, 1e308, 1]);
    expect(r2).toBeNull();
    expect(notes).toContain('r2 is null: the numbers are too large to compute it with.');
  });

  test('the correlation of what does not vary is null, and says which of the two it is', () => {
    expect(regressionMetrics([1, 2], [3, 3])).toMatchObject({
      spearmanr: null,
      notes: ['spearmanr is null: all predictions are the same.'],
    });
    expect(regressionMetrics([3, 3], [1, 2])).toMatchObject({ spearmanr: null });
  });

  test('one row has errors, and neither r2 nor a correlation', () => {
    expect(regressionMetrics([1], [3])).toEqual({
      task: 'regression',
      support: 1,
      rmse: 2,
      mae: 2,
      medae: 2,
      r2: null,
      spearmanr: null,
      notes: ['r2 is null: it takes two rows at least.', 'spearmanr is null: it takes two rows at least.'],
    });
  });

  test('an error that no number holds is null', () => {
    const { rmse, mae, notes } = regressionMetrics([1e308, 0], [-1e308, 0]);
    expect([rmse, mae]).toEqual([null, null]);
    expect(notes).toContain('rmse is null: the numbers are too large to compute it with.');
  });
});

const pairs = fc.array(fc.tuple(fc.integer({ min: -20, max: 20 }), fc.integer({ min: -20, max: 20 })), {
  minLength: 2,
  maxLength: 60,
});

test('the rank of a value is the mean of the places that it could have', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: -5, max: 5 }), { maxLength: 30 }), (values) => {
      const slow = values.map((value) => {
        const below = values.filter((other) => other < value).length;
        const same = values.filter((other) => other === value).length;
        return below + (same + 1) / 2;
      });
      expect([...averageRanks(values)]).toEqual(slow);
    }),
  );
});

test('spearmanr is the correlation of the signs of all pairs of ranks, however many ties there are', () => {
  fc.assert(
    fc.property(pairs, (rows) => {
      const [targets, predictions] = [rows.map(([target]) => target), rows.map(([, prediction]) => prediction)];
      // A rank is half a row more than the number of rows below plus half of those at the same
      // height: sums over pairs, with no sorting.
      const rank = (values: readonly number[], value: number): number =>
        values.reduce((sum, other) => sum + (Math.sign(value - other) + 1) / 2, 0.5);
      const centred = (values: readonly number[]): number[] => {
        const ranks = values.map((value) => rank(values, value));
        const mean = ranks.reduce((sum, one) => sum + one, 0) / ranks.length;
        return ranks.map((one) => one - mean);
      };
      const dot = (a: readonly number[], b: readonly number[]): number => a.reduce((sum, x, k) => sum + x * b[k]!, 0);
      const [a, b] = [centred(targets), centred(predictions)];
      const { spearmanr } = regressionMetrics(targets, predictions);
      if (dot(a, a) === 0 || dot(b, b) === 0) expect(spearmanr).toBeNull();
      else expect(spearmanr).toBeCloseTo(dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b)), 12);
    }),
  );
});

test('no metric is ever NaN or infinite, and each that is null is told of', () => {
  const number = fc.double({ noNaN: true, noDefaultInfinity: true });
  fc.assert(
    fc.property(fc.array(fc.tuple(number, number), { minLength: 1, maxLength: 20 }), (rows) => {
      const metrics = regressionMetrics(
        rows.map(([target]) => target),
        rows.map(([, prediction]) => prediction),
      );
      for (const name of ['rmse', 'mae', 'medae', 'r2', 'spearmanr'] as const) {
        if (metrics[name] === null)
          expect(metrics.notes.some((note) => note.startsWith(`${name} is null: `))).toBe(true);
        else expect(metrics[name]).toSatisfy(Number.isFinite);
      }
    }),
  );
});
