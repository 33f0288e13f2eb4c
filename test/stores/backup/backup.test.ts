import {
  appendFileSync,
  chownSync,
  existsSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { basename, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { Attendant } from '../../../src/stores/backup/attendant.ts';
import { manifestFile } from '../../../src/stores/backup/backup.ts';
import { Hold } from '../../../src/stores/backup/hold.ts';
import { isAsked, readRequest, removeRequest, writeRequest } from '../../../src/stores/backup/request.ts';
import { readIdentity, writeIdentity } from '../../../src/stores/belonging.ts';
import { inputKey } from '../../../src/stores/blobs/blobs.ts';
import { captureKey } from '../../../src/stores/captures/captures.ts';
import { newRunId, systemClock } from '../../../src/system/clock.ts';
import { blobFolder, capturesFile, ledgerFile, vaultFile } from '../../../src/config/config.ts';
import { sha256 } from '../../../src/domain/digest.ts';
import type { RunId } from '../../../src/domain/ids.ts';
import { instant, milliseconds } from '../../../src/domain/time.ts';
import { Collector } from '../../../src/engine/collector.ts';
import { copyHeldLedger } from '../../../src/stores/ledger/sqlite/copy.ts';
import { openLog } from '../../../src/system/log.ts';
import { RunLogs } from '../../../src/stores/run-logs/run-logs.ts';
import { openStores, type Stores } from '../../../src/stores/open.ts';
import { newCapture } from '../captures/conformance.ts';
import { startCommand } from '../../cli/command.ts';
import { call, deployment } from '../ledger/runs.ts';
import { folderForTest } from '../../support/folder.ts';
import { ask, type PostgresServer, startPostgres } from '../../support/postgres.ts';
import { testConfig } from '../../support/service.ts';
import { until } from '../../support/until.ts';

const LOG = openLog('silent');
const BYTES = Buffer.alloc(50_000, 'payload ');
const FACTS = { contentType: 'text/plain', bytes: BYTES.length, sha256: sha256(BYTES) };

type Opened = Stores & { close(): Promise<void> };

async function open(data: string, database: string | null = null): Promise<Opened> {
  const undo = new AsyncDisposableStack();
  const close = (): Promise<void> => undo.disposeAsync();
  onTestFinished(close);
  const stores = await openStores(testConfig({ data, database, endpoints: {} }), undo, LOG);
  await stores.ledger.deploy(deployment({ queueLimit: 100_000 }));
  return { ...stores, close };
}

async function submit({ ledger, blobs }: Stores): Promise<RunId> {
  const runId = newRunId();
  await blobs.put(inputKey(runId), BYTES);
  const [enqueued] = await ledger.enqueue([call({ runId, input: { ...FACTS, body: { blob: inputKey(runId) } } })]);
  expect(enqueued!.result).toBe('enqueued');
  return runId;
}

async function capture({ captures }: Stores): Promise<void> {
  const one = newCapture({ predictions: FACTS, ids: null });
  await captures.blobs.put(captureKey(one, 'predictions'), BYTES);
  await captures.store.add(one);
}

/** Runs a command with environment variables. */
const claimcheck = (args: readonly string[], environment: NodeJS.ProcessEnv = {}) =>
  startCommand('', args, '', environment).ended();

/** Every file below a folder that somebody else may look into. */
const openToOthers = (folder: string): string[] =>
  readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter(
    (name) => (statSync(join(folder, name)).mode & 0o077) !== 0,
  );

test('a backup of a server that works has all that was acknowledged before, and is put back whole', async () => {
  const data = await folderForTest();
  const server = await open(data);
  await server.cache.info({ tenant: 'acme', endpoint: 'echo' });
  await capture(server);
  const before = [await submit(server), await submit(server)];
  const copy = join(await folderForTest(), 'monday');
  const making = claimcheck(['backup', copy, '--data', data]);
  const after: RunId[] = [];
  const ended = new AbortController();
  void making.then(() => ended.abort());
  while (!ended.signal.aborted) after.push(await submit(server));
  const { code, stdout, stderr } = await making;
  expect(stderr).toBe('');
  expect(stdout).toMatch(/is backed up in .*monday: \d+ payloads/);
  expect(code).toBe(0);
  expect(after.length).toBeGreaterThan(0);
  expect(openToOthers(copy)).toEqual([]);
  expect(isAsked(data)).toBe(false);
  // The server goes on, and what it has written meanwhile is there after its end.
  after.push(await submit(server));
  await server.close();
  const again = await open(data);
  expect(await again.ledger.run(after.at(-1)!)).not.toBeNull();

  const place = join(await folderForTest(), 'data');
  const restored = await claimcheck(['restore', copy, '--data', place]);
  expect(restored.stderr).toMatch(/is in .* again\.\n$/);
  expect(restored.stdout).toMatch(/2 blobs|\d+ blobs/);
  expect(restored.stdout).toContain('1 capture');
  expect(restored.stdout).toMatch(/Every promise is kept\.\n$/);
  expect(restored.code).toBe(0);
  const there = await open(place);
  for (const runId of before) {
    const payload = await there.ledger.payload(runId, 'input');
    expect(payload).toMatchObject(FACTS);
    await there.blobs.verify(inputKey(runId), FACTS);
  }
});

test('a backup of a folder that no server has has what a killed one has left in its log', async () => {
  const data = await folderForTest();
  const server = await open(data);
  const runId = await submit(server);
  await server.close();
  const copy = join(await folderForTest(), 'copy');
  const { code, stdout } = await claimcheck(['backup', copy, '--data', data, '--json']);
  expect(code).toBe(0);
  expect(JSON.parse(stdout)).toMatchObject({
    folder: copy,
    kind: 'sqlite',
    database: null,
    blobs: { files: 1, bytes: 50_000 },
  });
  expect((await claimcheck(['doctor', '--data', copy])).stdout).toMatch(/1 run, 1 blob/);
  const stores = await open(copy);
  expect(await stores.ledger.run(runId)).not.toBeNull();
});

describe('while a folder is copied', () => {
  const collectorOf = ({ ledger, blobs }: Stores, data: string, isCopied: () => boolean): Collector =>
    new Collector({
      ledger,
      blobs,
      logs: new RunLogs(join(data, 'logs'), systemClock, LOG),
      clock: systemClock,
      log: LOG,
      folder: { since: () => instant(0), isCopied },
    });

  /** A run whose retention is over. */
  async function over(server: Stores): Promise<string> {
    const runId = newRunId();
    await server.blobs.put(inputKey(runId), BYTES);
    const input = { ...FACTS, body: { blob: inputKey(runId) } };
    await server.ledger.enqueue([call({ runId, input, retention: milliseconds(0) })]);
    await server.ledger.cancel(runId);
    return join(runId.slice(34, 36), inputKey(runId));
  }

  test('no payload is deleted, and after that it is', async () => {
    const data = await folderForTest();
    const server = await open(data);
    const file = join(blobFolder(data), await over(server));
    let isCopied = true;
    const collector = collectorOf(server, data, () => isCopied);
    await collector.collect();
    expect(existsSync(file)).toBe(true);
    isCopied = false;
    await collector.collect();
    expect(existsSync(file)).toBe(false);
  });

  test('a payload that is being deleted stays where the copy is begun meanwhile, and goes as an orphan', async () => {
    const data = await folderForTest();
    const server = await open(data);
    const file = join(blobFolder(data), await over(server));
    utimesSync(file, 1, 1);
    const asked = [false, true];
    await collectorOf(server, data, () => asked.shift() ?? true).collect();
    expect(existsSync(file)).toBe(true);
    await collectorOf(server, data, () => true).deleteOrphans();
    expect(existsSync(file)).toBe(true);
    await collectorOf(server, data, () => false).deleteOrphans();
    expect(existsSync(file)).toBe(false);
  });

  test('by a command that was killed, the server goes on once it is seen no more', async () => {
    const data = await folderForTest();
    const held: boolean[] = [];
    const ledger = { holdFile: async (isHeld: boolean) => void held.push(isHeld) };
    const attendant = new Attendant({ data, ledger, log: LOG, lapsedAfter: milliseconds(1) });
    writeRequest(data, { id: 'a', beat: 1 });
    attendant.start();
    onTestFinished(() => attendant.close());
    await until('the request is gone', () => (attendant.isBusy() ? null : true));
    await until('the file is released', () => (held.length === 2 ? true : null));
    expect(held).toEqual([true, false]);
    expect(existsSync(join(data, 'backup-answer.json'))).toBe(false);
  });

  test.each<[string, (data: string) => void]>([
    ['was removed, since its command stood still', (data) => removeRequest(data)],
    ['is another one’s by now', (data) => writeRequest(data, { id: 'another', beat: 1 })],
    ['cannot be read any more', (data) => writeFileSync(join(data, 'backup.json'), '{')],
  ])('by a command whose request %s, what was copied is no backup', async (_, lose) => {
    const data = await folderForTest();
    const hold = await Hold.of(data);
    expect(() => hold.assert()).not.toThrow();
    lose(data);
    expect(() => hold.assert()).toThrow(/stood still for so long.*no backup\. Try again/);
    hold.end();
    // Its present owner keeps it.
    expect(isAsked(data)).toBe(readRequest(data) !== null);
  });

  test.each([
    ['of a command that was killed', '{"id":"killed","beat":7}'],
    ['that nobody can read', 'nonsense'],
  ])('a request %s is in nobody’s way, with no server to remove it', async (_, content) => {
    const data = await folderForTest();
    writeFileSync(join(data, 'backup.json'), content);
    const hold = await Hold.of(data, milliseconds(1));
    onTestFinished(() => hold.end());
    hold.assert();
    await expect(Hold.of(data)).rejects.toThrow(/Another backup of .* is being made/);
  });

  test.skipIf(process.getuid?.() !== 0)('by root, the server of another user can read what it is asked', async () => {
    const data = await folderForTest();
    chownSync(data, 12_345, 12_345);
    const hold = await Hold.of(data);
    onTestFinished(() => hold.end());
    expect(statSync(join(data, 'backup.json'))).toMatchObject({ uid: 12_345, gid: 12_345 });
  });

  test('a ledger whose file is written all the same is no backup', async () => {
    const data = await folderForTest();
    await (await open(data)).close();
    const copying = copyHeldLedger(ledgerFile(data), join(data, 'copy'));
    appendFileSync(ledgerFile(data), 'x');
    await expect(copying).rejects.toThrow(/was written while it was copied.*Try again/);
  });
});

describe('what cannot be', () => {
  async function used(): Promise<string> {
    const data = await folderForTest();
    const server = await open(data);
    await submit(server);
    await capture(server);
    await server.close();
    return data;
  }

  test.each<[string, (data: string) => string[] | Promise<string[]>, RegExp]>([
    [
      'a backup into a folder that is not empty',
      (data) => ['backup', blobFolder(data), '--data', data],
      /lies in the data folder itself/,
    ],
    [
      'a backup over another one',
      async (data) => {
        const copy = await folderForTest();
        writeFileSync(join(copy, 'notes'), '');
        return ['backup', copy, '--data', data];
      },
      /is not empty\. Name a folder/,
    ],
    [
      'a backup of nothing',
      async () => ['backup', join(await folderForTest(), 'b'), '--data', await folderForTest()],
      /has nothing to back up yet/,
    ],
    [
      'a backup beside another one',
      async (data) => {
        const other = await Hold.of(data);
        onTestFinished(() => other.end());
        return ['backup', join(await folderForTest(), 'b'), '--data', data];
      },
      /Another backup of .* is being made/,
    ],
    [
      'a backup over a file',
      async (data) => {
        const file = join(await folderForTest(), 'file');
        writeFileSync(file, '');
        return ['backup', file, '--data', data];
      },
      /file is a file\. Name a folder/,
    ],
    [
      'a backup below a file',
      async (data) => {
        const file = join(await folderForTest(), 'file');
        writeFileSync(file, '');
        return ['backup', join(file, 'b'), '--data', data];
      },
      /cannot be made: a part of its path is no folder\. Name another one\.\n/,
    ],
    [
      'a backup into the folder itself, through a link',
      async (data) => {
        const link = join(await folderForTest(), 'link');
        symlinkSync(data, link);
        return ['backup', join(link, 'b'), '--data', data];
      },
      /lies in the data folder itself/,
    ],
    ...[ledgerFile, vaultFile, capturesFile].map((file): [string, (data: string) => Promise<string[]>, RegExp] => [
      `a backup of a folder without ${basename(file(''))}`,
      async (data) => {
        for (const end of ['', '-wal', '-shm']) rmSync(`${file(data)}${end}`, { force: true });
        return ['backup', join(await folderForTest(), 'b'), '--data', data];
      },
      /is gone, so there is no whole copy to make/,
    ]),
    [
      'a backup of a folder whose runs are in a database that is not named',
      async (data) => {
        const said = readIdentity(data)!;
        writeIdentity(data, { ...said, kind: 'postgres', place: 'postgres://there/it' });
        rmSync(ledgerFile(data));
        return ['backup', join(await folderForTest(), 'b'), '--data', data];
      },
      /are in postgres:\/\/there\/it: name that database/,
    ],
    [
      'a restore of what is no backup',
      async (data) => ['restore', data, '--data', await folderForTest()],
      /is no backup, or one that was cut off/,
    ],
    [
      'a restore of a backup in a file into a database',
      async (data) => {
        writeFileSync(manifestFile(data), JSON.stringify({ kind: 'postgres', database: true }));
        return ['restore', data, '--data', await folderForTest()];
      },
      /is of a ledger in Postgres: name an empty database/,
    ],
    [
      'a restore into a folder that was used',
      async (data) => {
        writeFileSync(manifestFile(data), JSON.stringify({ kind: 'sqlite', database: null }));
        const place = await folderForTest();
        writeFileSync(capturesFile(place), '');
        return ['restore', data, '--data', place];
      },
      /has been used: it holds captures\.sqlite/,
    ],
  ])('%s is refused', async (_, prepare, words) => {
    const { code, stderr } = await claimcheck(await prepare(await used()));
    expect(stderr).toMatch(words);
    expect(stderr).not.toContain('please report it');
    expect(code).not.toBe(0);
  });

  test('a folder without its ledger gets none from a backup, which would hide that it is gone', async () => {
    const data = await used();
    rmSync(ledgerFile(data));
    await claimcheck(['backup', join(await folderForTest(), 'b'), '--data', data]);
    expect(existsSync(ledgerFile(data))).toBe(false);
  });

  test('a payload that was lost keeps nobody from a backup of everything else, and is named', async () => {
    const data = await used();
    const [lost] = readdirSync(blobFolder(data), { recursive: true, encoding: 'utf8' }).filter((name) =>
      name.endsWith('.input'),
    );
    rmSync(join(blobFolder(data), lost!));
    const copy = join(await folderForTest(), 'copy');
    const made = await claimcheck(['backup', copy, '--data', data, '--json']);
    expect(made.stderr).toContain(`1 payload is missing in ${data}, and so in the backup: ${basename(lost!)}.`);
    expect(made.code).toBe(1);
    expect(JSON.parse(made.stdout)).toMatchObject({ blobs: { files: 0 }, captureBlobs: { files: 1 }, missing: [lost] });
    const put = await claimcheck(['restore', copy, '--data', join(await folderForTest(), 'data')]);
    expect(put.stdout).toMatch(/✗ Every payload.*is missing/s);
    expect(put.code).toBe(1);
  });

  test('a restore into its own backup is refused, and the backup stays as it is', async () => {
    const data = await used();
    const copy = join(await folderForTest(), 'copy');
    await claimcheck(['backup', copy, '--data', data]);
    const { stderr } = await claimcheck(['restore', copy, '--data', join(copy, 'data')]);
    expect(stderr).toMatch(/is the backup itself, or lies in it/);
    expect(existsSync(join(copy, 'data'))).toBe(false);
  });

  test('a backup that was damaged is put back, and what is damaged is named', async () => {
    const data = await used();
    const copy = join(await folderForTest(), 'copy');
    await claimcheck(['backup', copy, '--data', data]);
    const [shard] = readdirSync(blobFolder(copy));
    const [name] = readdirSync(join(blobFolder(copy), shard!));
    writeFileSync(join(blobFolder(copy), shard!, name!), 'other bytes');
    const { code, stdout } = await claimcheck(['restore', copy, '--data', join(await folderForTest(), 'data')]);
    expect(stdout).toMatch(/✗ Every payload.*\n {4}input of .* has 11 bytes; 50000 were stored/);
    expect(code).toBe(1);
  });
});

describe('a ledger in Postgres', () => {
  let postgres: PostgresServer;
  beforeAll(async () => void (postgres = await startPostgres()));
  afterAll(() => postgres.stop());

  test('is backed up by one’s own means and the folder after it, and put back', async () => {
    const database = await postgres.newDatabase();
    const data = await folderForTest();
    const server = await open(data, database);
    const runId = await submit(server);
    await server.close();
    // Here a copy of the database stands for a dump and its restore.
    const name = `${new URL(database).pathname.slice(1)}_copy`;
    await ask(postgres.url, `CREATE DATABASE ${name} TEMPLATE ${new URL(database).pathname.slice(1)}`);
    const restored = Object.assign(new URL(database), { pathname: `/${name}` }).href;
    const live = await open(data, database);
    await submit(live);
    const copy = join(await folderForTest(), 'copy');
    const made = await claimcheck(['backup', copy, '--data', data, '--without-database'], {
      CLAIMCHECK_DATABASE_URL: database,
    });
    expect(made.stderr).toBe('');
    expect(made.stdout).toMatch(/2 payloads .*The database is not in it\.\n$/);
    const place = join(await folderForTest(), 'data');
    const there = { CLAIMCHECK_DATABASE_URL: restored };
    expect((await claimcheck(['restore', copy, '--data', place], there)).stderr).toMatch(/has no dump of the database/);
    const put = await claimcheck(['restore', copy, '--data', place, '--without-database'], there);
    expect(put.stdout).toMatch(/Every promise is kept/);
    expect(put.code).toBe(0);
    const stores = await open(place, restored);
    await stores.blobs.verify(inputKey(runId), FACTS);
    expect(await stores.ledger.run(runId)).not.toBeNull();
  });

  test.each(['another ledger', 'nothing yet'])(
    'is not put back beside a database with %s, whose payloads would be deleted',
    async (what) => {
      const [database, other] = [await postgres.newDatabase(), await postgres.newDatabase()];
      const data = await folderForTest();
      const server = await open(data, database);
      await submit(server);
      await server.close();
      const copy = join(await folderForTest(), 'copy');
      const environment = { CLAIMCHECK_DATABASE_URL: database };
      expect((await claimcheck(['backup', copy, '--data', data, '--without-database'], environment)).code).toBe(0);
      if (what === 'another ledger') await (await open(await folderForTest(), other)).close();
      const place = join(await folderForTest(), 'data');
      const put = await claimcheck(['restore', copy, '--data', place, '--without-database'], {
        CLAIMCHECK_DATABASE_URL: other,
      });
      expect(put.stderr).toMatch(
        what === 'another ledger' ? /is not the one that .*copy belongs to/ : /older claimcheck, or by none/,
      );
      expect(put.code).toBe(1);
      expect(existsSync(place)).toBe(false);
      // And no such backup is made.
      const made = await claimcheck(['backup', join(await folderForTest(), 'b'), '--data', data], {
        CLAIMCHECK_DATABASE_URL: other,
      });
      expect(made.stderr).toMatch(/is not the one that .* belongs to|older claimcheck, or by none/);
    },
  );

  test('is dumped with pg_dump and put back with pg_restore', async (context) => {
    const [database, restored] = [await postgres.newDatabase(), await postgres.newDatabase()];
    const data = await folderForTest();
    const server = await open(data, database);
    const runId = await submit(server);
    const copy = join(await folderForTest(), 'copy');
    const made = await claimcheck(['backup', copy, '--data', data], { CLAIMCHECK_DATABASE_URL: database });
    if (/version mismatch|cannot be started/.test(made.stderr)) {
      expect(made.stderr).toMatch(/pg_dump .*--without-database/);
      context.skip(`pg_dump here cannot dump this Postgres: ${made.stderr}`);
    }
    expect(made.code).toBe(0);
    const place = join(await folderForTest(), 'data');
    const put = await claimcheck(['restore', copy, '--data', place], { CLAIMCHECK_DATABASE_URL: restored });
    expect(put.stdout).toMatch(/Every promise is kept/);
    const stores = await open(place, restored);
    expect(await stores.ledger.run(runId)).not.toBeNull();
  });

  test('without pg_dump says what to do, and never the password', async () => {
    const database = await postgres.newDatabase();
    const data = await folderForTest();
    await (await open(data, database)).close();
    const { code, stderr } = await claimcheck(['backup', join(await folderForTest(), 'b'), '--data', data], {
      CLAIMCHECK_DATABASE_URL: database,
      PATH: '/nowhere',
    });
    expect(stderr).toMatch(/pg_dump cannot be started: .*on the PATH.*--without-database/);
    expect(stderr).not.toContain('postgres:postgres');
    expect(code).toBe(1);
  });
});
