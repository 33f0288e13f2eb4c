import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { describe, expect, test } from 'vitest';
import { CACHE_FILE } from '../../src/stores/cache/sqlite-file.ts';
import { CACHE_SCHEMA } from '../../src/stores/cache/postgres.ts';
import { CAPTURES_SCHEMA } from '../../src/stores/captures/postgres.ts';
import { CAPTURES_FILE } from '../../src/stores/captures/sqlite.ts';
import type { Migration } from '../../src/stores/migrations.ts';
import {
  migrateStoreSchema,
  openStoreSchema,
  readStoreSchema,
  type StoreSchema,
} from '../../src/stores/postgres/schema.ts';
import { migrateStoreFile, openStoreFile, openStoreFileToRead, type StoreFile } from '../../src/stores/sqlite/file.ts';
import { VAULT_SCHEMA } from '../../src/stores/vault/postgres.ts';
import { VAULT_FILE } from '../../src/stores/vault/sqlite.ts';
import { milliseconds } from '../../src/domain/time.ts';
import { onPostgres } from '../support/database.ts';
import { folderForTest } from '../support/folder.ts';
import { ask } from '../support/postgres.ts';
import { databaseForEachTest } from '../support/postgres-test.ts';

const numbered = (number: number, name: string, sql: string): Migration => ({
  number,
  name: `000${number}_${name}.sql`,
  sql,
});
const later = <Store extends { readonly migrations: readonly Migration[] }>(store: Store, ...sql: string[]): Store => ({
  ...store,
  migrations: [
    ...store.migrations,
    ...sql.map((text, place) => numbered(store.migrations.length + place + 1, 'later', text)),
  ],
});

const columnsOf = (file: string, table: string): unknown[] => {
  const db = new DatabaseSync(file, { readOnly: true });
  try {
    return db
      .prepare(`SELECT name FROM pragma_table_info('${table}')`)
      .all()
      .map(({ name }) => name);
  } finally {
    db.close();
  }
};
const schemaIn = (file: string): unknown => {
  const db = new DatabaseSync(file, { readOnly: true });
  try {
    return db.prepare('PRAGMA user_version').get()!['user_version'];
  } finally {
    db.close();
  }
};

describe.each<[string, StoreFile, string]>([
  ['vault', VAULT_FILE, 'keys'],
  ['captures', CAPTURES_FILE, 'captures'],
  ['cache', CACHE_FILE, 'entries'],
])('the file of the %s', (name, store, table) => {
  const newer = later(store, `ALTER TABLE ${table} ADD COLUMN note TEXT; CREATE TABLE kept (text TEXT) STRICT`);

  test('that an older claimcheck wrote is brought to the newest schema, and keeps what is in it', async () => {
    const file = join(await folderForTest(), `${name}.sqlite`);
    const before = openStoreFile(file, store, 'its ledger');
    before.exec(`CREATE TABLE mine (text TEXT); INSERT INTO mine VALUES ('kept')`);
    before.close();
    expect(columnsOf(file, table)).not.toContain('note');
    const after = openStoreFile(file, newer, 'its ledger');
    expect(after.prepare('SELECT text FROM mine').all()).toEqual([{ text: 'kept' }]);
    after.close();
    expect([columnsOf(file, table).includes('note'), schemaIn(file)]).toEqual([true, store.migrations.length + 1]);
  });

  test('that a newer claimcheck wrote is refused', async () => {
    const file = join(await folderForTest(), `${name}.sqlite`);
    openStoreFile(file, newer).close();
    expect(() => openStoreFile(file, store)).toThrow(
      /was written by a newer claimcheck \(schema 2; this one knows 1\)/,
    );
  });

  test('that is another ledger’s is refused, and left at its schema', async () => {
    const file = join(await folderForTest(), `${name}.sqlite`);
    openStoreFile(file, store, 'its ledger').close();
    expect(() => openStoreFile(file, newer, 'another ledger')).toThrow(/of another ledger than the one beside it/);
    expect([schemaIn(file), columnsOf(file, table).includes('note')]).toEqual([1, false]);
  });

  test('is never migrated by who only looks at it', async () => {
    const file = join(await folderForTest(), `${name}.sqlite`);
    openStoreFile(file, store).close();
    expect(() => openStoreFileToRead(file, newer)).toThrow(
      /was written by an older claimcheck \(schema 1; this one reads 2\)\. Bring it up to date with: claimcheck migrate/,
    );
    expect(schemaIn(file)).toBe(1);
  });

  test('is migrated without a server, where it is there', async () => {
    const file = join(await folderForTest(), `${name}.sqlite`);
    expect(migrateStoreFile(file, newer)).toEqual([]);
    openStoreFile(file, store).close();
    expect(migrateStoreFile(file, newer)).toEqual(['0002_later.sql']);
    expect(migrateStoreFile(file, newer)).toEqual([]);
  });
});

