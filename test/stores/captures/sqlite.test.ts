import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { openSqliteCaptures, readSqliteCaptures } from '../../../src/stores/captures/sqlite.ts';
import { newFolder, removeFolder } from '../../support/folder.ts';
import { changeFile } from '../../support/store-files.ts';
import { describeCaptureStore, newCapture, PLACE } from './conformance.ts';

let folder: string;
const file = (): string => join(folder, 'captures.sqlite');
beforeEach(async () => {
  folder = await newFolder();
});
afterEach(() => removeFolder(folder));

describeCaptureStore('SQLite', () => openSqliteCaptures(file()));

test('captures outlive the process, in files that are its user’s alone', async () => {
  const first = await openSqliteCaptures(file());
  const { capture } = await first.add(newCapture());
  for (const name of readdirSync(folder))
    expect([name, statSync(join(folder, name)).mode & 0o777]).toEqual([name, 0o600]);
  await first.close();
  const second = await openSqliteCaptures(file());
  expect(await second.get(PLACE, null)).toEqual(capture);
  expect((await second.add(newCapture())).capture.version).toBe(2);
  await second.close();
});

test('a file that is something else is left alone, and the message says what to do', async () => {
  const db = new DatabaseSync(file());
  db.exec('CREATE TABLE songs (name TEXT)');
  db.close();
  await expect(openSqliteCaptures(file())).rejects.toThrow(/another program's database; choose another folder/);
  const other = join(folder, 'text.sqlite');
  writeFileSync(other, 'not a database, but long enough to be looked at: '.repeat(100));
  await expect(openSqliteCaptures(other)).rejects.toThrow(
    /something else than a store of captures: file is not a database; choose another folder/,
  );
});

test('captures of a newer claimcheck are left alone', async () => {
  await (await openSqliteCaptures(file())).close();
  const db = new DatabaseSync(file());
  db.exec('PRAGMA user_version = 99');
  db.close();
  await expect(openSqliteCaptures(file())).rejects.toThrow(/newer claimcheck \(schema 99; this one knows 1\)/);
});

/** Two versions of a name, in a file that is closed. */
async function writeTwo(): Promise<void> {
  const store = await openSqliteCaptures(file());
  for (let count = 0; count < 2; count += 1) await store.add(newCapture());
  await store.close();
}

test('a capture that nobody can read keeps nobody from the others, and can be deleted', async () => {
  const store = await openSqliteCaptures(file());
  onTestFinished(() => store.close());
  for (let one = 0; one < 5; one += 1) await store.add(newCapture());
  changeFile(file(), `UPDATE captures SET content = '{' WHERE version IN (3, 4)`);
  const versions = async (limit: number, before?: number): Promise<number[]> =>
    (await store.list({ ...PLACE, limit, ...(before !== undefined && { before }) })).map(({ version }) => version);
  expect(await versions(10)).toEqual([5, 2, 1]);
  expect(await versions(2)).toEqual([5, 2]);
  expect(await versions(2, 5)).toEqual([2, 1]);
  await store.delete(PLACE, 4);
  await store.delete(PLACE, 3);
  expect(await store.all(0, 10)).toHaveLength(3);
});

describe('a file that is only read', () => {
  test('is left as it was', async () => {
    await writeTwo();
    const before = readFileSync(file());
    const reader = (await readSqliteCaptures(file()))!;
    expect(await reader.all(0, 10)).toMatchObject([{ version: 1 }, { version: 2 }]);
    expect(await reader.get(PLACE, 2)).toMatchObject({ version: 2 });
    expect(await reader.damages(10)).toEqual([]);
    await reader.close();
    expect(readFileSync(file())).toEqual(before);
    expect(readdirSync(folder)).toEqual(['captures.sqlite']);
  });

  test('is null where there is none, and where nothing is in it', async () => {
    expect(await readSqliteCaptures(file())).toBeNull();
    writeFileSync(file(), '');
    expect(await readSqliteCaptures(file())).toBeNull();
  });

  test('says what is wrong with it', async () => {
    const store = await openSqliteCaptures(file());
    for (const name of ['lost', 'kept']) await store.add(newCapture({ name }));
    await store.close();
    const db = new DatabaseSync(file());
    db.exec(`UPDATE captures SET content = '{' WHERE name = 'lost'`);
    db.close();
    const reader = (await readSqliteCaptures(file()))!;
    onTestFinished(() => reader.close());
    expect(await reader.mistakes(10)).toEqual([
      expect.stringMatching(/\/lost version 1 of tenant acme: what it says cannot be read$/),
    ]);
    // One that cannot be read keeps no other from being looked at.
    expect((await reader.all(0, 1)).map(({ name }) => name)).toEqual(['kept']);
  });

  test('is refused where it is something else', async () => {
    writeFileSync(file(), 'not a database, but long enough to be looked at: '.repeat(100));
    await expect(readSqliteCaptures(file())).rejects.toThrow(
      /captures\.sqlite cannot be opened: file is not a database/,
    );
  });
});
