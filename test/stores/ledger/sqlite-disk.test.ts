// What a ledger in a file does when its disk is not what it should be: on another machine, full, or
// failing.

import { spawnSync } from 'node:child_process';
import { copyFileSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { systemClock } from '../../../src/system/clock.ts';
import { StorageBroken, StorageFull } from '../../../src/domain/errors.ts';
import { seconds } from '../../../src/domain/time.ts';
import type { Ledger } from '../../../src/stores/ledger/ledger.ts';
import { openSqliteLedger, type SqliteOptions } from '../../../src/stores/ledger/sqlite/driver.ts';
import { mountedType, networkFileSystem } from '../../../src/stores/sqlite/file-system.ts';
import { failureOf } from '../../../src/stores/sqlite/failures.ts';
import { openDatabase } from '../../../src/stores/ledger/sqlite/open.ts';
import { folderForTest } from '../../support/folder.ts';
import { faultyDisk, noFaultyDisk } from '../../support/faulty-disk.ts';
import { noSmallDisk, smallDisk } from '../../support/small-disk.ts';
import { call, inline } from './runs.ts';

describe('a file system', () => {
  test.each([
    [0x6969, 'NFS'],
    [0x517b, 'SMB'],
    [0xff534d42, 'SMB (cifs)'],
    [0xfe534d42, 'SMB (smb2)'],
    [0x564c, 'NCP'],
    [0x5346414f, 'AFS'],
    [0x6b414653, 'AFS (kafs)'],
    [0x73757245, 'Coda'],
    [0x00c36400, 'CEPH'],
    [0x01021997, '9p'],
    [0x0bd00bd0, 'Lustre'],
    [0x47504653, 'GPFS'],
  ])('of type %i is %s and lies on another machine', (type, name) => {
    expect(networkFileSystem(type, () => null)).toBe(name);
  });

  test.each([
    ['ext4', 0xef53],
    ['xfs', 0x58465342],
    ['btrfs', 0x9123683e],
    ['tmpfs', 0x01021994],
    ['overlay', 0x794c7630],
    ['zfs', 0x2fc12fc1],
    ['f2fs', 0xf2f52010],
  ])('like %s is local', (_, type) => {
    expect(networkFileSystem(type, () => null)).toBeNull();
  });

  test.each([
    ['fuse.sshfs', 'sshfs'],
    ['fuse.s3fs', 's3fs'],
    ['fuse.rclone', 'rclone'],
    ['fuse.glusterfs', 'glusterfs'],
    ['fuse.bindfs', null],
    ['fuse.gocryptfs', null],
    ['fuseblk', null],
    ['fuse', null],
    [null, null],
  ])('behind FUSE that mountinfo calls %s lies elsewhere by the name of %s', (mounted, name) => {
    expect(networkFileSystem(0x65735546, () => mounted)).toBe(name);
  });

  test('is found in mountinfo by its device', () => {
    const lines = [
      '36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue',
      '91 35 0:45 / /home/me/remote rw,nosuid,nodev,relatime shared:1 - fuse.sshfs me@far:/ rw,user_id=1000',
    ].join('\n');
    expect(mountedType(lines, 45)).toBe('fuse.sshfs');
    expect(mountedType(lines, 98 * 256)).toBe('ext3');
    expect(mountedType(lines, 46)).toBeNull();
  });
});

test.skipIf(noFaultyDisk !== null)(
  'a folder on another machine is refused with its file system, why, and what to do',
  async () => {
    const folder = await folderForTest();
    const { environment } = faultyDisk(folder);
    const program = `
    const { openDatabase } = await import(${JSON.stringify(new URL('../../../src/stores/ledger/sqlite/open.ts', import.meta.url).href)});
    openDatabase(${JSON.stringify(join(folder, 'data', 'ledger.sqlite'))});`;
    const open = (type: string) =>
      spawnSync(process.execPath, ['--input-type=module', '-e', program], {
        env: { ...process.env, ...environment, FAULTY_TYPE: type },
        encoding: 'utf8',
      });
    expect(open('6969').stderr).toMatch(
      /data lies on NFS, a file system of another machine: .*locks.*fsync.*--data.*Postgres/,
    );
    expect(open('ef53')).toMatchObject({ status: 0, stderr: '' });
  },
);

test.skipIf(noSmallDisk !== null)(
  'the file system of a mounted disk is found in the mountinfo of this machine',
  async () => {
    const { folder } = await smallDisk(1);
    expect(mountedType(readFileSync('/proc/self/mountinfo', 'utf8'), statSync(folder).dev)).toBe('tmpfs');
  },
);

test('what a killed server left in its log is in the database, and the log is empty, before anything is taken in', async () => {
  const [folder, copy] = [await folderForTest(), await folderForTest()];
  const live = await ledgerForTest(join(folder, 'ledger.sqlite'));
  const run = call();
  await live.enqueue([run]);
  for (const name of ['ledger.sqlite', 'ledger.sqlite-wal']) copyFileSync(join(folder, name), join(copy, name));
  expect(statSync(join(copy, 'ledger.sqlite-wal')).size).toBeGreaterThan(0);
  const db = openDatabase(join(copy, 'ledger.sqlite'));
  onTestFinished(() => db.close());
  expect(db.prepare('SELECT run_id FROM runs').all()).toMatchObject([{ run_id: run.runId }]);
  // Opening writes once itself, to see whether that is durable.
  const { log } = db.prepare('PRAGMA wal_checkpoint(NOOP)').get() as { log: number };
  expect(log).toBeLessThanOrEqual(1);
});

test.each([
  ['SQLITE_FULL', 13, 'full'],
  ['SQLITE_IOERR', 10, 'broken'],
  ['SQLITE_IOERR_FSYNC', 1034, 'broken'],
  ['SQLITE_IOERR_WRITE', 778, 'broken'],
  ['SQLITE_CORRUPT', 11, 'broken'],
  ['SQLITE_CORRUPT_INDEX', 779, 'broken'],
  ['SQLITE_NOTADB', 26, 'broken'],
  ['SQLITE_READONLY_DBMOVED', 1032, 'broken'],
  ['SQLITE_CANTOPEN', 14, 'broken'],
  ['SQLITE_CONSTRAINT_CHECK', 275, 'bug'],
  ['SQLITE_ERROR', 1, 'bug'],
])('%s means %3$s', (_, errcode, failure) => {
  expect(failureOf(Object.assign(new Error('said by SQLite'), { errcode }))).toBe(failure);
});

async function ledgerForTest(file: string, options: SqliteOptions = {}): Promise<Ledger> {
  const ledger = await openSqliteLedger(file, systemClock, options);
  onTestFinished(() => ledger.close());
  await ledger.deploy({
    name: 'echo',
    fingerprint: 'a',
    spec: 'null',
    source: 'config',
    queueLimit: 1_000_000,
    concurrencyLimit: null,
  });
  return ledger;
}

const large = () => call({ input: inline('x'.repeat(16_000)) });

describe.skipIf(noSmallDisk !== null)('a full disk', () => {
  test('undoes what there is no room for, says so, and is no trouble once there is room', async () => {
    const disk = await smallDisk(8);
    const asked: boolean[] = [];
    const ledger = await ledgerForTest(join(disk.folder, 'ledger.sqlite'), { onFull: (urgent) => asked.push(urgent) });
    const kept = large();
    await ledger.enqueue([kept]);
    disk.fill(0);
    const results = await Promise.allSettled(Array.from({ length: 400 }, () => ledger.enqueue([large()])));
    const refused = results.filter((result) => result.status === 'rejected');
    expect(refused.length).toBeGreaterThan(0);
    expect(refused.filter(({ reason }) => !(reason instanceof StorageFull))).toEqual([]);
    const stored = (await ledger.runs({ limit: 1_000 })).length;
    expect(stored).toBe(1 + results.length - refused.length);
    expect((await ledger.depths())[0]).toMatchObject({ queued: stored });
    // Nobody makes room for new work.
    expect(new Set(asked)).toEqual(new Set([false]));
    expect(await ledger.payload(kept.runId, 'input')).toMatchObject({ bytes: 16_000 });

    disk.free();
    expect(await ledger.enqueue([large()])).toMatchObject([{ result: 'enqueued' }]);
    expect(await ledger.audit()).toEqual([]);
  });

  test('is made room on for what ends work, and that is tried once more', async () => {
    const disk = await smallDisk(8);
    const asked: boolean[] = [];
    const ledger = await ledgerForTest(join(disk.folder, 'ledger.sqlite'), {
      onFull(urgent) {
        asked.push(urgent);
        if (urgent) disk.free();
      },
    });
    const run = call();
    await ledger.enqueue([run]);
    disk.fill(0);
    const [claimed] = await ledger.claim({
      endpoint: 'echo',
      version: 1,
      lane: 'replica',
      slots: [{ replica: 'r', coldStart: null }],
      alone: false,
      owner: 'me',
      lease: seconds(30),
    });
    disk.fill(0);
    const output = inline('y'.repeat(16_000));
    const result = { kind: 'succeeded', output } as const;
    expect(await ledger.finish([{ claim: claimed!.claim, result, progress: null }])).toEqual(['recorded']);
    expect(asked).toContain(true);
    expect(await ledger.payload(run.runId, 'output')).toMatchObject({ sha256: output.sha256 });
  });

  test('on which nobody makes room refuses what ends work, too, rather than wait for ever', async () => {
    const disk = await smallDisk(8);
    const ledger = await ledgerForTest(join(disk.folder, 'ledger.sqlite'));
    const run = call();
    await ledger.enqueue([run]);
    disk.fill(0);
    await expect(ledger.cancel(run.runId)).rejects.toThrow(StorageFull);
    disk.free();
    expect(await ledger.cancel(run.runId)).toMatchObject({ result: 'cancelled' });
  });
});

describe('a file that was damaged behind the server’s back', () => {
  test('is not written any more: every call is refused, and its opener is told once', async () => {
    const folder = await folderForTest();
    const file = join(folder, 'ledger.sqlite');
    const first = await ledgerForTest(file);
    const runs = Array.from({ length: 400 }, large);
    await first.enqueue(runs);
    await first.close();
    damage(file);
    const told: StorageBroken[] = [];
    const ledger = await openSqliteLedger(file, systemClock, { onBroken: (error) => told.push(error) });
    onTestFinished(() => ledger.close());
    const reads = await Promise.allSettled(runs.map(({ runId }) => ledger.payload(runId, 'input')));
    expect(reads.filter(({ status }) => status === 'rejected').length).toBeGreaterThan(0);
    await expect(ledger.enqueue([call()])).rejects.toThrow(StorageBroken);
    await expect(ledger.depths()).rejects.toThrow(/can no longer be trusted.*Start the server again/);
    expect(told).toHaveLength(1);
  });
});

/** Overwrites every page but the first few. */
function damage(file: string): void {
  const db = openDatabase(file);
  const { page_size: size } = db.prepare('PRAGMA page_size').get() as { page_size: number };
  db.close();
  const bytes = readFileSync(file);
  bytes.fill(0xff, size * 40);
  writeFileSync(file, bytes);
}
