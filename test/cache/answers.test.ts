import { expect, test } from 'vitest';
import { answeredRow, outcomesOf } from '../../src/cache/answers.ts';
import { type Answer, Columns } from '../../src/cache/columns.ts';
import { rowsFrom, textRowsFrom } from '../../src/table/text-rows.ts';
import { encodeRows, type Row } from '../../src/table/rows.ts';

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

test('rows that came back in another number are kept for none', () => {
  const rows = [{ n: 1 }, { n: 2 }];
  expect(() => answersOf(rows, rows.slice(1))).toThrow('2 rows were sent, and 1 came back; nothing of them is kept.');
  expect(() => answersOf(rows, [...rows, { n: 3 }])).toThrow('2 rows were sent, and 3 came back');
});

test('a row that failed is no answer, and says why', () => {
  const columns = new Columns();
  const sent = textRowsFrom([{ n: 1 }, { n: 2 }]);
  const back = encodeRows(
    [
      { n: 1, y: 2, inference_error: null },
      { n: 2, y: null, inference_error: 'no' },
    ],
    'jsonl',
  );
  const outcomes = outcomesOf(sent, back, { places: [0, 1], keyColumns: ['n'], check: null, columns });
  expect(outcomes).toEqual([{ answer: { handedOn: true, made: { y: '2' }, alike: {}, filled: [] } }, { reason: 'no' }]);
});

test('a row that came back with another key than it was sent with is kept for none', () => {
  const check = { keyColumn: 'n', outputKeyColumn: 'was' };
  const outcome = (was: unknown) => {
    const back = encodeRows([{ n: 'standardised', was }], 'jsonl');
    const rules = { places: [6], keyColumns: ['n'], check, columns: new Columns() };
    return outcomesOf(textRowsFrom([{ n: 1 }]), back, rules);
  };
  expect(outcome(1)).toMatchObject([{ answer: {} }]);
  expect(() => outcome(2)).toThrow('came back with another key');
});
