import { symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { checkWritable, wantedType } from '../../src/cli/output-place.ts';
import { newFolder, removeFolder } from '../support/folder.ts';

let folder: string;
beforeAll(async () => {
  folder = await newFolder();
});
afterAll(() => removeFolder(folder));

test.each([
  ['out.jsonl', 'text/csv', 'application/jsonlines'],
  ['out.csv', 'application/json', 'text/csv'],
  ['out.csv', 'text/csv', undefined],
  ['out.parquet', 'text/csv', 'application/vnd.apache.arrow.stream'],
  ['out.parquet', 'application/vnd.apache.arrow.stream', undefined],
  ['out.csv', 'application/vnd.apache.arrow.stream', 'text/csv'],
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
  await expect(checkWritable('/dev/null')).resolves.toBeUndefined();
});

test('so is that of a link which leads nowhere, or in a circle', async () => {
  symlinkSync('/nowhere/out.csv', join(folder, 'dangling.csv'));
  await expect(checkWritable(join(folder, 'dangling.csv'))).rejects.toThrow('there is no such file or folder.');
  symlinkSync('there.csv', join(folder, 'back.csv'));
  symlinkSync('back.csv', join(folder, 'there.csv'));
  await expect(checkWritable(join(folder, 'back.csv'))).rejects.toThrow('its links lead in a circle.');
});
