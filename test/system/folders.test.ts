import { spawnSync } from 'node:child_process';
import { readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { makeFolder } from '../../src/system/folders.ts';
import { folderForTest } from '../support/folder.ts';
import { noFaultyDisk, faultyDisk } from '../support/faulty-disk.ts';

test('a folder is made for its owner alone, with those on the way to it, and may be there already', async () => {
  const folder = await folderForTest();
  makeFolder(join(folder, 'a', 'b', 'c'));
  makeFolder(join(folder, 'a', 'b', 'c'));
  expect(new Set<unknown>(readdirSync(folder, { recursive: true }))).toEqual(new Set(['a', 'a/b', 'a/b/c']));
  expect(statSync(join(folder, 'a', 'b')).mode & 0o777).toBe(0o700);
});

test.each([
  ['a file in its place', 'file', 'it is a file'],
  ['a file on the way to it', 'file/b/c', 'a part of its path is no folder'],
])('a folder that %s keeps from being made is named, with what to do', async (_what, path, reason) => {
  const folder = await folderForTest();
  writeFileSync(join(folder, 'file'), '');
  expect(() => makeFolder(join(folder, path))).toThrow(
    `The folder ${join(folder, path)} cannot be made: ${reason}. Name another one with --data.`,
  );
});

test.skipIf(process.platform !== 'linux')(
  'a folder where nobody can make one is refused, and not tried for ever',
  () => {
    expect(() => makeFolder('/proc/claimcheck/a')).toThrow('cannot be made: there is no such file or folder');
  },
);

test.skipIf(noFaultyDisk !== null).for(['', '/a', '/a/b'])(
  'the name of every folder that is made is made durable: an fsync of the folder%s that fails is an error',
  async (part) => {
    const folder = await folderForTest();
    const disk = faultyDisk(folder);
    disk.failNextSync(`${folder}${part}`);
    const program = `
      const { makeFolder } = await import(${JSON.stringify(new URL('../../src/system/folders.ts', import.meta.url).href)});
      makeFolder(${JSON.stringify(join(folder, 'a', 'b', 'c'))});`;
    const { stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', program], {
      env: { ...process.env, ...disk.environment },
      encoding: 'utf8',
    });
    expect(stderr).toContain('EIO');
  },
);
