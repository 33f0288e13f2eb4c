import { readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { openSqliteCaptures } from '../../src/captures/sqlite.ts';
import { newFolder, removeFolder } from '../support/folder.ts';
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
