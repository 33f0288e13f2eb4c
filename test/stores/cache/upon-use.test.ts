import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { systemClock } from '../../../src/system/clock.ts';
import { openSqliteCache } from '../../../src/stores/cache/sqlite.ts';
import { openUponUse } from '../../../src/stores/cache/upon-use.ts';
import { newFolder, removeFolder } from '../../support/folder.ts';
import { describeCache } from './conformance.ts';

let folder: string;
const file = (): string => join(folder, 'cache.sqlite');
beforeEach(async () => {
  folder = await newFolder();
});
afterEach(() => removeFolder(folder));

const PLACE = { tenant: 'ada', endpoint: 'squares' };
const open = async () => openSqliteCache(file(), systemClock);

describeCache('SQLite, opened upon use', async () => openUponUse(open));

test('nothing is made for answers that nobody asks for, nor by the rounds of their keeper', async () => {
  const store = openUponUse(open);
  expect(await store.evict(systemClock.now())).toBe(0);
  expect(await store.compact()).toBe(0);
  await store.close();
  expect(existsSync(file())).toBe(false);
});

test('calls that come together open it once, and it is closed behind them', async () => {
  let opened = 0;
  const store = openUponUse(async () => {
    opened += 1;
    return open();
  });
  const all = await Promise.all(Array.from({ length: 5 }, () => store.info(PLACE)));
  expect(all).toHaveLength(5);
  await store.close();
  expect(opened).toBe(1);
});

test('what cannot be opened fails the call that needed it, and is tried again by the next', async () => {
  let folderIsThere = false;
  const store = openUponUse(async () => {
    if (!folderIsThere) throw new Error('The folder is not there.');
    return open();
  });
  await expect(store.info(PLACE)).rejects.toThrow('The folder is not there.');
  folderIsThere = true;
  expect(await store.info(PLACE)).toMatchObject({ versions: [] });
  await store.close();
});
