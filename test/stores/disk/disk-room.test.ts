import { existsSync, readdirSync, statfsSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { StorageFull } from '../../../src/domain/errors.ts';
import { openLog } from '../../../src/system/log.ts';
import { Ballast } from '../../../src/stores/disk/ballast.ts';
import { ballastFor, DiskRoom, type RoomState, roomState } from '../../../src/stores/disk/disk-room.ts';
import { folderForTest } from '../../support/folder.ts';
import { noSmallDisk, smallDisk } from '../../support/small-disk.ts';

const MIB = 1_024 * 1_024;
const GIB = 1_024 * MIB;
const never = new AbortController().signal;

async function roomForTest(folder: string): Promise<DiskRoom> {
  const room = new DiskRoom(folder, openLog('silent'));
  onTestFinished(() => room.close());
  await room.start();
  return room;
}

test.each([
  [16 * MIB, 2 * MIB],
  [512 * MIB, 64 * MIB],
  [500 * GIB, 64 * MIB],
])('a disk of %i bytes has a ballast of %i', (totalBytes, ballast) => {
  expect(ballastFor({ totalBytes, freeBytes: 0 })).toBe(ballast);
});

describe('of a disk whose ballast is 64 MiB', () => {
  test.each<[number, number, boolean, RoomState]>([
    [100 * GIB, 0, false, 'ample'],
    [128 * MIB, 64 * MIB, false, 'ample'],
    [128 * MIB - 1, 64 * MIB, false, 'low'],
    [0, 64 * MIB, false, 'low'],
    // The room for a ballast that is not there is spoken for.
    [191 * MIB, 0, false, 'low'],
    [192 * MIB, 0, false, 'ample'],
    [191 * MIB, 0, true, 'spent'],
    [192 * MIB, 0, true, 'ample'],
    [135 * MIB, 56 * MIB, true, 'spent'],
    [136 * MIB, 56 * MIB, true, 'ample'],
  ])('%i bytes free and %i held (spent: %s) are %s', (freeBytes, held, isSpent, state) => {
    expect(roomState({ totalBytes: 10 * GIB, freeBytes }, held, isSpent)).toBe(state);
  });
});

describe('a ballast', () => {
  test('takes the room that it says, and gives it up in parts', async () => {
    const folder = await folderForTest();
    const ballast = new Ballast(folder);
    expect(ballast.held()).toBe(0);
    await ballast.make(2 * MIB + 5);
    expect(ballast.held()).toBe(2 * MIB + 5);
    expect(statSync(join(folder, 'ballast')).blocks * 512).toBeGreaterThanOrEqual(2 * MIB);
    expect(ballast.giveUp(MIB)).toBe(MIB);
    expect(ballast.giveUp(MIB)).toBe(MIB);
    expect(ballast.giveUp(MIB)).toBe(5);
    expect(ballast.giveUp(MIB)).toBe(0);
    expect(existsSync(join(folder, 'ballast'))).toBe(false);
  });

  test('whose making was cut off is room, too', async () => {
    const folder = await folderForTest();
    writeFileSync(join(folder, 'ballast.unfinished.1'), 'half');
    new Ballast(folder).giveUp(MIB);
    expect(readdirSync(folder)).toEqual([]);
  });

  test('is one for all servers of a folder: any of them makes it and gives it up, also at once', async () => {
    const folder = await folderForTest();
    const servers = Array.from({ length: 4 }, () => new Ballast(folder));
    const making = servers.map((ballast) => ballast.make(4 * MIB));
    const given = servers.map((ballast) => ballast.giveUp(MIB));
    await Promise.all(making);
    expect(given).toEqual([0, 0, 0, 0]);
    await servers[0]!.make(4 * MIB);
    expect(readdirSync(folder)).toEqual(['ballast']);
    expect(servers.map((ballast) => ballast.giveUp(2 * MIB))).toEqual([2 * MIB, 2 * MIB, 0, 0]);
    expect(readdirSync(folder)).toEqual([]);
  });

  test.skipIf(noSmallDisk !== null)('for which there is no room leaves nothing behind', async () => {
    const disk = await smallDisk(4);
    const before = disk.freeBytes();
    await expect(new Ballast(disk.folder).make(8 * MIB)).rejects.toThrow(/ENOSPC/);
    expect(disk.freeBytes()).toBe(before);
  });
});

test('where there is plenty of room, none is taken for a ballast', async () => {
  const folder = await folderForTest();
  const room = await roomForTest(folder);
  const { bavail, bsize } = statfsSync(folder);
  expect(room.state).toBe('ample');
  expect(existsSync(join(folder, 'ballast'))).toBe(bavail * bsize < 8 * GIB);
});

describe.skipIf(noSmallDisk !== null)('the room on a small disk', () => {
  test('is refused to new work once it is low, and given again when there is more', async () => {
    const disk = await smallDisk(64);
    const room = await roomForTest(disk.folder);
    room.assertRoom();
    disk.fill(10 * MIB);
    await room.look();
    expect(room.state).toBe('low');
    expect(() => room.assertRoom()).toThrow(StorageFull);
    disk.free();
    await room.look();
    room.assertRoom();
  });

  test('is made, part by part, for what must not fail, and only for as long as that fails for want of room', async () => {
    const disk = await smallDisk(64);
    const room = await roomForTest(disk.folder);
    disk.fill(0);
    let tries = 0;
    const result = await room.untilRoom(() => {
      tries += 1;
      return disk.freeBytes() >= 3 * MIB ? Promise.resolve('done') : Promise.reject(new StorageFull('full'));
    }, never);
    // A part is an eighth of 8 MiB.
    expect([result, tries, room.state]).toEqual(['done', 4, 'spent']);
    await expect(room.untilRoom(() => Promise.reject(new Error('a bug')), never)).rejects.toThrow('a bug');
  });

  test('is waited for when the ballast is gone, until what waits is called off', async () => {
    const disk = await smallDisk(64);
    const room = await roomForTest(disk.folder);
    disk.fill(0);
    const calledOff = new AbortController();
    let tries = 0;
    const insisted = room.untilRoom(() => {
      tries += 1;
      // Eight parts of the ballast, and one more try that finds nothing left to give up.
      if (tries === 10) calledOff.abort();
      return Promise.reject(new StorageFull('full'));
    }, calledOff.signal);
    await expect(insisted).rejects.toThrow(StorageFull);
    expect(disk.freeBytes()).toBe(8 * MIB);
  });
});
