import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { ServiceError } from '../../src/domain/errors.ts';
import type { ScoringChoice } from '../../src/domain/scoring.ts';
import { regressionMetrics } from '../../src/scoring/regression.ts';
import { numberLabelOf } from '../../src/scoring/values.ts';
import { scoreTable, type ScoreRequest } from '../../src/scoring/score.ts';
import { encodeRows, type Row } from '../../src/table/rows.ts';

const csv = (text: string) => ({ bytes: new TextEncoder().encode(text), format: 'csv' as const });
const jsonl = (rows: readonly Row[]) => ({ bytes: encodeRows(rows, 'jsonl'), format: 'jsonl' as const });

type Tables = Pick<ScoreRequest, 'input' | 'output'> & Partial<ScoreRequest>;
const score = (tables: Tables, choice: Partial<ScoringChoice> = {}) =>
  scoreTable({
    dropped: [],
    idColumn: null,
    ...tables,
    choice: { target: 'y', prediction: null, task: null, ...choice },
  });

const refusal = (tables: Tables, choice: Partial<ScoringChoice> = {}): ServiceError => {
  try {
    score(tables, choice);
  } catch (error) {
    return error as ServiceError;
  }
  throw new Error('It was scored.');
};

describe('rows', () => {
  test('that failed are counted and never scored, even where something stands in their prediction', () => {
    const { rows, metrics } = score({
      input: csv('y\n1\n2\n3\n'),
      output: csv('prediction,inference_error\n1,\n999,model-error: no\n3,\n'),
    });
    expect(rows).toEqual({ total: 3, failed: 1, withoutTarget: 0, withoutPrediction: 0, comparable: 2 });
    expect(metrics).toMatchObject({ support: 2, rmse: 0 });
  });

  test('that were left out of the output are counted as failed, and the others keep their targets', () => {
    const { rows, metrics, ids } = score({
      input: csv('id,y\na,1\nb,2\nc,3\nd,4\n'),
      output: csv('prediction\n1\n4\n'),
      dropped: [{ from: 1, to: 3 }],
      idColumn: 'id',
    });
    expect(rows).toMatchObject({ total: 4, failed: 2, comparable: 2 });
    expect(metrics).toMatchObject({ rmse: 0, mae: 0 });
    expect(ids).toEqual({ column: 'id', values: ['a', 'd'] });
  });

  test('without a target, and those without a prediction, are counted apart', () => {
    const { rows, metrics } = score({
      input: jsonl([{ y: 1 }, { y: null }, {}, { y: 'NaN' }, { y: 5 }, { y: 6 }]),
      output: jsonl([1, 2, 3, 4, null, 6].map((prediction) => ({ prediction }))),
    });
    expect(rows).toEqual({ total: 6, failed: 0, withoutTarget: 3, withoutPrediction: 1, comparable: 2 });
    expect(metrics).toMatchObject({ support: 2 });
  });

  test('that are not those of the input are refused, since nobody knows which belong together', () => {
    const { slug, message } = refusal({ input: csv('y\n1\n2\n'), output: csv('prediction\n1\n') });
    expect(slug).toBe('invalid-request');
    expect(message).toContain('The input has 2 rows and the output 1, and');
  });
});

