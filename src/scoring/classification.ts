// How often classes are right, as scikit-learn defines it:
// https://scikit-learn.org/stable/modules/model_evaluation.html#classification-metrics

import type { ClassificationMetrics, ClassScores } from '../domain/scoring.ts';
import { averageRanks } from './ranks.ts';
import { shownName } from '../table/format.ts';

/**
 * Most classes that are scored: the confusion matrix has the square of it, which at 200 is as much
 * as a person could look at.
 */
export const CLASSES_MAX = 200;

/** Scores of one class, one for each row; or why there are none. */
export type ScoresOf = (label: string) => { readonly scores: readonly number[] } | { readonly missing: string };

/**
 * The metrics of predicted classes, each of which stands for the target at the same place.
 *
 * @param targets at least one; `predictions` as many, and no more than `CLASSES_MAX` different ones
 *   in both together
 * @param scoresOf null where no class has any
 */
export function classificationMetrics(
  targets: readonly string[],
  predictions: readonly string[],
  scoresOf: ScoresOf | null,
): ClassificationMetrics {
  const labels = labelsOf(targets, predictions);
  const counts = confusionOf(labels, targets, predictions);
  const notes: string[] = [];
  const classes = labels.map((label, at) => {
    const right = counts[at]![at]!;
    const support = total(counts[at]!);
    const predicted = total(counts.map((row) => row[at]!));
    const told = scoresOf === null ? null : aucOf(label, targets, support, scoresOf);
    if (predicted === 0) notes.push(`precision of ${shownName(label)} is 0: it was never predicted.`);
    if (support === 0) notes.push(`recall of ${shownName(label)} is 0: it is the target of no row.`);
    if (told !== null && 'note' in told) notes.push(told.note);
    return {
      label,
      support,
      precision: predicted === 0 ? 0 : right / predicted,
      recall: support === 0 ? 0 : right / support,
      // A label is among the targets or the predictions, so this is never divided by zero.
      f1: (2 * right) / (predicted + support),
      rocAuc: told !== null && 'auc' in told ? told.auc : null,
    };
  });
  const weighted = weightedOf(classes);
  if (scoresOf === null)
    notes.push('roc_auc is null: the output has no scores, in columns named like a class and "_proba".');
  else if (weighted.rocAuc === null) notes.push('weighted roc_auc is null: that of a class is.');
  return {
    task: 'classification',
    support: targets.length,
    accuracy: total(counts.map((row, at) => row[at]!)) / targets.length,
    weighted,
    classes,
    confusion: { labels, counts },
    notes,
  };
}

/** Every class, numbers by their size and texts by their characters. */
export function labelsOf(targets: readonly string[], predictions: readonly string[]): string[] {
  const labels = [...new Set([...targets, ...predictions])];
  const areNumbers = labels.every((label) => label !== '' && Number.isFinite(Number(label)));
  return labels.toSorted(areNumbers ? (a, b) => Number(a) - Number(b) : byCharacters);
}

/**
 * Orders different texts by their characters, as Python does; `<` goes by halves of those beyond
 * U+FFFF, and has 😀 before ｱ.
 */
function byCharacters(a: string, b: string): number {
  let at = 0;
  while (at < a.length && a[at] === b[at]) at += 1;
  return (a.codePointAt(at) ?? -1) - (b.codePointAt(at) ?? -1);
}

function confusionOf(
  labels: readonly string[],
  targets: readonly string[],
  predictions: readonly string[],
): readonly (readonly number[])[] {
  const places = new Map(labels.map((label, at) => [label, at]));
  const counts = labels.map(() => labels.map(() => 0));
  for (const [at, target] of targets.entries()) {
    const [row, column] = [places.get(target)!, places.get(predictions[at]!)!];
    counts[row]![column]! += 1;
  }
  return counts;
}

function aucOf(
  label: string,
  targets: readonly string[],
  support: number,
  scoresOf: ScoresOf,
): { readonly auc: number } | { readonly note: string } {
  const isNull = `roc_auc of ${shownName(label)} is null:`;
  if (support === 0) return { note: `${isNull} it is the target of no row.` };
  if (support === targets.length) return { note: `${isNull} it is the target of every row.` };
  const given = scoresOf(label);
  if ('missing' in given) return { note: `${isNull} ${given.missing}.` };
  return {
    auc: rocAuc(
      targets.map((target) => target === label),
      given.scores,
    ),
  };
}

/**
 * The area under the ROC curve: how often a row of the class has a higher score than one that is
 * not, ties counting half.
 *
 * @param isOfClass at least one true and one false
 */
export function rocAuc(isOfClass: readonly boolean[], scores: readonly number[]): number {
  const ranks = averageRanks(scores);
  let [positives, rankSum] = [0, 0];
  for (const [at, isOne] of isOfClass.entries()) {
    if (!isOne) continue;
    positives += 1;
    rankSum += ranks[at]!;
  }
  return (rankSum - (positives * (positives + 1)) / 2) / (positives * (isOfClass.length - positives));
}

/** Means of the classes, weighted by their support. */
function weightedOf(classes: ClassificationMetrics['classes']): ClassScores {
  const present = classes.filter(({ support }) => support > 0);
  const support = total(present.map((one) => one.support));
  const weigh = (score: (one: ClassScores) => number): number =>
    total(present.map((one) => score(one) * one.support)) / support;
  return {
    precision: weigh(({ precision }) => precision),
    recall: weigh(({ recall }) => recall),
    f1: weigh(({ f1 }) => f1),
    rocAuc: present.some(({ rocAuc }) => rocAuc === null) ? null : weigh(({ rocAuc }) => rocAuc!),
  };
}

const total = (counts: readonly number[]): number => counts.reduce((sum, count) => sum + count, 0);
