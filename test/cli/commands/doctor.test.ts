import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { describe, expect, onTestFinished, test } from 'vitest';
import { type BlobStore, inputKey, outputKey } from '../../../src/stores/blobs/blobs.ts';
import { openBlobDirectory } from '../../../src/stores/blobs/directory.ts';
import { bytesText } from '../../../src/cli/commands/doctor.ts';
import { newRunId, systemClock } from '../../../src/system/clock.ts';
import { captureKey, type NewCapture } from '../../../src/stores/captures/captures.ts';
import { openSqliteCaptures } from '../../../src/stores/captures/sqlite.ts';
import { blobFolder, capturesFile, capturesFolder, ledgerFile } from '../../../src/config/config.ts';
import { sha256 } from '../../../src/domain/digest.ts';
import type { RunId } from '../../../src/domain/ids.ts';
import type { BlobKey, Payload } from '../../../src/domain/payload.ts';
import { seconds } from '../../../src/domain/time.ts';
import type { ClaimedRun, Ledger } from '../../../src/stores/ledger/ledger.ts';
import { openSqliteLedger } from '../../../src/stores/ledger/sqlite/driver.ts';
import { newCapture } from '../../stores/captures/conformance.ts';
import { batch, call, chunk, deployment, inline } from '../../stores/ledger/runs.ts';
import { folderForTest } from '../../support/folder.ts';
import { commandHere } from '../command-here.ts';

const BYTES = Buffer.alloc(50_000, 'payload ');

/**
 * A data folder that a server has worked in, with a run in every state, and payloads in the ledger
 * and beside it.
 */
interface Store {
  readonly data: string;
  readonly large: RunId;
  readonly chunkOfLarge: RunId;
}

async function storeForTest(): Promise<Store> {
  const data = await folderForTest();
  const ledger = await openSqliteLedger(ledgerFile(data), systemClock);
  const blobs = await openBlobDirectory(blobFolder(data));
  await ledger.deploy(deployment());
  const large = newRunId();
  await ledger.enqueue([
    call({ runId: large, priority: 2, input: await stored(blobs, inputKey(large)) }),
    call({ priority: 1 }),
    call({ idempotency: { key: 'key', fingerprint: 'f' } }),
    batch(),
  ]);
  const [one, two] = await claim(ledger, 'replica', 2);
  await finish(ledger, one!, await stored(blobs, outputKey(large, 1)));
  await finish(ledger, two!, inline('{"y":2}'));
  const [parent] = await claim(ledger, 'engine', 1);
  const part = chunk(parent!.claim, 0, 3);
  await ledger.enqueue([{ ...part, priority: 3 }]);
  const [rows] = await claim(ledger, 'replica', 1);
  await finish(ledger, rows!, await stored(blobs, outputKey(part.runId, 1)));
  await ledger.close();
  return { data, large, chunkOfLarge: part.runId };
}

async function stored(blobs: BlobStore, key: BlobKey): Promise<Payload> {
  await blobs.put(key, BYTES);
  return { contentType: 'text/plain', bytes: BYTES.length, sha256: sha256(BYTES), body: { blob: key } };
}

function claim(ledger: Ledger, lane: 'replica' | 'engine', slots: number): Promise<ClaimedRun[]> {
  const slot = { replica: lane === 'engine' ? null : 'r', coldStart: null };
  return ledger.claim({
    endpoint: 'echo',
    version: 1,
    lane,
    slots: Array.from({ length: slots }, () => slot),
    alone: false,
    owner: 'me',
    lease: seconds(30),
  });
}

async function finish(ledger: Ledger, { claim: held }: ClaimedRun, output: Payload): Promise<void> {
  await ledger.finish([{ claim: held, result: { kind: 'succeeded', output }, progress: null }]);
}

/** Two captures in a data folder, with blobs. */
async function addCaptures(data: string): Promise<readonly NewCapture[]> {
  const store = await openSqliteCaptures(capturesFile(data));
  const blobs = await openBlobDirectory(capturesFolder(data));
  const facts = { contentType: 'text/csv', bytes: BYTES.length, sha256: sha256(BYTES) };
  const captures = ['with-ids', 'without'].map((name) =>
    newCapture({ name, predictions: facts, ids: name === 'without' ? null : { column: 'id', list: facts } }),
  );
  for (const capture of captures) {
    await blobs.put(captureKey(capture, 'predictions'), BYTES);
    if (capture.ids !== null) await blobs.put(captureKey(capture, 'ids'), BYTES);
    await store.add(capture);
  }
  await store.close();
  return captures;
}

