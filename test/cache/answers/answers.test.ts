import { expect, test } from 'vitest';
import { answeredRow, outcomesOf } from '../../../src/cache/answers/answers.ts';
import { type Answer, Columns } from '../../../src/cache/answers/columns.ts';
import { rowsFrom, textRowsFrom } from '../../../src/table/text-rows.ts';
import { encodeRows, type Row } from '../../../src/table/rows.ts';

/** The answers to rows that came back as these, and what they show of the columns. */
function answersOf(sent: readonly Row[], back: readonly Row[]): { answers: Answer[]; columns: Columns } {
  const columns = new Columns();
  const rules = { places: sent.map((_, at) => at), keyColumns: ['n'], check: null, columns };
  const outcomes = outcomesOf(textRowsFrom(sent), encodeRows(back, 'jsonl'), rules);
  return { answers: outcomes.map((outcome) => (outcome as { readonly answer: Answer }).answer), columns };
}

const answered = (row: Row, answer: Answer, columns: Columns): Row =>
  rowsFrom([answeredRow(textRowsFrom([row])[0]!, answer, columns)])[0]!;

test('a null that filled up a column that other rows had takes nobody’s own value', () => {
  const { answers, columns } = answersOf(
    [{ n: 1 }, { n: 2, note: 'b' }],
    [
      { n: 1, note: null },
      { n: 2, note: 'b' },
    ],
  );
  expect(answered({ n: 1 }, answers[0]!, columns)).toEqual({ n: 1, note: null });
  expect(answered({ n: 1, note: 'mine' }, answers[0]!, columns)).toEqual({ n: 1, note: 'mine' });
  expect(answered({ n: 2, note: 'mine' }, answers[1]!, columns)).toEqual({ n: 2, note: 'mine' });
});

test('a null that the model says is answered to who sends something else', () => {
  const { answers, columns } = answersOf(
    [{ n: 1 }, { n: 2 }],
    [
      { n: 1, y: null },
      { n: 2, y: 3 },
    ],
  );
  expect(answered({ n: 1 }, answers[0]!, columns)).toEqual({ n: 1, y: null });
  expect(answered({ n: 1, y: 99 }, answers[0]!, columns)).toEqual({ n: 1, y: null });
});

test('what is known to be the caller’s is not kept', () => {
  const sent = [{ n: 1 }, { n: 2, note: 'b' }];
  expect(answersOf(sent, sent).answers).toEqual([
    { handedOn: true, made: {}, alike: {}, filled: [] },
    { handedOn: true, made: {}, alike: {}, filled: [] },
  ]);
});

test('a column that the model drops is dropped from every row', () => {
  const { answers, columns } = answersOf([{ n: 1, id: 'a', note: 'x' }], [{ id: 'a', y: 1 }]);
  expect(answered({ n: 1, id: 'b', note: 'y', more: 0 }, answers[0]!, columns)).toEqual({ id: 'b', y: 1 });
});
