import { mkdir, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { UNSCORED } from '../../src/domain/scoring.ts';
import { readEvaluation } from '../../src/scoring/evaluation-file.ts';
import { folderForTest } from '../support/folder.ts';

const read = (evaluation: string | null) => readEvaluation({ features: [], scoring: { ...UNSCORED, evaluation } });

test('an endpoint of which nothing is said has no evaluation data', async () => {
  expect(await readEvaluation({ features: [] })).toBeNull();
  expect(await read(null)).toBeNull();
});

test('a file is read by what its name ends with', async () => {
  const folder = await folderForTest();
  for (const [name, text] of [
    ['a.csv', 'x\n1\n'],
    ['a.jsonl', '{"x":1}\n'],
    ['a.NDJSON', '{"x":1}\n'],
  ] as const) {
    await writeFile(join(folder, name), text);
    expect(await read(join(folder, name))).toMatchObject({ rows: [0] });
  }
});

test('what is wrong with a file is told with its path', async () => {
  const folder = await folderForTest();
  const file = (name: string): string => join(folder, name);
  await mkdir(file('folder.csv'));
  await writeFile(file('ragged.csv'), 'a,b\n1\n');
  await writeFile(file('long.csv'), 'a\n');
  await truncate(file('long.csv'), 64 * 2 ** 20 + 1);
  for (const [name, mistake] of [
    ['none.csv', /none\.csv does not exist$/],
    ['rows.xlsx', /rows\.xlsx is no evaluation data: name a \.csv or \.jsonl file$/],
    ['folder.csv', /folder\.csv cannot be read: EISDIR/],
    ['ragged.csv', /ragged\.csv cannot be read: .*has 1 value where the header names 2 columns/],
    ['long.csv', /long\.csv has 67108865 bytes; at most 64 MiB are read/],
  ] as const)
    expect(await read(file(name))).toEqual({ mistake: expect.stringMatching(mistake) });
});
