import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { openSqliteVault } from '../../../src/stores/vault/sqlite.ts';
import { newFolder, removeFolder } from '../../support/folder.ts';
import { changeFile } from '../../support/store-files.ts';
import { describeVault, keyRecord } from './conformance.ts';

let folder: string;
const file = (): string => join(folder, 'vault.sqlite');
beforeEach(async () => {
  folder = await newFolder();
});
afterEach(() => removeFolder(folder));

describeVault('SQLite', () => openSqliteVault(file()));

test('the files of a vault are its user’s alone, in a folder that others may look into', async () => {
  chmodSync(folder, 0o755);
  const vault = await openSqliteVault(file());
  await vault.addKey(keyRecord());
  for (const name of readdirSync(folder))
    expect([name, statSync(join(folder, name)).mode & 0o777]).toEqual([name, 0o600]);
  await vault.close();
});

test('a vault is opened by many processes at once, the first time too', async () => {
  const module = new URL('../../../src/stores/vault/sqlite.ts', import.meta.url).href;
  const program = `
    const { openSqliteVault } = await import(${JSON.stringify(module)});
    const vault = await openSqliteVault(${JSON.stringify(file())});
    process.stdout.write(JSON.stringify(await vault.signingSecrets('scores', 0)));
    await vault.close();`;
  const said = await Promise.all(
    Array.from({ length: 6 }, async () => {
      const child = spawn(process.execPath, ['--input-type=module', '--eval', program]);
      let text = '';
      child.stdout.setEncoding('utf8').on('data', (part: string) => (text += part));
      child.stderr.setEncoding('utf8').on('data', (part: string) => (text += part));
      await once(child, 'close');
      return text;
    }),
  );
  expect(new Set(said)).toEqual(new Set([said[0]]));
  expect(said[0]).toContain('whsec_');
});

test('what was written outlives the process', async () => {
  const first = await openSqliteVault(file());
  const key = keyRecord();
  await first.addKey(key);
  await first.close();
  const second = await openSqliteVault(file());
  expect(await second.keys()).toEqual([key]);
  await second.close();
});

test('a vault does not take a file that is something else, and says what to do', async () => {
  const db = new DatabaseSync(file());
  db.exec('CREATE TABLE songs (name TEXT)');
  db.close();
  await expect(openSqliteVault(file())).rejects.toThrow(
    /another program's database; choose another folder with --data/,
  );
});

test('a vault does not take a file that is no database', async () => {
  writeFileSync(file(), 'not a database, but long enough to be looked at: '.repeat(100));
  await expect(openSqliteVault(file())).rejects.toThrow(
    /something else than a vault: file is not a database; choose another folder/,
  );
});

test('a vault of a newer claimcheck is left alone', async () => {
  await (await openSqliteVault(file())).close();
  const db = new DatabaseSync(file());
  db.exec('PRAGMA user_version = 99');
  db.close();
  await expect(openSqliteVault(file())).rejects.toThrow(/newer claimcheck \(schema 99; this one knows 1\)/);
});

test('a key of which nobody can read what it may do may nothing, and the others all that they could', async () => {
  const vault = await openSqliteVault(file());
  for (const keyId of ['broken', 'bound', 'whole'])
    await vault.addKey({ ...keyRecord(), keyId, digest: keyId, endpoints: ['echo'] });
  changeFile(file(), `UPDATE keys SET scopes = '["invoke"' WHERE key_id = 'broken'`);
  changeFile(file(), `UPDATE keys SET endpoints = '"echo"' WHERE key_id = 'bound'`);
  const keys = new Map((await vault.keys()).map((key) => [key.keyId, key]));
  expect(keys.get('broken')).toMatchObject({ scopes: [] });
  // None at all, and not every one as where there is no list.
  expect(keys.get('bound')).toMatchObject({ endpoints: [] });
  expect(keys.get('whole')).toMatchObject({ scopes: keyRecord().scopes, endpoints: ['echo'] });
  await vault.close();
});
