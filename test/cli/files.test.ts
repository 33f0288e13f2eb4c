import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { UsageError } from '../../src/cli/failure.ts';
import { readInput } from '../../src/cli/files.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'claimcheck-files-'));
  await writeFile(join(folder, 'x.csv'), 'a\n1\n');
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const NOTHING = { file: undefined, data: undefined, type: undefined };

test.each([
  ['no input', {}, 'There is no input.'],
  ['two inputs', { file: 'in.csv', data: '1' }, 'There are two inputs'],
  ['data that is not JSON', { data: '{a: 1}' }, 'The text after -d is not JSON'],
  [
    'a file that is not there',
    { file: '/nowhere/in.csv' },
    '/nowhere/in.csv cannot be read: there is no such file or folder.',
  ],
  ['a folder', { file: tmpdir() }, 'cannot be read: it is a folder.'],
  ['standard input without a type', { file: '-' }, 'Standard input has no name'],
  [
    'a type that is none',
    { file: 'x.csv', type: 'excel' },
    '--type excel is neither csv, jsonl, json, arrow nor parquet',
  ],
])('%s is refused with what to do', async (_what, given, message) => {
  const read = readInput({ ...NOTHING, ...given });
  await expect(read).rejects.toBeInstanceOf(UsageError);
  await expect(read).rejects.toThrow(message);
});

test.each([
  [
    'trailing.json',
    '[{"id":1},]',
    'trailing.json is not JSON: a character stands where a value should (line 1, column 11).',
  ],
  ['second.json', '{\n  "a": 1\n  "b": 2\n}', '(line 3, column 3).'],
  ['two.json', '{} {}', 'it goes on after its end (line 1, column 4).'],
  ['marked.json', '\ufeff{"a": 1,}', '(line 1, column 9).'],
  ['empty.json', '', 'empty.json is not JSON: it is empty.'],
  ['blank.json', ' \n', 'blank.json is not JSON: it is empty.'],
])(
  'the place of what is wrong in %s is counted in the file, and not in what would be sent',
  async (name, text, message) => {
    await writeFile(join(folder, name), text);
    const read = readInput({ ...NOTHING, file: join(folder, name) });
    await expect(read).rejects.toBeInstanceOf(UsageError);
    await expect(read).rejects.toThrow(message);
  },
);

test.each([
  ['t.tsv', 'Its columns are separated by tabs.'],
  ['t.xlsx', 'Save its sheet as .csv.'],
  ['t.XLS', 'Save its sheet as .csv.'],
  ['t.csv.gz', 'Decompress it first.'],
])('%s, which no model could be given the rows of, is refused unless its type is said', async (name, message) => {
  const file = join(folder, name);
  await writeFile(file, 'a\n1\n');
  await expect(readInput({ ...NOTHING, file })).rejects.toThrow(message);
  await expect(readInput({ ...NOTHING, file })).rejects.toBeInstanceOf(UsageError);
  await expect(readInput({ ...NOTHING, file, type: 'image/png' })).resolves.toMatchObject({ contentType: 'image/png' });
});

test.each([
  ['molecules.csv', undefined, 'text/csv'],
  ['ROWS.NDJSON', undefined, 'application/jsonlines'],
  ['a.json', undefined, 'application/json'],
  ['photo.jpeg', undefined, 'image/jpeg'],
  ['a.feather', undefined, 'application/vnd.apache.arrow.stream'],
  ['weights.bin', undefined, 'application/octet-stream'],
  ['scan.nii.gz', undefined, 'application/octet-stream'],
  ['table.txt', 'csv', 'text/csv'],
  ['table.csv', 'image/png', 'image/png'],
])('the file %s with --type %s is %s', async (name, type, contentType) => {
  await writeFile(join(folder, name), '1\n');
  await expect(readInput({ ...NOTHING, file: join(folder, name), type })).resolves.toMatchObject({ contentType });
});

test('JSON text keeps its numbers as they were written', async () => {
  const { bytes } = await readInput({ ...NOTHING, data: '{"big": 9007199254740993}' });
  expect(new TextDecoder().decode(bytes as Uint8Array)).toBe('{"big": 9007199254740993}');
});
