import { describe, expect, test } from 'vitest';
import { newRunId } from '../../src/system/clock.ts';
import { parseRunId } from '../../src/domain/ids.ts';

test('ids that we make are ids', () => {
  for (let count = 0; count < 1_000; count += 1) {
    const id = newRunId();
    expect(parseRunId(id)).toBe(id);
  }
});

test('ids that we make differ, and sort by the millisecond that they were made in', () => {
  const ids = Array.from({ length: 1_000 }, newRunId);
  expect(new Set(ids).size).toBe(1_000);
  const times = ids.map((id) => id.slice(0, 13));
  expect(times).toEqual(times.toSorted());
});

describe('what is no id', () => {
  const ID = '0198b0ff-0000-7000-8000-000000000000';
  test.each([
    ['nothing', ''],
    ['a word', 'abc'],
    ['one in upper case', ID.toUpperCase()],
    ['one of another version', ID.replace('7000', '4000')],
    ['one of another variant', ID.replace('8000', '0000')],
    ['one without hyphens', ID.replaceAll('-', '')],
    ['one with something before it', ` ${ID}`],
    ['one with something behind it', `${ID}/output`],
    ['one with a line end behind it', `${ID}\n`],
    ['one in braces', `{${ID}}`],
  ])('%s names no run', (_, text) => {
    expect(parseRunId(text)).toBeNull();
  });
});