test('every row is counted once, and the metrics are those of the rows that are compared, also where some are missing', () => {
  const cell = fc.option(fc.integer({ min: -9, max: 9 }), { nil: null });
  const row = fc.record({ y: cell, prediction: cell, fate: fc.constantFrom('answered', 'marked', 'dropped') });
  fc.assert(
    fc.property(
      fc.array(row, { minLength: 1, maxLength: 30 }),
      fc.constantFrom('csv', 'jsonl', 'json'),
      (rows, format) => {
        const answered = rows.filter(({ fate }) => fate !== 'dropped');
        const { rows: counts, metrics } = score({
          input: {
            bytes: encodeRows(
              rows.map(({ y }, id) => ({ id, y })),
              format,
              ['id', 'y'],
            ),
            format,
          },
          output: {
            bytes: encodeRows(
              answered.map(({ prediction, fate }) => ({
                prediction,
                inference_error: fate === 'marked' ? 'model-error: no' : null,
              })),
              format,
              ['prediction', 'inference_error'],
            ),
            format,
          },
          dropped: rows.flatMap(({ fate }, from) => (fate === 'dropped' ? [{ from, to: from + 1 }] : [])),
        });
        const { total, failed, withoutTarget, withoutPrediction, comparable } = counts;
        expect(failed + withoutTarget + withoutPrediction + comparable).toBe(total);
        expect([total, failed]).toEqual([rows.length, rows.filter(({ fate }) => fate !== 'answered').length]);
        const pairs = rows.filter(
          ({ y, prediction, fate }) => fate === 'answered' && y !== null && prediction !== null,
        );
        expect(comparable).toBe(pairs.length);
        const [targets, predictions] = [pairs.map(({ y }) => y!), pairs.map(({ prediction }) => prediction!)];
        expect(metrics).toEqual(pairs.length === 0 ? null : regressionMetrics(targets, predictions));
      },
    ),
  );
});

describe('no metrics', () => {
  const output = csv('prediction\n1\n');
  test.each([
    ['no target is named', { input: csv('y\n1\n'), output }, { target: null }, /^No target column is named/],
    ['the table has no target', { input: csv('x\n1\n'), output }, {}, /^The input has no column "y"\.$/],
    ['every target is empty', { input: csv('x,y\n1,\n'), output }, {}, /^No row has both a target and a prediction/],
    ['there are no rows', { input: csv('y\n'), output: csv('y\n') }, {}, /^There are no rows\.$/],
    [
      'every row has failed',
      { input: csv('y\n1\n'), output: csv('y,inference_error\n1,no\n') },
      {},
      /^Every row has failed\.$/,
    ],
    [
      'a class is no number',
      { input: csv('y\na\n'), output },
      { task: 'regression' as const },
      /^This is no regression: the target in row 1 of the output is no number\.$/,
    ],
  ])('come of it where %s, and the reason is told', (_name, tables, choice, reason) => {
    const scored = score(tables, choice);
    expect(scored.metrics).toBeNull();
    expect(scored.reason).toMatch(reason);
    const { total, failed, withoutTarget, withoutPrediction, comparable } = scored.rows;
    expect(failed + withoutTarget + withoutPrediction + comparable).toBe(total);
  });

  test('come of more classes than anybody could look at; the value that made classes of numbers is told', () => {
    const numbers = Array.from({ length: 201 }, (_, y) => ({ y }));
    const predicted = numbers.map(({ y }) => ({ prediction: y === 150 ? 'about 150' : y }));
    expect(score({ input: jsonl(numbers), output: jsonl(predicted) }).reason).toBe(
      'This was taken for a classification, since the prediction in row 151 of the output is no number; it has 202 classes, and at most 200 are scored.',
    );
  });
});

describe('the prediction', () => {
  const input = csv('y\n1\n2\n');

  test.each(['prediction', 'Prediction', 'predicted_y', 'y_predicted', 'y_prediction', 'y_pred', 'pred_y'])(
    'is found in a column %s',
    (name) => {
      expect(score({ input, output: csv(`y,${name}\n1,1\n2,2\n`) })).toMatchObject({
        prediction: name,
        metrics: { rmse: 0 },
      });
    },
  );

  test('is in the column that is named, beside any others', () => {
    const output = csv('prediction,mine\n9,1\n9,2\n');
    expect(score({ input, output }, { prediction: 'mine' })).toMatchObject({
      prediction: 'mine',
      metrics: { rmse: 0 },
    });
  });

  test('is not guessed among several, nor taken from a column that the model may only have given back', () => {
    const several = csv('prediction,y_pred\n9,1\n9,2\n');
    expect(refusal({ input, output: several }).message).toContain(
      'Several columns of the output may hold the prediction of "y": "prediction", "y_pred"; it has',
    );
    const older = csv('y,prediction\n1,8\n2,8\n');
    expect(refusal({ input: older, output: csv('y,prediction,mine\n1,8,1\n2,8,2\n') }).message).toContain(
      'no column of its own',
    );
    expect(score({ input: older, output: several })).toMatchObject({ prediction: 'y_pred', metrics: { rmse: 0 } });
  });

  test('is asked for where it cannot be told, and the columns are listed', () => {
    const { message, extras } = refusal({ input, output: csv('y,rings\n1,1\n2,2\n') });
    expect(message).toContain('it has "y", "rings". Name one with "prediction"');
    expect(extras.errors).toEqual([{ pointer: '/prediction', detail: 'must be named' }]);
    expect(refusal({ input, output: csv('y\n1\n2\n') }, { prediction: 'z' }).message).toContain(
      'The output has no column "z"; it has "y"',
    );
  });
});

