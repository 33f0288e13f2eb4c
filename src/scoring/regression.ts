// How far numbers are off, as scikit-learn and SciPy define it:
// https://scikit-learn.org/stable/modules/model_evaluation.html#regression-metrics and
// scipy.stats.spearmanr.

import type { RegressionMetrics } from '../domain/scoring.ts';
import { averageRanks } from './ranks.ts';

/** A number, or why there is none; `note` beside a number says what it stands in for. */
interface Metric {
  readonly value: number | null;
  readonly note?: string;
}

/**
 * The metrics of predictions, each of which stands for the target at the same place.
 *
 * @param targets at least one, all finite; `predictions` as well, and as many
 */
export function regressionMetrics(targets: readonly number[], predictions: readonly number[]): RegressionMetrics {
  const errors = targets.map((target, at) => Math.abs(target - predictions[at]!));
  const metrics = {
    rmse: finite('rmse', Math.sqrt(mean(errors.map((error) => error * error)))),
    mae: finite('mae', mean(errors)),
    medae: finite('medae', median(errors)),
    r2: r2(targets, errors),
    spearmanr: spearmanr(targets, predictions),
  };
  return {
    task: 'regression',
    support: targets.length,
    rmse: metrics.rmse.value,
    mae: metrics.mae.value,
    medae: metrics.medae.value,
    r2: metrics.r2.value,
    spearmanr: metrics.spearmanr.value,
    notes: Object.values<Metric>(metrics).flatMap(({ note }) => (note === undefined ? [] : [note])),
  };
}

/**
 * Of targets that are all the same nothing can be explained: 1 for predictions that are exact, else
 * 0 (scikit-learn's `force_finite`).
 */
function r2(targets: readonly number[], errors: readonly number[]): Metric {
  if (targets.length < 2) return { value: null, note: 'r2 is null: it takes two rows at least.' };
  if (isConstant(targets)) {
    const value = errors.every((error) => error === 0) ? 1 : 0;
    return {
      value,
      note: `r2 is not defined where all targets are the same; ${value} says that the predictions are ${value === 1 ? 'exact' : 'not exact'}.`,
    };
  }
  const center = mean(targets);
  const distances = targets.map((target) => Math.abs(target - center));
  // Counted in the largest of them, which r2 does not depend on: a square that is no number would
  // make it 1, or nothing.
  const unit = distances.reduce((largest, distance) => Math.max(largest, distance));
  const squares = (lengths: readonly number[]): number => sum(lengths.map((length) => (length / unit) ** 2));
  return finite('r2', 1 - squares(errors) / squares(distances));
}

/** Pearson's correlation of the ranks. */
function spearmanr(targets: readonly number[], predictions: readonly number[]): Metric {
  if (targets.length < 2) return { value: null, note: 'spearmanr is null: it takes two rows at least.' };
  for (const [name, values] of [
    ['targets', targets],
    ['predictions', predictions],
  ] as const)
    if (isConstant(values)) return { value: null, note: `spearmanr is null: all ${name} are the same.` };
  const [left, right] = [averageRanks(targets), averageRanks(predictions)];
  // The mean of the ranks 1 to n, with ties or without.
  const center = (targets.length + 1) / 2;
  let [both, ofLeft, ofRight] = [0, 0, 0];
  for (let at = 0; at < targets.length; at += 1) {
    const [a, b] = [left[at]! - center, right[at]! - center];
    both += a * b;
    ofLeft += a * a;
    ofRight += b * b;
  }
  // Rounding may lead a hair beyond 1.
  return { value: Math.max(-1, Math.min(1, both / Math.sqrt(ofLeft * ofRight))) };
}

function finite(name: string, value: number): Metric {
  return Number.isFinite(value)
    ? { value }
    : { value: null, note: `${name} is null: the numbers are too large to compute it with.` };
}

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);
const mean = (values: readonly number[]): number => sum(values) / values.length;
const isConstant = (values: readonly number[]): boolean => values.every((value) => value === values[0]);

function median(values: readonly number[]): number {
  const sorted = Float64Array.from(values).sort();
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}