/** Runs the doctor on a folder. */
const doctor = (data: string, ...options: string[]) => commandHere('', ['doctor', '--data', data, ...options]);

/** Every file of a folder with what is in it. */
function contentOf(folder: string): Record<string, string> {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  const paths = files.map((entry) => join(entry.parentPath, entry.name));
  return Object.fromEntries(paths.map((path) => [path, createHash('sha256').update(readFileSync(path)).digest('hex')]));
}

const blobFile = (data: string, key: BlobKey): string => join(blobFolder(data), key.slice(34, 36), key);
const captureFile = (data: string, key: BlobKey): string => join(capturesFolder(data), key.slice(34, 36), key);

const change = (data: string, sql: string): void => changeFile(ledgerFile(data), sql);

function changeFile(file: string, sql: string): void {
  const db = new DatabaseSync(file);
  db.exec('PRAGMA foreign_keys = OFF');
  db.exec(sql);
  db.close();
}

/** Changes the bytes of the first page of a table or an index. */
function changePageOf(file: string, name: string, harm: (page: Buffer) => void): void {
  const db = new DatabaseSync(file);
  const { page, size } = db
    .prepare(
      'SELECT rootpage AS page, (SELECT page_size FROM pragma_page_size) AS size FROM sqlite_schema WHERE name = ?',
    )
    .get(name) as { page: number; size: number };
  db.close();
  const bytes = readFileSync(file);
  harm(bytes.subarray((page - 1) * size, page * size));
  writeFileSync(file, bytes);
}

describe('a healthy store', () => {
  test('keeps every promise, and is left as it was', async () => {
    const { data } = await storeForTest();
    const before = contentOf(data);
    const { code, stdout, stderr } = await doctor(data);
    expect(stderr).toBe('');
    expect(stdout).toMatch(/Examined .*ledger\.sqlite: 5 runs, 3 blobs \(150 kB\)/);
    expect(stdout).toMatch(/\nEvery promise is kept\.\n$/);
    expect(stdout).not.toMatch(/[✗?]/);
    expect(stdout.match(/^✓ /gm)!.length).toBeGreaterThan(15);
    expect(code).toBe(0);
    expect(contentOf(data)).toEqual(before);
  });

  test('that a killed server left, with a log that was not written back, is examined with that log and left as it was', async () => {
    const { data } = await storeForTest();
    const live = await openSqliteLedger(ledgerFile(data), systemClock);
    await live.enqueue([call()]);
    // What is on the disk while the server has it is what a killed one leaves.
    const copy = await folderForTest();
    for (const name of ['ledger.sqlite', 'ledger.sqlite-wal'])
      writeFileSync(join(copy, name), readFileSync(join(data, name)));
    await live.close();
    for (const [file] of Object.entries(contentOf(blobFolder(data)))) {
      const key = file.split('/').at(-1) as BlobKey;
      const blobs = await openBlobDirectory(blobFolder(copy));
      await blobs.put(key, readFileSync(file));
    }
    const before = contentOf(copy);
    const { code, stdout } = await doctor(copy);
    expect(stdout).toMatch(/: 6 runs, 3 blobs/);
    expect(code).toBe(0);
    expect(contentOf(copy)).toEqual(before);
  });

  test('is found by its configuration as well', async () => {
    const { data } = await storeForTest();
    const config = join(await folderForTest(), 'claimcheck.config.json');
    writeFileSync(config, JSON.stringify({ data, endpoints: { any: { model: ['true'] } } }));
    const { code, stdout } = await commandHere('', ['doctor', '--config', config]);
    expect(stdout).toContain(`Examined ${ledgerFile(data)}: 5 runs`);
    expect(code).toBe(0);
  });

  test('is told to a program as JSON', async () => {
    const { data } = await storeForTest();
    const { stdout } = await doctor(data, '--json');
    const report = JSON.parse(stdout) as { promises: { kept: boolean }[] };
    expect(report).toMatchObject({
      healthy: true,
      examined: { runs: 5, blobs: 3, blob_bytes: 150_000 },
      leftovers: [],
    });
    expect(report.promises.filter(({ kept }) => !kept)).toEqual([]);
  });
});

