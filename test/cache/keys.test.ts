import { describe, expect, test } from 'vitest';
import { keysOf } from '../../src/cache/keys.ts';
import { sha256Hex } from '../../src/client/environment.ts';
import { TableError } from '../../src/table/format.ts';
import type { TextRow } from '../../src/table/text-rows.ts';

const row = (values: Readonly<Record<string, string>>): TextRow => new Map(Object.entries(values));
const keys = (rows: readonly TextRow[], ...columns: string[]): Promise<string[]> => keysOf(rows, columns, sha256Hex);

describe('rows have the same key', () => {
  test.each([
    ['that spell a text with escapes and without', { n: '"\\u00e9"' }, { n: '"é"' }],
    ['that differ in other columns', { n: '1', other: '2' }, { n: '1', other: '3' }],
    ['whose columns stand in another order', { n: '1', other: '2' }, { other: '2', n: '1' }],
  ])('%s', async (_, one, other) => {
    const [a, b] = await keys([row(one), row(other)], 'n');
    expect(a).toBe(b);
  });
});

describe('rows have keys of their own', () => {
  test.each([
    ['where a number is a text', { n: '1' }, { n: '"1"' }],
    [
      'where a number has other digits, though no double tells them apart',
      { n: '9007199254740993' },
      { n: '9007199254740992' },
    ],
    ['where a value is null', { n: 'null' }, { n: '"null"' }],
  ])('%s', async (_, one, other) => {
    const [a, b] = await keys([row(one), row(other)], 'n');
    expect(a).not.toBe(b);
  });

  test('by other columns, though their values are the same', async () => {
    const same = row({ a: '1', b: '1' });
    expect(await keys([same], 'a')).not.toEqual(await keys([same], 'b'));
  });

  test('by two columns, wherever a comma stands', async () => {
    const [one, other] = await keys([row({ a: '"x,"', b: '"y"' }), row({ a: '"x"', b: '",y"' })], 'a', 'b');
    expect(one).not.toBe(other);
  });
});

test('a row without a key column is refused with its place, and not taken for every other such row', async () => {
  const asked = keys([row({ n: '1' }), row({ m: '2' })], 'n');
  await expect(asked).rejects.toThrow(TableError);
  await expect(asked).rejects.toThrow('Row 2 has no "n"');
});
