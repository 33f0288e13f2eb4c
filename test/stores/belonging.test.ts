import {
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { inputKey } from '../../src/stores/blobs/blobs.ts';
import { newRunId, systemClock } from '../../src/system/clock.ts';
import { blobFolder, cacheFile, capturesFile, ledgerFile, vaultFile } from '../../src/config/config.ts';
import { sha256 } from '../../src/domain/digest.ts';
import { Collector } from '../../src/engine/collector.ts';
import { openSqliteLedger } from '../../src/stores/ledger/sqlite/driver.ts';
import { openLog } from '../../src/system/log.ts';
import { RunLogs } from '../../src/stores/run-logs/run-logs.ts';
import { adoptFolder, migrateLedger, openStores, type Stores } from '../../src/stores/open.ts';
import { openSqliteVault } from '../../src/stores/vault/sqlite.ts';
import { call, deployment } from './ledger/runs.ts';
import { folderForTest } from '../support/folder.ts';
import { ask, type PostgresServer, startPostgres } from '../support/postgres.ts';
import { testConfig } from '../support/service.ts';
import { changeFile } from '../support/store-files.ts';

const LOG = openLog('silent');
const BYTES = Buffer.alloc(50_000, 'payload ');

interface Opened extends Stores {
  close(): Promise<void>;
}

async function open(data: string, database: string | null = null): Promise<Opened> {
  const undo = new AsyncDisposableStack();
  const close = (): Promise<void> => undo.disposeAsync();
  onTestFinished(close);
  try {
    return { ...(await openStores(testConfig({ data, database, endpoints: {} }), undo, LOG)), close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** Submits a run whose input is a blob that is older than an hour. */
async function submit(data: string, { ledger, blobs }: Stores): Promise<string> {
  const runId = newRunId();
  const key = inputKey(runId);
  await blobs.put(key, BYTES);
  const facts = { contentType: 'text/plain', bytes: BYTES.length, sha256: sha256(BYTES) };
  await ledger.deploy(deployment());
  await ledger.enqueue([call({ runId, input: { ...facts, body: { blob: key } } })]);
  const file = join(blobFolder(data), key.slice(34, 36), key);
  const twoHoursAgo = Date.now() / 1_000 - 7_200;
  utimesSync(file, twoHoursAgo, twoHoursAgo);
  return file;
}

async function used(data: string, database: string | null = null): Promise<string> {
  const stores = await open(data, database);
  const file = await submit(data, stores);
  await stores.close();
  return file;
}

/** What a server does once an hour. */
const collect = ({ ledger, blobs, folder }: Stores, data: string): Promise<void> =>
  new Collector({
    ledger,
    blobs,
    logs: new RunLogs(join(data, 'logs'), systemClock, LOG),
    clock: systemClock,
    log: LOG,
    folder,
  }).deleteOrphans();

const copyOf = async (data: string): Promise<string> => {
  const copy = await folderForTest();
  cpSync(data, copy, { recursive: true });
  return copy;
};

describe('a folder with its own ledger', () => {
  test('is opened again and again, also by a server that was killed in between, and where it was moved', async () => {
    const data = await folderForTest();
    await used(data);
    await (await open(data)).close();
    // What a killed server leaves: nothing was told of its end.
    const live = await open(data);
    const killed = await copyOf(data);
    await live.close();
    await (await open(killed)).close();
    const moved = join(await folderForTest(), 'elsewhere');
    renameSync(data, moved);
    const stores = await open(moved);
    expect(await stores.ledger.depths()).toMatchObject([{ queued: 1 }]);
    await stores.close();
    mkdirSync(data);
  });

  test('is opened where a server was cut off between telling the folder and telling the ledger', async () => {
    const data = await folderForTest();
    await used(data);
    const file = join(data, 'identity.json');
    const said = JSON.parse(readFileSync(file, 'utf8')) as { mark: string };
    writeFileSync(file, JSON.stringify({ ...said, next: 'another' }));
    await (await open(data)).close();
    writeFileSync(
      file,
      JSON.stringify({ ...(JSON.parse(readFileSync(file, 'utf8')) as object), mark: 'older', next: markOf(data) }),
    );
    await (await open(data)).close();
  });

  test('that an older claimcheck has used is theirs from now on', async () => {
    const data = await folderForTest();
    const file = await used(data);
    forget(data);
    const stores = await open(data);
    await collect(stores, data);
    expect(existsSync(file)).toBe(true);
    await stores.close();
    await (await open(data)).close();
  });

  test('keeps what another ledger may have left in it before it was told', async () => {
    const data = await folderForTest();
    await used(data);
    const other = await folderForTest();
    const theirs = await used(other);
    forget(data);
    const brought = theirs.replace(other, data);
    mkdirSync(join(brought, '..'), { recursive: true });
    copyFileSync(theirs, brought);
    utimesSync(brought, 1, 1);
    const stores = await open(data);
    await collect(stores, data);
    expect(existsSync(brought)).toBe(true);
  });
});

/** Makes a folder as an older claimcheck has left it. */
function forget(data: string): void {
  rmSync(join(data, 'identity.json'));
  changeFile(ledgerFile(data), 'UPDATE identity SET folder = NULL, mark = NULL');
  for (const file of [vaultFile(data), capturesFile(data)]) changeFile(file, 'DROP TABLE belongs_to');
}

const markOf = (data: string): unknown => changeFile(ledgerFile(data), 'SELECT mark FROM identity')[0]!['mark'];

describe('what does not belong together is refused', () => {
  test.each<[string, (data: string, other: string) => void | Promise<void>, RegExp]>([
    ['a ledger that is gone', (data) => rmSync(ledgerFile(data)), /ledger\.sqlite is gone: .* was used before/],
    [
      'a vault that is gone, with its keys',
      (data) => rmSync(vaultFile(data)),
      /vault\.sqlite is gone, which was there before/,
    ],
    ['captures that are gone', (data) => rmSync(capturesFile(data)), /captures\.sqlite is gone/],
    [
      'another folder’s ledger',
      (data, other) => copyFileSync(ledgerFile(other), ledgerFile(data)),
      /belongs to another ledger than/,
    ],
    [
      'a vault of another ledger',
      (data, other) => copyFileSync(vaultFile(other), vaultFile(data)),
      /vault\.sqlite is a vault of another ledger/,
    ],
    [
      'captures of another ledger',
      (data, other) => copyFileSync(capturesFile(other), capturesFile(data)),
      /captures\.sqlite is a store of captures of another/,
    ],
    [
      'a cache of another ledger',
      async (data, other) => {
        await cached(other);
        copyFileSync(cacheFile(other), cacheFile(data));
      },
      /cache\.sqlite is a cache of another ledger.*remove it/,
    ],
    [
      'an older copy of the ledger',
      async (data) => {
        copyFileSync(ledgerFile(data), join(data, 'older'));
        await (await open(data)).close();
        renameSync(join(data, 'older'), ledgerFile(data));
      },
      /are not of the same time.*claimcheck restore/,
    ],
    [
      'an older copy of the folder',
      async (data) => {
        const older = await copyOf(data);
        await (await open(data)).close();
        copyFileSync(join(older, 'identity.json'), join(data, 'identity.json'));
      },
      /are not of the same time/,
    ],
    [
      'a ledger without its folder',
      async (data) => {
        copyFileSync(ledgerFile(data), join(data, 'kept'));
        for (const name of ['blobs', 'identity.json', 'vault.sqlite', 'captures.sqlite'])
          rmSync(join(data, name), { recursive: true });
        renameSync(join(data, 'kept'), ledgerFile(data));
      },
      /is not the folder that .*ledger\.sqlite has worked with/,
    ],
    [
      'an identity that nobody can read',
      (data) => writeFileSync(join(data, 'identity.json'), '{'),
      /identity\.json cannot be read/,
    ],
    [
      'an identity that says nothing',
      (data) => writeFileSync(join(data, 'identity.json'), '{}'),
      /does not say which ledger/,
    ],
    [
      'the payloads of another ledger, from an older claimcheck',
      async (data, other) => {
        forget(data);
        rmSync(blobFolder(data), { recursive: true });
        cpSync(blobFolder(other), blobFolder(data), { recursive: true });
      },
      /names payloads that are not in/,
    ],
    [
      'payloads beside an empty ledger, from an older claimcheck',
      async (data) => {
        forget(data);
        for (const end of ['', '-wal', '-shm']) rmSync(`${ledgerFile(data)}${end}`, { force: true });
      },
      /holds payloads, and .* names none of them/,
    ],
  ])('%s', async (_, harm, words) => {
    const [data, other] = [await folderForTest(), await folderForTest()];
    const payload = await used(data);
    await used(other);
    await harm(data, other);
    await expect(open(data)).rejects.toThrow(words);
    await expect(open(data)).rejects.toThrow(words);
    if (!existsSync(payload)) return;
    // On purpose it is possible all the same.
    await migrateLedger({ data, database: null }, true);
    await adoptFolder({ data, database: null });
    const stores = await open(data);
    await collect(stores, data);
    expect(existsSync(payload)).toBe(true);
  });

  async function cached(data: string): Promise<void> {
    const { cache, close } = await open(data);
    await cache.info({ tenant: 'acme', endpoint: 'echo' });
    await close();
  }

  test('and no file is made where a ledger is gone', async () => {
    const data = await folderForTest();
    await used(data);
    rmSync(ledgerFile(data));
    await expect(open(data)).rejects.toThrow('is gone');
    await expect(migrateLedger({ data, database: null })).rejects.toThrow('is gone');
    expect(existsSync(ledgerFile(data))).toBe(false);
  });

  test('but a key may be made before the first server', async () => {
    const data = await folderForTest();
    await (await openSqliteVault(vaultFile(data))).close();
    await (await open(data)).close();
    await (await open(data)).close();
  });
});

describe('a ledger in Postgres', () => {
  let postgres: PostgresServer;
  beforeAll(async () => void (postgres = await startPostgres()));
  afterAll(() => postgres.stop());

  test('is shared by servers that share a folder, also where they start at once', async () => {
    const database = await postgres.newDatabase();
    const data = await folderForTest();
    const servers = await Promise.all([open(data, database), open(data, database), open(data, database)]);
    const file = await submit(data, servers[0]);
    await collect(servers[1], data);
    expect(existsSync(file)).toBe(true);
    await Promise.all(servers.map(({ close }) => close()));
    await (await open(data, database)).close();
  });

  test('is refused with another folder, while servers work and after', async () => {
    const database = await postgres.newDatabase();
    const [data, other] = [await folderForTest(), await folderForTest()];
    const server = await open(data, database);
    await expect(open(other, database)).rejects.toThrow(/Another server works on .* with another data folder/);
    await server.close();
    await expect(open(other, database)).rejects.toThrow(/is not the folder that .* has worked with/);
    await (await open(data, database)).close();
  });

  test('has one folder, where servers with two start at once', async () => {
    const database = await postgres.newDatabase();
    const folders = [await folderForTest(), await folderForTest()];
    const tried = await Promise.allSettled(folders.map((data) => open(data, database)));
    expect(tried.filter(({ status }) => status === 'fulfilled').length).toBeLessThan(2);
  });

  test('is refused with a copy of its folder while a server works in the original', async () => {
    const database = await postgres.newDatabase();
    const data = await folderForTest();
    const server = await open(data, database);
    const copy = await copyOf(data);
    await expect(open(copy, database)).rejects.toThrow(/or with a copy of it/);
    await server.close();
    // It is left behind now.
    await expect(open(copy, database)).rejects.toThrow(/are not of the same time/);
  });

  test('is refused with the folder of another one, also one that is empty', async () => {
    const [database, another] = [await postgres.newDatabase(), await postgres.newDatabase()];
    const data = await folderForTest();
    const payload = await used(data, database);
    await expect(open(data, another)).rejects.toThrow(/belongs to another ledger/);
    expect(existsSync(payload)).toBe(true);
  });

  test('is refused with the folder of a ledger in a file, and the other way round', async () => {
    const database = await postgres.newDatabase();
    const [data, other] = [await folderForTest(), await folderForTest()];
    await used(data);
    await expect(open(data, database)).rejects.toThrow(/belongs to another ledger/);
    forget(data);
    await expect(open(data, database)).rejects.toThrow(/has a ledger of its own/);
    await expect(adoptFolder({ data, database })).rejects.toThrow(/has a ledger of its own/);
    await used(other, database);
    await expect(open(other)).rejects.toThrow(/belongs to another ledger/);
    expect(existsSync(ledgerFile(other))).toBe(false);
  });

  test('that is emptied, or put back from an older copy, is refused with its folder until it is adopted', async () => {
    const database = await postgres.newDatabase();
    const data = await folderForTest();
    const payload = await used(data, database);
    await ask(database, `UPDATE claimcheck.identity SET mark = 'older'`);
    await expect(open(data, database)).rejects.toThrow(/are not of the same time/);
    await ask(database, 'DROP SCHEMA claimcheck CASCADE');
    await expect(open(data, database)).rejects.toThrow(/belongs to another ledger/);
    await adoptFolder({ data, database });
    const stores = await open(data, database);
    await collect(stores, data);
    expect(existsSync(payload)).toBe(true);
  });

  test('deletes nothing once its folder was given to another one', async () => {
    const [database, another] = [await postgres.newDatabase(), await postgres.newDatabase()];
    const data = await folderForTest();
    const server = await open(data, database);
    await adoptFolder({ data, database: another });
    const theirs = await submit(data, await open(data, another));
    await collect(server, data);
    expect(existsSync(theirs)).toBe(true);
  });
});

test('a ledger in a file says the same of itself for as long as it lives', async () => {
  const file = ledgerFile(await folderForTest());
  const ledger = await openSqliteLedger(file, systemClock);
  const { ledger: id } = await ledger.identity();
  await ledger.close();
  const again = await openSqliteLedger(file, systemClock);
  onTestFinished(() => again.close());
  expect(await again.identity()).toEqual({ ledger: id, folder: null, mark: null, isElsewhere: false });
});