describe('what is broken is named', () => {
  test.each<[string, (store: Store) => void, RegExp]>([
    [
      'a bit of a blob',
      ({ data, large }) => {
        const file = blobFile(data, inputKey(large));
        const bytes = readFileSync(file);
        bytes[4_711]! ^= 1;
        writeFileSync(file, bytes);
      },
      /✗ Every payload.*\n {4}input of RUN: .* has other bytes than were stored/,
    ],
    [
      'the end of a blob',
      ({ data, large }) => writeFileSync(blobFile(data, outputKey(large, 1)), BYTES.subarray(1)),
      /✗ Every payload.*\n {4}output of RUN: .* has 49999 bytes; 50000 were stored/,
    ],
    [
      'a blob that is gone',
      ({ data, large }) => rmSync(blobFile(data, outputKey(large, 1))),
      /✗ Every payload.*\n {4}output of RUN: .* is missing/,
    ],
    [
      'a folder of blobs that is gone',
      ({ data }) => rmSync(blobFolder(data), { recursive: true }),
      /✗ Every payload.*\n {4}input of RUN: there is no folder of blobs/,
    ],
    [
      'a payload in the ledger',
      ({ data }) => change(data, `UPDATE outputs SET body = x'7b7d'`),
      /✗ Every output that is kept is there/,
    ],
    [
      'a payload that is gone from the ledger',
      ({ data }) => change(data, `DELETE FROM outputs`),
      /✗ Every output that is kept is there.*\n {4}[\da-f-]{36}\n(?!.*ledger failed)/,
    ],
    [
      'a counter',
      ({ data }) => change(data, `UPDATE endpoints SET queued = 99`),
      /✗ An endpoint has as many queued runs as its counter says\.\n {4}echo\n/,
    ],
  ])('%s', async (_, harm, words) => {
    const store = await storeForTest();
    harm(store);
    const before = contentOf(store.data);
    const { code, stdout, stderr } = await doctor(store.data);
    expect(stdout).toMatch(new RegExp(words.source.replace('RUN', store.large)));
    expect(stderr).toMatch(/^error: 1 of 24 promises is broken\.\n$/);
    expect(code).toBe(1);
    expect(contentOf(store.data)).toEqual(before);
  });

  test('also where it belongs to a chunk of a batch', async () => {
    const { data, chunkOfLarge } = await storeForTest();
    rmSync(blobFile(data, outputKey(chunkOfLarge, 1)));
    expect((await doctor(data)).stdout).toContain(`output of ${chunkOfLarge}: `);
  });

  test('and where the file cannot be read on, that is said, and of the rest that nobody can tell', async () => {
    const { data } = await storeForTest();
    const ledger = await openSqliteLedger(ledgerFile(data), systemClock);
    await ledger.enqueue(Array.from({ length: 90 }, () => call({ input: inline('x'.repeat(16_000)) })));
    await ledger.close();
    changePageOf(ledgerFile(data), 'inputs', (page) => page.fill(0xff));
    const { code, stdout, stderr } = await doctor(data);
    expect(stdout).toMatch(/✗ The file’s pages.*\n {4}.*malformed/);
    expect(stdout).toMatch(/^\? /m);
    expect(stderr).toMatch(/1 of 24 promises is broken, and 22 cannot be told/);
    expect(code).toBe(1);
  });
});

describe('blobs that no run names', () => {
  test('are named when they are old, and break no promise', async () => {
    const { data } = await storeForTest();
    const blobs = await openBlobDirectory(blobFolder(data));
    const [old, young] = [inputKey(newRunId()), inputKey(newRunId())];
    for (const key of [old, young]) await blobs.put(key, BYTES);
    const twoHoursAgo = Date.now() / 1_000 - 7_200;
    utimesSync(blobFile(data, old), twoHoursAgo, twoHoursAgo);
    const { code, stdout } = await doctor(data);
    expect(stdout).toMatch(/1 blob \(50 kB\) in .*blobs is named by no run/);
    expect(stdout).toContain(old);
    expect(stdout).not.toContain(young);
    expect(code).toBe(0);
    expect(JSON.parse((await doctor(data, '--json')).stdout)).toMatchObject({
      healthy: true,
      leftovers: [{ key: old, bytes: 50_000 }],
    });
  });
});

