import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { classificationMetrics, rocAuc } from '../../src/scoring/classification.ts';

const scoresAs =
  (scores: Readonly<Record<string, readonly number[]>>) =>
  (label: string): { scores: readonly number[] } | { missing: string } =>
    scores[label] === undefined ? { missing: 'there is none' } : { scores: scores[label] };

describe('what scikit-learn says of the examples in its documentation', () => {
  test('precision_recall_fscore_support', () => {
    const metrics = classificationMetrics(
      ['cat', 'dog', 'pig', 'cat', 'dog', 'pig'],
      ['cat', 'pig', 'dog', 'cat', 'cat', 'dog'],
      null,
    );
    expect(metrics.classes.map(({ label, support, recall }) => [label, support, recall])).toEqual([
      ['cat', 2, 1],
      ['dog', 2, 0],
      ['pig', 2, 0],
    ]);
    expect(metrics.weighted.precision).toBeCloseTo(0.222_222, 6);
    expect(metrics.weighted.recall).toBeCloseTo(0.333_333, 6);
    expect(metrics.weighted.f1).toBeCloseTo(0.266_667, 6);
  });

  test('classification_report: a class that is never predicted right, and one that is predicted and never there', () => {
    const { classes, weighted, accuracy, notes } = classificationMetrics(['1', '1', '1'], ['1', '2', '3'], null);
    expect(accuracy).toBeCloseTo(1 / 3, 15);
    expect(classes).toMatchObject([
      { label: '1', precision: 1, recall: 1 / 3, f1: 0.5, support: 3 },
      { label: '2', precision: 0, recall: 0, f1: 0, support: 0 },
      { label: '3', precision: 0, recall: 0, f1: 0, support: 0 },
    ]);
    expect(weighted).toMatchObject({ precision: 1, recall: 1 / 3, f1: 0.5 });
    expect(notes.filter((note) => note.startsWith('recall'))).toEqual([
      'recall of "2" is 0: it is the target of no row.',
      'recall of "3" is 0: it is the target of no row.',
    ]);
  });

  test('confusion_matrix', () => {
    const numbers = classificationMetrics(['2', '0', '2', '2', '0', '1'], ['0', '0', '2', '2', '0', '2'], null);
    expect(numbers.confusion).toEqual({
      labels: ['0', '1', '2'],
      counts: [
        [2, 0, 0],
        [0, 0, 1],
        [1, 0, 2],
      ],
    });
    expect(numbers.notes).toContain('precision of "1" is 0: it was never predicted.');
    const texts = classificationMetrics(
      ['cat', 'ant', 'cat', 'cat', 'ant', 'bird'],
      ['ant', 'ant', 'cat', 'cat', 'ant', 'cat'],
      null,
    );
    expect(texts.confusion).toEqual({
      labels: ['ant', 'bird', 'cat'],
      counts: [
        [2, 0, 0],
        [0, 0, 1],
        [1, 0, 2],
      ],
    });
  });

  test('roc_auc_score', () => {
    expect(rocAuc([false, false, true, true], [0.1, 0.4, 0.35, 0.8])).toBe(0.75);
  });
});

test('classes that are numbers stand in the order of their size', () => {
  expect(classificationMetrics(['10', '9'], ['9', '-1'], null).confusion.labels).toEqual(['-1', '9', '10']);
});

test('classes that are texts stand in the order of their characters, also of those beyond U+FFFF', () => {
  const sorted = ['Z', 'a', 'aa', 'b', 'é', 'ｱ', '😀', '😀a', '😁'];
  expect(classificationMetrics(sorted.toReversed(), sorted, null).confusion.labels).toEqual(sorted);
});