test('a migration that fails leaves the file at the one before it, and the next start goes on from there', async () => {
  const file = join(await folderForTest(), 'vault.sqlite');
  openStoreFile(file, VAULT_FILE).close();
  const broken = later(
    VAULT_FILE,
    'CREATE TABLE second (text TEXT)',
    'CREATE TABLE third (text TEXT); SELECT * FROM nowhere',
  );
  expect(() => openStoreFile(file, broken)).toThrow(/no such table: nowhere/);
  expect([schemaIn(file), columnsOf(file, 'second'), columnsOf(file, 'third')]).toEqual([2, ['text'], []]);
  const mended = later(VAULT_FILE, 'CREATE TABLE second (text TEXT)', 'CREATE TABLE third (text TEXT)');
  expect(migrateStoreFile(file, mended)).toEqual(['0003_later.sql']);
});

test('a process that is killed between two migrations leaves the file at the first of them', async () => {
  const file = join(await folderForTest(), 'vault.sqlite');
  const imported = (path: string): string => JSON.stringify(new URL(`../../src/stores/${path}`, import.meta.url).href);
  const second = 'CREATE TABLE second (text TEXT)';
  // The second migration is committed, and the log is never written into the file.
  const script = `
    const { openStoreFile } = await import(${imported('sqlite/file.ts')});
    const { VAULT_FILE } = await import(${imported('vault/sqlite.ts')});
    const later = ${JSON.stringify(numbered(2, 'later', second))};
    openStoreFile(${JSON.stringify(file)}, { ...VAULT_FILE, migrations: [...VAULT_FILE.migrations, later] });
    process.kill(process.pid, 'SIGKILL');`;
  expect(spawnSync(process.execPath, ['--input-type=module', '-e', script]).signal).toBe('SIGKILL');
  expect(existsSync(`${file}-wal`)).toBe(true);
  const newer = later(VAULT_FILE, second, 'CREATE TABLE third (text TEXT)');
  expect(migrateStoreFile(file, newer)).toEqual(['0003_later.sql']);
  expect([schemaIn(file), columnsOf(file, 'second'), columnsOf(file, 'third')]).toEqual([3, ['text'], ['text']]);
});

