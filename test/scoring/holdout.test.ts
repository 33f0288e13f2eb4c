import { describe, expect, test } from 'vitest';
import { type Holdout, holdoutOf, sampleOf } from '../../src/scoring/holdout.ts';

const csv = (text: string) => ({ bytes: new TextEncoder().encode(text), format: 'csv' as const });
const jsonl = (text: string) => ({ bytes: new TextEncoder().encode(text), format: 'jsonl' as const });
const NEEDS = { target: null, idColumn: null, features: [] };
const textOf = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);

function found(table: Parameters<typeof holdoutOf>[0]): Holdout {
  const holdout = holdoutOf(table, NEEDS);
  if ('mistake' in holdout) throw new Error(holdout.mistake);
  return holdout;
}

describe('rows that are held out', () => {
  test('are those whose training is false, as JSON, pandas and people write it', () => {
    expect(found(csv('x,training\n1,true\n2,False\n3,1\n4,0\n5, FALSE \n6,TRUE\n')).rows).toEqual([1, 3, 4]);
    expect(found(jsonl('{"training":true}\n{"training":false}\n{"training":0}\n')).rows).toEqual([1, 2]);
  });

  test('are all of them where there is no such column', () => {
    expect(found(csv('x\n1\n2\n')).rows).toEqual([0, 1]);
  });
});

test.each([
  ['it has no rows', 'x\n', {}, 'has no rows'],
  ['it has no target', 'x\n1\n', { target: 'y' }, 'has no column "y", which is the endpoint\'s target; it has "x"'],
  ['it has no ids', 'x\n1\n', { idColumn: 'id' }, 'has no column "id", which is the endpoint\'s idColumn; it has "x"'],
  ['it lacks features', 'X\n1\n', { features: ['x', 'z'] }, 'lacks "z" of the endpoint\'s features; it has "X"'],
  ['nothing is held out', 'training\ntrue\n1\n', {}, 'holds no row out: "training" is true in every row'],
  [
    'nobody knows whether a row is held out',
    'training,x\n0,1\n,2\n',
    {},
    'says neither true nor false in the column "training" of row 2',
  ],
])('evaluation data are refused where %s', (_name, text, needs, mistake) => {
  expect(holdoutOf(csv(text), { ...NEEDS, ...needs })).toEqual({ mistake });
});

describe('a sample', () => {
  const hundred = csv(`x,training\n${Array.from({ length: 100 }, (_, x) => `0${x},${x % 2 === 1}`).join('\n')}`);

  test('is spread over the rows that are held out, the same ones every time, with values as they stand', () => {
    const first = textOf(sampleOf(found(hundred), 5));
    expect(first.trim().split('\n')).toEqual([
      'x,training',
      '00,false',
      '020,false',
      '040,false',
      '060,false',
      '080,false',
    ]);
    expect(textOf(sampleOf(found(hundred), 5))).toBe(first);
  });

  test('is all of them, in their order, where there are no more', () => {
    for (const count of [50, 51, 1_000])
      expect(
        textOf(sampleOf(found(hundred), count))
          .trim()
          .split('\n'),
      ).toHaveLength(51);
  });

  test('keeps numbers that no double holds', () => {
    const big = '{"id":9007199254740993,"training":false}';
    expect(textOf(sampleOf(found(jsonl(`${big}\n`)), 1)).trim()).toBe(big);
  });
});