describe('roc_auc', () => {
  const targets = ['a', 'b', 'a', 'c'];

  test('is each class against the others, and the mean weighted by support', () => {
    const { classes, weighted, notes } = classificationMetrics(
      targets,
      targets,
      scoresAs({ a: [0.9, 0.1, 0.1, 0.1], b: [0, 1, 0, 0], c: [0.5, 0.5, 0.5, 0.5] }),
    );
    // Of the four pairs of an a and another row, two are told apart and two are ties.
    expect(classes.map((one) => one.rocAuc)).toEqual([0.75, 1, 0.5]);
    expect(weighted.rocAuc).toBe((2 * 0.75 + 1 + 0.5) / 4);
    expect(notes).toEqual([]);
  });

  test('is null for a class without scores, and so is the mean then', () => {
    const { classes, weighted, notes } = classificationMetrics(targets, targets, scoresAs({ a: [1, 0, 1, 0] }));
    expect(classes.map((one) => one.rocAuc)).toEqual([1, null, null]);
    expect(weighted.rocAuc).toBeNull();
    expect(notes).toContain('roc_auc of "b" is null: there is none.');
  });

  test('is null where a class is on no row, or on every one; a class without rows weighs nothing', () => {
    const one = classificationMetrics(['a', 'a'], ['a', 'b'], scoresAs({ a: [1, 0], b: [0, 1] }));
    expect(one.classes.map(({ rocAuc: auc }) => auc)).toEqual([null, null]);
    expect(one.notes).toContain('roc_auc of "a" is null: it is the target of every row.');
    const stray = classificationMetrics(['a', 'b'], ['a', 'c'], scoresAs({ a: [1, 0], b: [0, 1] }));
    expect(stray.weighted.rocAuc).toBe(1);
  });

  test('is told of once where there are no scores at all', () => {
    const { notes } = classificationMetrics(targets, targets, null);
    expect(notes).toEqual(['roc_auc is null: the output has no scores, in columns named like a class and "_proba".']);
  });
});

test('roc_auc is the share of pairs that are told apart, ties counting half', () => {
  const rows = fc.array(fc.tuple(fc.boolean(), fc.integer({ min: 0, max: 8 })), { minLength: 2, maxLength: 50 });
  fc.assert(
    fc.property(rows, (given) => {
      const scoresOf = (wanted: boolean): number[] => given.flatMap(([is, score]) => (is === wanted ? [score] : []));
      const [positives, negatives] = [scoresOf(true), scoresOf(false)];
      fc.pre(positives.length > 0 && negatives.length > 0);
      let won = 0;
      for (const a of positives) for (const b of negatives) won += a > b ? 1 : a === b ? 0.5 : 0;
      const auc = rocAuc(
        given.map(([is]) => is),
        given.map(([, score]) => score),
      );
      expect(auc).toBeCloseTo(won / (positives.length * negatives.length), 12);
    }),
  );
});

test('every score is what counting the rows says, and none is NaN', () => {
  const label = fc.constantFrom('a', 'b', 'c', 'd');
  fc.assert(
    fc.property(fc.array(fc.tuple(label, label), { minLength: 1, maxLength: 40 }), (rows) => {
      const { classes, weighted, accuracy, confusion } = classificationMetrics(
        rows.map(([target]) => target),
        rows.map(([, prediction]) => prediction),
        null,
      );
      const share = (part: number, whole: number): number => (whole === 0 ? 0 : part / whole);
      let [precisions, recalls, f1s] = [0, 0, 0];
      for (const one of classes) {
        const is = rows.filter(([target]) => target === one.label);
        const said = rows.filter(([, prediction]) => prediction === one.label);
        const right = is.filter(([, prediction]) => prediction === one.label).length;
        expect(one).toMatchObject({
          support: is.length,
          precision: share(right, said.length),
          recall: share(right, is.length),
        });
        expect(one.f1).toBeCloseTo(share(2 * one.precision * one.recall, one.precision + one.recall), 12);
        precisions += one.precision * is.length;
        recalls += one.recall * is.length;
        f1s += one.f1 * is.length;
      }
      expect(weighted.precision).toBeCloseTo(precisions / rows.length, 12);
      expect(weighted.recall).toBeCloseTo(recalls / rows.length, 12);
      expect(weighted.f1).toBeCloseTo(f1s / rows.length, 12);
      expect(accuracy).toBe(rows.filter(([target, prediction]) => target === prediction).length / rows.length);
      expect(confusion.counts.flat().reduce((sum, count) => sum + count, 0)).toBe(rows.length);
    }),
  );
});
