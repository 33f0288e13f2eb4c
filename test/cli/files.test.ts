import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { UsageError } from '../../src/cli/failure.ts';
import { checkWritable, readInput, wantedType } from '../../src/cli/files.ts';

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
  ['a type that is none', { file: 'x.csv', type: 'excel' }, '--type excel is neither csv, jsonl nor json'],
])('%s is refused with what to do', async (_what, given, message) => {
  const read = readInput({ ...NOTHING, ...given });
  await expect(read).rejects.toBeInstanceOf(UsageError);
  await expect(read).rejects.toThrow(message);
});

test.each([
  ['molecules.csv', undefined, 'text/csv'],
  ['ROWS.NDJSON', undefined, 'application/jsonlines'],
  ['a.json', undefined, 'application/json'],
  ['photo.jpeg', undefined, 'image/jpeg'],
  ['weights.bin', undefined, 'application/octet-stream'],
  ['table.txt', 'csv', 'text/csv'],
  ['table.csv', 'image/png', 'image/png'],
])('the file %s with --type %s is %s', async (name, type, contentType) => {
  await writeFile(join(folder, name), 'a\n1\n');
  await expect(readInput({ ...NOTHING, file: join(folder, name), type })).resolves.toMatchObject({ contentType });
});

test('JSON text keeps its numbers as they were written', async () => {
  const { bytes } = await readInput({ ...NOTHING, data: '{"big": 9007199254740993}' });
  expect(new TextDecoder().decode(bytes)).toBe('{"big": 9007199254740993}');
});

test.each([
  ['out.jsonl', 'text/csv', 'application/jsonlines'],
  ['out.csv', 'application/json', 'text/csv'],
  ['out.csv', 'text/csv', undefined],
  ['out.csv', 'image/png', undefined],
  ['out.dat', 'text/csv', undefined],
  [undefined, 'text/csv', undefined],
])('an output %s of an input in %s is asked for as %s', (file, contentType, wanted) => {
  expect(wantedType(file, { bytes: new Uint8Array(), contentType })).toBe(wanted);
});

test('an output that could not be written is known before the run', async () => {
  await expect(checkWritable('/nowhere/out.csv')).rejects.toThrow(
    '/nowhere/out.csv cannot be written: there is no such file or folder.',
  );
  await expect(checkWritable(folder)).rejects.toThrow('is a folder');
  await expect(checkWritable(join(folder, 'new.csv'))).resolves.toBeUndefined();
});