describe('captures', () => {
  test('are examined with the runs, and left as they were', async () => {
    const { data } = await storeForTest();
    expect((await doctor(data)).stdout).not.toContain('capture');
    await addCaptures(data);
    const before = contentOf(data);
    const { code, stdout } = await doctor(data);
    expect(stdout).toMatch(/: 5 runs, 2 captures, 6 blobs \(300 kB\)/);
    expect(stdout).toContain('✓ The pages, rows and indexes of the captures’ file');
    expect(stdout).toContain('✓ The predictions and the ids of every capture can be had');
    expect(stdout).toMatch(/\nEvery promise is kept\.\n$/);
    expect(code).toBe(0);
    expect(contentOf(data)).toEqual(before);
    expect(JSON.parse((await doctor(data, '--json')).stdout)).toMatchObject({
      healthy: true,
      examined: { runs: 5, captures: 2, blobs: 6, blob_bytes: 300_000 },
      capture_leftovers: [],
    });
  });

  const flip = (file: string): void => {
    const bytes = readFileSync(file);
    bytes[4_711]! ^= 1;
    writeFileSync(file, bytes);
  };

  test.each<[string, (data: string, capture: NewCapture) => void, RegExp]>([
    [
      'a bit of predictions',
      (data, capture) => flip(captureFile(data, captureKey(capture, 'predictions'))),
      /✗ The predictions and the ids.*\n {4}predictions of rings\/with-ids version 1 of tenant acme: .* has other bytes/,
    ],
    [
      'ids that are gone',
      (data, capture) => rmSync(captureFile(data, captureKey(capture, 'ids'))),
      /✗ The predictions and the ids.*\n {4}ids of rings\/with-ids version 1 of tenant acme: .* is missing/,
    ],
    [
      'a folder that is gone',
      (data) => rmSync(capturesFolder(data), { recursive: true }),
      /✗ The predictions and the ids.*\n {4}predictions of .*: there is no folder of blobs\.\n {4}ids of/,
    ],
    [
      'an index of the file',
      (data) =>
        changePageOf(capturesFile(data), 'captures_of_an_endpoint', (page) => page.write('b', page.indexOf('acme'))),
      /✗ The pages, rows and indexes of the captures’ file.*\n {4}row . missing from index captures_of_an_endpoint/,
    ],
  ])('of which %s is not as it was are named', async (_, harm, words) => {
    const { data } = await storeForTest();
    const [capture] = await addCaptures(data);
    harm(data, capture!);
    const before = contentOf(data);
    const { code, stdout, stderr } = await doctor(data);
    expect(stdout).toMatch(words);
    expect(stderr).toBe('error: 1 of 26 promises is broken.\n');
    expect(code).toBe(1);
    expect(contentOf(data)).toEqual(before);
  });

  test('whose file cannot be read on are told of, and the runs are examined all the same', async () => {
    const { data } = await storeForTest();
    await addCaptures(data);
    changePageOf(capturesFile(data), 'captures', (page) => page.fill(0xff));
    const { code, stdout, stderr } = await doctor(data);
    expect(stdout).toMatch(/✗ The pages, rows and indexes of the captures’ file.*\n {4}.*malformed/);
    expect(stdout).toContain('✓ Every payload that is kept can be had');
    expect(stdout).toMatch(/^\? The predictions and the ids/m);
    expect(stderr).toMatch(
      /1 of 26 promises is broken, and 1 cannot be told, because a file cannot be read to its end/,
    );
    expect(code).toBe(1);
  });

  test('that are in somebody else’s file are refused', async () => {
    const { data } = await storeForTest();
    changeFile(capturesFile(data), 'CREATE TABLE notes (text TEXT)');
    const { code, stderr } = await doctor(data);
    expect(stderr).toMatch(/captures\.sqlite is another program's database/);
    expect(code).toBe(1);
  });

  test('leave blobs behind that none of them names, which break no promise', async () => {
    const { data } = await storeForTest();
    const captures = await addCaptures(data);
    const blobs = await openBlobDirectory(capturesFolder(data));
    const [old, young] = [captureKey(newCapture(), 'predictions'), captureKey(newCapture(), 'ids')];
    for (const key of [old, young]) await blobs.put(key, BYTES);
    const twoHoursAgo = Date.now() / 1_000 - 7_200;
    for (const key of [old, captureKey(captures[0]!, 'predictions')])
      utimesSync(captureFile(data, key), twoHoursAgo, twoHoursAgo);
    const { code, stdout } = await doctor(data);
    expect(stdout).toMatch(
      /1 blob \(50 kB\) in .*captures is named by no capture: .* deletes such blobs\.\n {4}(\S+)\n/,
    );
    expect(stdout).toContain(old);
    expect(stdout).not.toContain(young);
    expect(code).toBe(0);
    expect(JSON.parse((await doctor(data, '--json')).stdout)).toMatchObject({
      healthy: true,
      leftovers: [],
      capture_leftovers: [{ key: old, bytes: 50_000 }],
    });
  });

  test('whose file is gone leave blobs behind that no server deletes', async () => {
    const { data } = await storeForTest();
    const [capture] = await addCaptures(data);
    rmSync(capturesFile(data));
    const key = captureKey(capture!, 'predictions');
    const twoHoursAgo = Date.now() / 1_000 - 7_200;
    utimesSync(captureFile(data, key), twoHoursAgo, twoHoursAgo);
    const { code, stdout } = await doctor(data);
    expect(stdout).toMatch(
      /1 blob \(50 kB\) in .*captures is named by no capture: .* They stay while there is no capture/,
    );
    expect(code).toBe(0);
  });
});

describe('a store that cannot be examined', () => {
  test('because a server has it says so, and the server goes on', async () => {
    const { data } = await storeForTest();
    const server = await openSqliteLedger(ledgerFile(data), systemClock);
    onTestFinished(() => server.close());
    const { code, stderr } = await doctor(data);
    expect(stderr).toMatch(/^error: A server has .*ledger\.sqlite open.* Stop the server first/);
    expect(code).toBe(1);
    expect(await server.enqueue([call()])).toMatchObject([{ result: 'enqueued' }]);
  });

  test.each([
    ['1', /older claimcheck \(schema 1; this one knows \d+\).*claimcheck migrate/],
    ['99', /newer claimcheck \(schema 99; this one knows \d+\)/],
  ])('because its schema is %s says so, and is not brought to another', async (version, words) => {
    const { data } = await storeForTest();
    change(data, `PRAGMA user_version = ${version}`);
    const before = contentOf(data);
    expect((await doctor(data)).stderr).toMatch(words);
    expect(contentOf(data)).toEqual(before);
  });

  test.each([
    ['there is none', 2, () => {}, /There is no ledger at .*ledger\.sqlite\. Name its folder with --data/],
    [
      'it is no database',
      1,
      (data: string) => writeFileSync(ledgerFile(data), 'This is a letter. '.repeat(100)),
      /ledger\.sqlite cannot be opened: file is not a database/,
    ],
    [
      'it is somebody else’s',
      1,
      (data: string) => change(data, 'CREATE TABLE notes (text TEXT)'),
      /ledger\.sqlite is no ledger of claimcheck's/,
    ],
  ])('because %s says so, and ends with %i', async (_, exitCode, make, words) => {
    const data = await folderForTest();
    make(data);
    const before = contentOf(data);
    const { code, stderr } = await doctor(data);
    expect(stderr).toMatch(words);
    expect(code).toBe(exitCode);
    expect(contentOf(data)).toEqual(before);
  });
});

test.each([
  [0, '0 bytes'],
  [999, '999 bytes'],
  [1_000, '1.0 kB'],
  [9_949, '9.9 kB'],
  [50_000, '50 kB'],
  [1_234_567, '1.2 MB'],
  [3e9, '3.0 GB'],
  [5e15, '5000 TB'],
])('%i bytes are written as %s', (bytes, text) => {
  expect(bytesText(bytes)).toBe(text);
});
