import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect, test, vi } from 'vitest';
import { openLog } from '../../../src/system/log.ts';
import { Users } from '../../../src/replicas/isolation/choice.ts';
import { openIsolation } from '../../../src/replicas/isolation/isolation.ts';
import { thisMachine } from '../../../src/replicas/isolation/machine.ts';
import { folderForTest } from '../../support/folder.ts';

afterEach(() => vi.unstubAllEnvs());

async function openWith(temporary: string): Promise<void> {
  const machine = thisMachine();
  vi.stubEnv('TMPDIR', temporary);
  const users = new Users({ machine, environment: process.env, firstUid: null });
  const isolation = await openIsolation({ data: '/no/such/data', machine, users, log: openLog('silent') });
  await isolation.close();
}

test('a TMPDIR in which sockets would have paths that are too long is refused at the start, with how much', async () => {
  const folder = await folderForTest();
  const fits = join(folder, 'x'.repeat(64 - folder.length - 1));
  const long = `${fits}y`;
  [fits, long].forEach((path) => mkdirSync(path));
  await openWith(fits);
  await expect(openWith(long)).rejects.toThrow(
    `${long} (TMPDIR) is too long: the sockets of replicas lie in it, and their paths would have 108 bytes, of which 107 are allowed.`,
  );
});

test('a TMPDIR that is not there, or is no folder, is refused at the start', async () => {
  const folder = await folderForTest();
  writeFileSync(join(folder, 'file'), '');
  await expect(openWith(join(folder, 'nowhere'))).rejects.toThrow('(TMPDIR): there is no such file or folder.');
  await expect(openWith(join(folder, 'file'))).rejects.toThrow('(TMPDIR): a part of its path is no folder.');
});
