import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { systemClock } from '../../../src/system/clock.ts';
import { openSqliteCache } from '../../../src/stores/cache/sqlite.ts';
import { openCacheThread } from '../../../src/stores/cache/thread.ts';
import { after, days, instant } from '../../../src/domain/time.ts';
import { newFolder, removeFolder } from '../../support/folder.ts';
import { answersTo, asking, describeCache, keyOf } from './conformance.ts';

let folder: string;
const file = (): string => join(folder, 'cache.sqlite');
beforeEach(async () => {
  folder = await newFolder();
});
afterEach(() => removeFolder(folder));

const PLACE = { tenant: 'ada', endpoint: 'squares' };

describeCache('SQLite', async () => openSqliteCache(file(), systemClock));
describeCache('SQLite, in a thread', () => openCacheThread(file()));

test('room that answers had is given back to the disk', async () => {
  const store = openSqliteCache(file(), systemClock);
  const entries = Array.from({ length: 500 }, (_, number) => ({
    key: keyOf(number),
    answer: `"${'x'.repeat(9_000)}"`,
  }));
  await store.keep(PLACE, { version: 1, caller: 'a', entries });
  await store.compact();
  const before = statSync(file()).size;
  await store.clear(PLACE);
  const freed = await store.compact();
  expect(freed).toBeGreaterThan(4_000_000);
  expect(statSync(file()).size).toBe(before - freed);
  await store.close();
});

test('fifty thousand answers are found again, each under its key', async () => {
  const store = await openCacheThread(file());
  const numbers = Array.from({ length: 50_000 }, (_, number) => number);
  for (let from = 0; from < numbers.length; from += 10_000)
    await store.keep(PLACE, { version: 1, caller: 'a', entries: answersTo(...numbers.slice(from, from + 10_000)) });
  const found = await store.lookUp(PLACE, asking(numbers.toReversed(), { bytesMax: 10_000_000 }));
  expect(found).toEqual(answersTo(...numbers.toReversed()).map(({ answer }) => ({ answer })));
  expect(await store.info(PLACE)).toMatchObject({ hits: 50_000, versions: [{ rows: 50_000 }] });
  await store.close();
});

test('an answer that is asked for now and then is not evicted', async () => {
  let now = instant(Date.UTC(2026, 0, 1));
  const store = openSqliteCache(file(), { ...systemClock, now: () => now });
  await store.keep(PLACE, { version: 1, caller: 'a', entries: answersTo(1, 2) });
  now = after(now, days(20));
  await store.lookUp(PLACE, asking([1]));
  now = after(now, days(20));
  expect(await store.evict(after(now, days(-30)))).toBe(1);
  expect(await store.lookUp(PLACE, asking([1, 2]))).toEqual([{ answer: '{"square":1}' }, 'mine']);
  await store.close();
});

test('the files are their user’s alone', async () => {
  const store = openSqliteCache(file(), systemClock);
  await store.keep(PLACE, { version: 1, caller: 'a', entries: answersTo(1) });
  for (const name of readdirSync(folder))
    expect([name, statSync(join(folder, name)).mode & 0o777]).toEqual([name, 0o600]);
  await store.close();
});

test('another program’s database is not taken and not written into, and is named with what to do', async () => {
  const db = new DatabaseSync(file());
  db.exec('CREATE TABLE songs (name TEXT)');
  db.close();
  const before = readFileSync(file());
  expect(() => openSqliteCache(file(), systemClock)).toThrow(/another program's database; name another file/);
  await expect(openCacheThread(file())).rejects.toThrow(/another program's database; name another file/);
  expect(readFileSync(file())).toEqual(before);
});

test.each([1, 2_000])('a table of %i rows is not advised to be removed, and stays as it is', async (rows) => {
  const table = join(folder, 'abalone.csv');
  const text = `sex,rings\n${'M,15\n'.repeat(rows)}`;
  writeFileSync(table, text);
  const message = `${table} is something else than a cache: file is not a database; name another file.`;
  expect(() => openSqliteCache(table, systemClock)).toThrow(new Error(message));
  await expect(openCacheThread(table)).rejects.toThrow(new Error(message));
  expect(readFileSync(table, 'utf8')).toBe(text);
  expect(readdirSync(folder)).toEqual(['abalone.csv']);
});

test('a file of a newer claimcheck is left alone', async () => {
  await openSqliteCache(file(), systemClock).close();
  const db = new DatabaseSync(file());
  db.exec('PRAGMA user_version = 99');
  db.close();
  expect(() => openSqliteCache(file(), systemClock)).toThrow(/newer claimcheck \(schema 99; this one knows 1\)/);
});

test('a closed store says so', async () => {
  const store = await openCacheThread(file());
  await store.close();
  await expect(store.info(PLACE)).rejects.toThrow('The cache is closed.');
});
