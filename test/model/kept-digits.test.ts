import { describe, expect, test } from 'vitest';
import { rowsWithDigits, valueWithDigits } from '../../src/model/kept-digits.ts';
import type { TableFormat } from '../../src/table/format.ts';
import { decodeRows, encodeRows, type Row } from '../../src/table/rows.ts';

/** What is written of rows that a model made from a table. */
function written(text: string, format: TableFormat, predict: (row: Row) => Row = (row) => row, to = format): string {
  const body = new TextEncoder().encode(text);
  return new TextDecoder().decode(encodeRows(rowsWithDigits(decodeRows(body, format).map(predict), body, format), to));
}

/** Numbers that are handed through, each as JSON writes it and JavaScript would not. */
const NUMBERS = [
  ['a decimal of 16 digits', '75003283610278.63'],
  ['a decimal of 38 digits', '-123456789012345678901234567890.12345678'],
  ['an integer beyond 2^53', '9007199254740993'],
  ['the least int64', '-9223372036854775808'],
  ['the greatest uint64', '18446744073709551615'],
  ['a number beyond any double', '1e400'],
  ['a number below any double', '1e-400'],
  ['a fraction with a last zero', '1.50'],
  ['a whole number with a point', '1.0'],
  ['an exponent', '12E+3'],
  ['a negative zero', '-0'],
  ['a negative zero with a point', '-0.0'],
  ['many digits that a double has', '0.1000000000000000055511151231257827'],
] as const;

describe('a model that hands a number through answers with its digits', () => {
  test.each(NUMBERS)('%s', (_, digits) => {
    for (const line of [`{"n":${digits},"t":"x"}\n`, `{"t":"x","n":${digits}}\n`, `{"n":[{"m":[1,${digits}]}]}\n`])
      expect(written(line, 'jsonl')).toBe(line);
    expect(written(`[{"n":${digits}}]`, 'json')).toBe(`[{"n":${digits}}]`);
    expect(written(`{"n":${digits}}`, 'jsonl', (row) => row, 'csv')).toBe(`n\n${digits}\n`);
    const asNumber = (row: Row): Row => ({ n: Number(row['n']) });
    expect(written(`n\n${digits}\n`, 'csv', asNumber)).toBe(`n\n${digits}\n`);
    expect(written(`n\n${digits}\n`, 'csv', asNumber, 'jsonl')).toBe(`{"n":${digits}}\n`);
    expect(
      JSON.stringify(valueWithDigits({ n: [Number(digits)] }, new TextEncoder().encode(`{"n":[${digits}]}`))),
    ).toBe(`{"n":[${digits}]}`);
  });
});

test('a number that the model has computed is written as it is, also where the row has another of many digits', () => {
  const double = (row: Row): Row => ({ n: (row['n'] as number) * 2, m: row['m'] });
  expect(written('{"n":75003283610278.63,"m":9007199254740993}\n', 'jsonl', double)).toBe(
    '{"n":150006567220557.25,"m":9007199254740993}\n',
  );
  expect(written('{"n":-0.0}\n', 'jsonl', () => ({ n: 0 }))).toBe('{"n":0}\n');
  expect(written('{"n":1.0}\n{"n":2.0}\n', 'jsonl', () => ({ n: 2 }))).toBe('{"n":2}\n{"n":2.0}\n');
});

test('a column that was renamed, and a text, are not taken for the number', () => {
  const renamed = (row: Row): Row => ({ m: row['n'], n: String(row['n']) });
  expect(written('{"n":9007199254740993}\n', 'jsonl', renamed)).toBe('{"m":9007199254740992,"n":"9007199254740992"}\n');
  expect(written('{"n":"9007199254740993"}\n', 'jsonl', (row) => ({ n: Number(row['n']) }))).toBe(
    '{"n":9007199254740992}\n',
  );
  // Not as JSON writes a number, so that the model has made one of it on purpose.
  expect(written('n\n007.0\n', 'csv', (row) => ({ n: Number(row['n']) }))).toBe('n\n7\n');
});

test('rows that the model has changed in place, and those that it holds on to, are theirs', () => {
  const held: Row[] = [];
  const inPlace = (row: Row): Row => {
    row['n'] = Number(row['n']);
    held.push(row);
    return row;
  };
  expect(written('n\n9007199254740993\n', 'csv', inPlace)).toBe('n\n9007199254740993\n');
  expect(held).toEqual([{ n: 9_007_199_254_740_992 }]);
});

test('a column named __proto__ keeps its digits like any other', () => {
  expect(written('{"__proto__":1.0,"a":{"__proto__":2.0}}\n', 'jsonl')).toBe(
    '{"__proto__":1.0,"a":{"__proto__":2.0}}\n',
  );
});
