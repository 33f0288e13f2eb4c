// Holds the metrics against what scikit-learn and SciPy themselves say of the same tables;
// tools/scikit-learn-fixtures.py wrote it down.

import { expect, test } from 'vitest';
import type { ClassificationMetrics, RegressionMetrics, Task } from '../../src/domain/scoring.ts';
import { scoreColumn, scoreTable } from '../../src/scoring/score.ts';
import { labelOf } from '../../src/scoring/values.ts';
import { encodeRows, type Row } from '../../src/table/rows.ts';
import fixtures from './scikit-learn.json' with { type: 'json' };

type RegressionNumbers = Pick<RegressionMetrics, 'rmse' | 'mae' | 'medae' | 'r2' | 'spearmanr'>;

/** Where docs/captures.md promises another number than scikit-learn gives, and which. */
const OURS: Readonly<Record<string, Partial<RegressionNumbers>>> = {
  // The same targets are seen to be the same. scikit-learn divides by what rounding has left of
  // their variance.
  'constant targets whose mean is rounded, predicted inexactly': { r2: 0 },
  // What the formula says. scikit-learn divides by a sum of squares that is infinite, or 0.
  'errors whose squares no number holds': { r2: -3 },
  'targets whose squares are too large, predicted inexactly': { r2: 0.64 },
  'targets whose squares are too small, predicted inexactly': { r2: 0.5 },
  // No number is told that could not be computed. scikit-learn takes infinity for the mean.
  'targets whose sum no number holds': { r2: null },
};

const named = <Case extends { readonly name: string }>(cases: readonly Case[]) =>
  cases.map((one) => [one.name, one] as const);

test.each(named(fixtures.regression))(
  'a regression has the metrics that scikit-learn gives it, save those listed: %s',
  (name, given) => {
    const output = given.predictions.map((prediction) => ({ prediction }));
    const metrics = scored('regression', given.targets, output) as RegressionMetrics;
    const { support, rmse, mae, medae, r2, spearmanr } = metrics;
    expect(support).toBe(given.targets.length);
    expect({ rmse, mae, medae, r2, spearmanr }).toEqual(nearly({ ...given.expected, ...OURS[name] }));
  },
);

test.each(named(fixtures.classification))(
  'a classification has the metrics that scikit-learn gives it: %s',
  (_name, given) => {
    const labels = given.labels.map(labelOf);
    const output = given.predictions.map((prediction, row) => {
      const scores = labels.flatMap((label, at) => {
        const column = given.scores[at] ?? null;
        return column === null ? [] : [[scoreColumn(label), column[row]]];
      });
      return { prediction, ...Object.fromEntries(scores) };
    });
    const metrics = scored('classification', given.targets, output) as ClassificationMetrics;
    const { support, accuracy, classes, confusion } = metrics;
    const { rocAuc, ...weighted } = metrics.weighted;
    expect(support).toBe(given.targets.length);
    expect([confusion.labels, classes.map(({ label }) => label)]).toEqual([labels, labels]);
    expect({
      accuracy,
      support: classes.map((one) => one.support),
      precision: classes.map((one) => one.precision),
      recall: classes.map((one) => one.recall),
      f1: classes.map((one) => one.f1),
      roc_auc: classes.map((one) => one.rocAuc),
      weighted: { ...weighted, roc_auc: rocAuc },
      confusion: confusion.counts,
    }).toEqual(nearly(given.expected));
  },
);

test('every table has a name of its own, and what is listed is a table', () => {
  const names = new Set<string>([...fixtures.regression, ...fixtures.classification].map(({ name }) => name));
  expect(names.size).toBe(fixtures.regression.length + fixtures.classification.length);
  expect(Object.keys(OURS).filter((name) => !names.has(name))).toEqual([]);
});

/**
 * The metrics of an output, by the way that a captured run goes: as tables whose columns have
 * names.
 */
function scored(task: Task, targets: readonly unknown[], output: readonly Row[]): unknown {
  const table = (rows: readonly Row[]) => ({ bytes: encodeRows(rows, 'jsonl'), format: 'jsonl' as const });
  return scoreTable({
    input: table(targets.map((target) => ({ target }))),
    output: table(output),
    dropped: [],
    idColumn: null,
    choice: { target: 'target', prediction: 'prediction', task },
  }).metrics;
}

/** The same value with each number in it to be met to nine digits. */
function nearly(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(nearly);
  if (typeof value === 'number') return expect.toSatisfy((other: unknown) => isNear(other, value), `is about ${value}`);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, nearly(one)]));
}

/**
 * Zero is met by zero alone: a number as small as rounding leaves it may be an error of numbers as
 * small.
 */
const isNear = (other: unknown, value: number): boolean =>
  typeof other === 'number' && Math.abs(other - value) <= 1e-9 * Math.abs(value);