// A Postgres takes a while to start; `npm run test:postgres` is for those.
describe.runIf(onPostgres)('a schema on Postgres', () => {
  const url = databaseForEachTest();
  const first: StoreSchema = {
    name: 'claimcheck_notes',
    migrations: [numbered(1, 'notes', 'CREATE TABLE claimcheck_notes.notes (text TEXT NOT NULL)')],
    lock: 4_711,
    unrecorded: 'claimcheck_notes.notes',
    connectionsMax: 1,
    patience: milliseconds(1_000),
  };
  const second = later(first, 'ALTER TABLE claimcheck_notes.notes ADD COLUMN at_ms BIGINT');
  const open = async (schema: StoreSchema): Promise<void> => (await openStoreSchema(url(), schema)).close();
  const recorded = async (): Promise<unknown[]> =>
    (await ask(url(), 'SELECT number FROM claimcheck_notes.migrations ORDER BY number')).map(({ number }) => number);

  test('is brought to the newest one by many servers at once, and keeps what is in it', async () => {
    await open(first);
    await ask(url(), `INSERT INTO claimcheck_notes.notes VALUES ('kept')`);
    await Promise.all(Array.from({ length: 6 }, () => open(second)));
    expect(await ask(url(), 'SELECT * FROM claimcheck_notes.notes')).toEqual([{ text: 'kept', at_ms: null }]);
    expect(await recorded()).toEqual([1, 2]);
  });

  // A transaction at that level sees what was there when it began to wait for the lock.
  test('is migrated by many commands at once, also where a transaction would see the past', async () => {
    await ask(
      url(),
      `ALTER DATABASE ${new URL(url()).pathname.slice(1)} SET default_transaction_isolation = serializable`,
    );
    const applied = await Promise.all(Array.from({ length: 6 }, () => migrateStoreSchema(url(), second)));
    expect(applied.flat()).toEqual(second.migrations.map(({ name }) => name));
    expect(await recorded()).toEqual([1, 2]);
  });

  test('that has no record of migrations is at its first one', async () => {
    await ask(url(), 'CREATE SCHEMA claimcheck_notes; CREATE TABLE claimcheck_notes.notes (text TEXT NOT NULL)');
    await open(first);
    expect(await ask(url(), `SELECT to_regclass('claimcheck_notes.migrations') AS record`)).toEqual([{ record: null }]);
    await open(second);
    expect(await recorded()).toEqual([1, 2]);
  });

  test('that a newer claimcheck wrote is refused', async () => {
    await open(second);
    await expect(open(first)).rejects.toThrow(/was written by a newer claimcheck \(schema 2; this one knows 1\)/);
  });

  test('is as it was after a migration that failed', async () => {
    await open(first);
    await expect(open(later(second, 'SELECT nothing FROM nowhere'))).rejects.toThrow(/nowhere/);
    expect(await recorded()).toEqual([1]);
    await open(second);
  });

  test('is never migrated by who only looks at it', async () => {
    expect(await readStoreSchema(url(), second)).toBeNull();
    await open(first);
    await expect(readStoreSchema(url(), second)).rejects.toThrow(
      /was written by an older claimcheck \(schema 1; this one reads 2\)\. Bring it up to date with: claimcheck migrate/,
    );
    expect(await recorded()).toEqual([1]);
  });

  test('is left at its schema when the connection is lost in the middle of a migration', async () => {
    await open(first);
    await expect(open(later(second, 'SELECT pg_terminate_backend(pg_backend_pid())'))).rejects.toThrow(/Postgres/);
    expect(await recorded()).toEqual([1]);
    await open(second);
    expect(await recorded()).toEqual([1, 2]);
  });

  test('can be migrated by its owner, who may make no schema in the database', async () => {
    await open(first);
    const theirs = await role();
    await ask(url(), `ALTER SCHEMA claimcheck_notes OWNER TO ${theirs.name}`);
    for (const table of ['notes', 'migrations'])
      await ask(url(), `ALTER TABLE claimcheck_notes.${table} OWNER TO ${theirs.name}`);
    await (await openStoreSchema(theirs.url, second)).close();
    expect(await recorded()).toEqual([1, 2]);
  });

  test('is opened by a role that was given its tables before there was a record of migrations', async () => {
    await ask(url(), 'CREATE SCHEMA claimcheck_notes; CREATE TABLE claimcheck_notes.notes (text TEXT NOT NULL)');
    const theirs = await role();
    await ask(
      url(),
      `GRANT USAGE ON SCHEMA claimcheck_notes TO ${theirs.name};
       GRANT SELECT ON ALL TABLES IN SCHEMA claimcheck_notes TO ${theirs.name}`,
    );
    await (await openStoreSchema(theirs.url, first)).close();
    await open(second);
    await (await openStoreSchema(theirs.url, second)).close();
  });

  test.each([
    ['vault', VAULT_SCHEMA, 'claimcheck_vault.keys'],
    ['captures', CAPTURES_SCHEMA, 'claimcheck_captures.captures'],
    ['cache', CACHE_SCHEMA, 'claimcheck_cache.entries'],
  ])('of the %s, as it was before there was a record, is brought to a newer one by two at once', async (...given) => {
    const [, store, table] = given;
    await ask(url(), `CREATE SCHEMA ${store.name}; ${store.migrations[0]!.sql}`);
    await ask(url(), `CREATE TABLE ${store.name}.mine (text TEXT); INSERT INTO ${store.name}.mine VALUES ('kept')`);
    await open(store);
    const newer = later(store, `ALTER TABLE ${table} ADD COLUMN note TEXT`);
    await Promise.all([open(newer), open(newer)]);
    expect(await ask(url(), `SELECT note FROM ${table}`)).toEqual([]);
    expect(await ask(url(), `SELECT text FROM ${store.name}.mine`)).toEqual([{ text: 'kept' }]);
    expect(await ask(url(), `SELECT number FROM ${store.name}.migrations ORDER BY number`)).toEqual([
      { number: 1 },
      { number: 2 },
    ]);
    await expect(open(store)).rejects.toThrow(/was written by a newer claimcheck \(schema 2; this one knows 1\)/);
  });

  /** A role that may use the database, and change nothing in it. It ends with the server. */
  async function role(): Promise<{ readonly name: string; readonly url: string }> {
    const theirs = new URL(url());
    const name = theirs.pathname.slice(1);
    await ask(url(), `CREATE ROLE ${name} LOGIN PASSWORD 'x'`);
    theirs.username = name;
    theirs.password = 'x';
    return { name, url: theirs.href };
  }
});