describe('what is scored', () => {
  test('is a regression where targets and predictions are numbers, however they are written', () => {
    expect(
      score({ input: csv('y\n1\n2.50\n1e1\n'), output: jsonl([1, 2.5, 10].map((y_pred) => ({ y_pred }))) }),
    ).toMatchObject({ metrics: { task: 'regression', rmse: 0, r2: 1 } });
  });

  test('is a classification where numbers have zeros in front, since codes have them and amounts do not', () => {
    const { metrics } = score({ input: csv('y\n00501\n02134\n'), output: csv('y_pred\n00501\n2134\n') });
    expect(metrics).toMatchObject({ task: 'classification', accuracy: 0.5 });
    const codes = Array.from({ length: 1_001 }, (_, code) => `0${code}`).join('\n');
    expect(score({ input: csv(`y\n${codes}\n`), output: csv(`y_pred\n${codes}\n`) }).reason).toMatch(
      /^This was taken for a classification, since the target in row 1 of the output has a zero in front, as codes have; it has/,
    );
    expect(score({ input: csv('y\n0.5\n0\n-0\n'), output: csv('y_pred\n0\n0e1\n1\n') })).toMatchObject({
      metrics: { task: 'regression' },
    });
  });

  test.each(['jsonl', 'json'] as const)('tells whole numbers apart that are one as doubles, and ids: %s', (format) => {
    const text = (rows: readonly string[]): string => (format === 'json' ? `[${rows.join(',')}]` : rows.join('\n'));
    const table = (...rows: string[]) => ({ bytes: new TextEncoder().encode(text(rows)), format });
    const input = table('{"y":9007199254740993,"id":9007199254740993}', '{"y":1,"id":9007199254740992}', '{"id":3}');
    const output = table('{"y_pred":9007199254740992}', '{"y_pred":1.0}', '{"y_pred":[1,{"a":9007199254740993}]}');
    const scored = score({ input, output, idColumn: 'id' }, { task: 'classification' });
    expect(scored).toMatchObject({
      metrics: { accuracy: 0.5, confusion: { labels: ['1', '9007199254740993', '9007199254740992'] } },
      rows: { withoutTarget: 1 },
      ids: { values: ['9007199254740993', 9007199254740992, 3] },
    });
    expect(score({ input: table('{"y":1e400}'), output: table('{"y_pred":1}') }).metrics).toMatchObject({
      classes: [{ label: '1' }, { label: '1e400' }],
    });
  });

  test('is a classification of numbers where that is said; 1 and 1.0 are one class', () => {
    const { metrics } = score(
      { input: csv('y\n0\n1\n'), output: csv('prediction\n0.0\n1.0\n') },
      { task: 'classification' },
    );
    expect(metrics).toMatchObject({ task: 'classification', accuracy: 1, confusion: { labels: ['0', '1'] } });
  });

  test('is a classification of what is true and false; True as Python writes it and true as JSON does are one class', () => {
    const { metrics } = score({
      input: csv('y\nTrue\nFalse\nTRUE\n'),
      output: jsonl([true, false, false].map((y_pred, row) => ({ y_pred, True_proba: [0.9, 0.2, 0.4][row]! }))),
    });
    expect(metrics).toMatchObject({
      accuracy: 2 / 3,
      classes: [{ label: 'false' }, { label: 'true', rocAuc: 1 }],
      confusion: { labels: ['false', 'true'] },
    });
    const others = score({ input: csv('y\nTrue\ntrue\nmaybe\n'), output: csv('y_pred\nTrue\ntrue\nmaybe\n') });
    expect(others.metrics).toMatchObject({ confusion: { labels: ['True', 'maybe', 'true'] } });
  });

  test('is a classification of texts, with scores from the columns that are named like a class', () => {
    const { metrics } = score({
      input: csv('y\nno\nyes\nno\nyes\n'),
      output: csv('prediction,no_proba,yes_proba,inference_error\nno,.9,.1,\nyes,.6,.4,\nno,.65,.35,\n,,,gone\n'),
    });
    expect(metrics).toMatchObject({ support: 3, accuracy: 1, weighted: { rocAuc: 1 }, notes: [] });
  });

  test('has no roc_auc of a class one of whose scores is no number, and says which', () => {
    const { metrics } = score({ input: csv('y\na\nb\n'), output: csv('y_pred,a_proba,b_proba\na,1,0\nb,high,1\n') });
    expect(metrics).toMatchObject({
      classes: [{ rocAuc: null }, { rocAuc: 1 }],
      notes: [
        'roc_auc of "a" is null: the score "a_proba" in row 2 of the output is no number.',
        'weighted roc_auc is null: that of a class is.',
      ],
    });
  });

  test('has no roc_auc of a class from the scores of one that differs in case alone', () => {
    const { metrics } = score({ input: csv('y\na\nA\nb\n'), output: csv('y_pred,a_proba\na,1\nA,0\nb,0\n') });
    expect(metrics).toMatchObject({
      classes: [
        { label: 'A', rocAuc: null },
        { label: 'a', rocAuc: 1 },
        { label: 'b', rocAuc: null },
      ],
    });
    expect(metrics?.notes).toContain('roc_auc of "A" is null: the output has no column "A_proba".');
    const single = score({ input: csv('y\na\nb\n'), output: csv('y_pred,A_Proba,b_proba\na,1,0\nb,0,1\n') });
    expect(single.metrics).toMatchObject({ weighted: { rocAuc: 1 } });
  });

  test('is read whole, also where a table is longer than one slice of it', () => {
    const rows = Array.from({ length: 25_000 }, (_, y) => ({ y, ...(y === 24_999 && { late: 1 }) }));
    const { metrics, rows: counts } = score({
      input: jsonl(rows),
      output: jsonl(rows.map(({ y }) => ({ prediction: y + (y % 2 === 0 ? 1 : -1) }))),
    });
    expect(counts.comparable).toBe(25_000);
    expect(metrics).toMatchObject({ support: 25_000, rmse: 1, mae: 1, medae: 1 });
    expect(
      score({ input: jsonl(rows), output: jsonl(rows) }, { target: 'late', prediction: 'late' }).rows,
    ).toMatchObject({
      withoutTarget: 24_999,
      comparable: 1,
    });
  });

  test('is not fooled by a column that every object seems to have', () => {
    expect(score({ input: csv('y\n1\n'), output: csv('prediction\n1\n') }, { target: 'constructor' }).reason).toBe(
      'The input has no column "constructor".',
    );
  });
});

describe('a class that is written as a number', () => {
  test.each([
    ['1', '1.0'],
    ['1', 1],
    ['-1.50', -1.5],
    ['0.0', '-0'],
    ['1e+20', 1e20],
    ['0.30000000000000004', 0.1 + 0.2],
  ])('is the same as %s and as %s', (one, other) => {
    expect(numberLabelOf(one)).toBe(numberLabelOf(other));
  });

  test.each([
    ['007', '7'],
    ['007', 7],
    ['007', '07'],
    ['+7', '7'],
    ['1e5', '100000'],
    ['00', '0'],
    ['.5', '0.5'],
    ['9007199254740993', '9007199254740992'],
    ['0.1000000000000000055', '0.1'],
  ])('is another one as %s than as %s', (one, other) => {
    expect(numberLabelOf(one)).not.toBe(numberLabelOf(other));
  });
});
