// What a blob directory asks of the disk, in which order, and what it makes of a disk that does
// less.

import { readdirSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { inputKey } from '../../../src/stores/blobs/blobs.ts';
import { BlobDamaged, type BlobStore } from '../../../src/stores/blobs/blobs.ts';
import { openBlobDirectory } from '../../../src/stores/blobs/directory.ts';
import { newRunId } from '../../../src/system/clock.ts';
import { StorageBroken, StorageUnavailable } from '../../../src/domain/errors.ts';
import type { BlobKey, PayloadFacts } from '../../../src/domain/payload.ts';
import { folderForTest } from '../../support/folder.ts';
import { watchDisk } from '../../support/watched-disk.ts';
import { allOf, factsOf, someBytes } from './conformance.ts';

const MIB = 1_024 * 1_024;

async function opened(): Promise<{ folder: string; blobs: BlobStore; broken: StorageBroken[] }> {
  const folder = await folderForTest();
  const broken: StorageBroken[] = [];
  return { folder, broken, blobs: await openBlobDirectory(folder, { onBroken: (error) => void broken.push(error) }) };
}

async function stored(): Promise<{ folder: string; blobs: BlobStore; key: BlobKey; facts: PayloadFacts }> {
  const { folder, blobs } = await opened();
  const key = inputKey(newRunId());
  const bytes = someBytes(1_000);
  await blobs.put(key, bytes);
  return { folder, blobs, key, facts: factsOf(bytes) };
}

async function* chunksOf(count: number, bytes: number): AsyncGenerator<Uint8Array, void> {
  for (let made = 0; made < count; made += 1) yield new Uint8Array(bytes);
}

describe('before anybody is told of a blob', () => {
  test('its bytes are on the disk, then its name, then the name of its folder', async () => {
    const { blobs } = await opened();
    const { calls } = await watchDisk();
    await blobs.put(inputKey(newRunId()), someBytes(10));
    expect(calls).toEqual(['mkdir', 'sync', 'writeFile', 'datasync', 'rename', 'sync']);
  });

  test('the bytes of a stream are on the disk as well, and those of a long one are synced on their way', async () => {
    const { blobs } = await opened();
    const { calls } = await watchDisk();
    await blobs.putStream(inputKey(newRunId()), chunksOf(40, MIB));
    const steps = calls.filter((call) => call !== 'write');
    expect(steps).toEqual(['mkdir', 'sync', 'datasync', 'datasync', 'rename', 'sync']);
  });

  test('a name that may not last is trouble of the whole store, and no blob', async () => {
    const { blobs, broken } = await opened();
    const key = inputKey(newRunId());
    await blobs.put(key, someBytes(10));
    const disk = await watchDisk();
    disk.next('sync', () => Promise.reject(new Error('EIO')));
    await expect(blobs.put(key, someBytes(11))).rejects.toThrow(StorageBroken);
    expect(broken).toHaveLength(1);
  });
});

test('a folder that could not be made once is made for the next blob', async () => {
  const { folder, blobs } = await opened();
  const key = inputKey(newRunId());
  const shard = join(folder, key.slice(34, 36));
  writeFileSync(shard, 'in the way');
  await expect(blobs.put(key, someBytes(10))).rejects.toThrow(StorageUnavailable);
  rmSync(shard);
  await blobs.put(key, someBytes(10));
  expect(readdirSync(shard)).toEqual([key]);
});

test('a chunk of which the disk took some only is written to its end, at its place', async () => {
  const { blobs } = await opened();
  const key = inputKey(newRunId());
  const bytes = someBytes(1_000);
  const disk = await watchDisk();
  disk.next('write', (write, [buffer, offset, , position]) => write(buffer, offset, 300, position));
  await blobs.putStream(
    key,
    (async function* () {
      yield bytes;
    })(),
  );
  expect(Buffer.compare(await blobs.get(key, factsOf(bytes)), bytes)).toBe(0);
});

describe('a blob that was cut short', () => {
  test('is found before its first byte is handed out', async () => {
    const { folder, blobs, key, facts } = await stored();
    truncateSync(join(folder, key.slice(34, 36), key), 999);
    await expect(blobs.stream(key, facts)).rejects.toThrow(BlobDamaged);
  });

  test('while a range of it is read is damage, and not a range with zeros', async () => {
    const { blobs, key, facts } = await stored();
    const disk = await watchDisk();
    disk.next('read', async () => ({ bytesRead: 0 }));
    await expect(blobs.get(key, facts, { from: 10, to: 20 })).rejects.toThrow(BlobDamaged);
  });
});

test('a blob that could not be read for a moment is read again for the next range', async () => {
  const { blobs, key, facts } = await stored();
  const disk = await watchDisk();
  disk.failNextStream(Object.assign(new Error('EIO: i/o error, read'), { code: 'EIO', errno: -5, syscall: 'read' }));
  await expect(blobs.get(key, facts, { from: 10, to: 20 })).rejects.toThrow(StorageUnavailable);
  expect(await blobs.get(key, facts, { from: 10, to: 20 })).toHaveLength(10);
  expect(Buffer.concat(await allOf(await blobs.stream(key, facts)))).toHaveLength(1_000);
});
