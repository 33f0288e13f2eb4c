import { utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeEach, expect, onTestFinished, test } from 'vitest';
import type { BlobStore } from '../../../src/stores/blobs/blobs.ts';
import { openBlobDirectory } from '../../../src/stores/blobs/directory.ts';
import { CAPTURE_PARTS, captureKey, type CaptureStore } from '../../../src/stores/captures/captures.ts';
import { CaptureKeeper } from '../../../src/stores/captures/keeper.ts';
import { openSqliteCaptures } from '../../../src/stores/captures/sqlite.ts';
import { systemClock } from '../../../src/system/clock.ts';
import type { BlobKey } from '../../../src/domain/payload.ts';
import { instant } from '../../../src/domain/time.ts';
import { openLog } from '../../../src/system/log.ts';
import { allOf } from '../blobs/conformance.ts';
import { folderForTest } from '../../support/folder.ts';
import { newCapture } from './conformance.ts';

let folder: string;
let store: CaptureStore;
let blobs: BlobStore;
beforeEach(async () => {
  folder = await folderForTest();
  store = await openSqliteCaptures(join(folder, 'captures.sqlite'));
  onTestFinished(() => store.close());
  blobs = await openBlobDirectory(join(folder, 'captures'));
});

const TWO_HOURS_AGO = Date.now() / 1_000 - 7_200;

async function putOld(key: BlobKey): Promise<BlobKey> {
  await blobs.put(key, Buffer.from('1'));
  await utimes(join(folder, 'captures', key.slice(34, 36), key), TWO_HOURS_AGO, TWO_HOURS_AGO);
  return key;
}

/** Keys of the blobs that are there after a round. */
async function leftByARound(): Promise<BlobKey[]> {
  const keeper = new CaptureKeeper({
    store,
    blobs,
    clock: systemClock,
    log: openLog('silent'),
    folder: { since: () => instant(0) },
  });
  keeper.start();
  await keeper.close();
  return (await allOf(blobs.list())).map(({ key }) => key).toSorted();
}

test('old blobs that no capture names are deleted, and what a capture names, is young or is somebody else’s stays', async () => {
  // More than are read at a time.
  const captures = Array.from({ length: 150 }, () => newCapture());
  for (const capture of captures) await store.add(capture);
  const young = captureKey(newCapture(), 'predictions');
  await blobs.put(young, Buffer.from('1'));
  const staying = [
    young,
    await putOld(captureKey(captures[0]!, 'predictions')),
    await putOld(captureKey(captures.at(-1)!, 'ids')),
    await putOld(`${'somebody else’s'.padEnd(34)}0a.csv` as BlobKey),
  ];
  for (const part of CAPTURE_PARTS) await putOld(captureKey(newCapture(), part));
  expect(await leftByARound()).toEqual(staying.toSorted());
});

test('a store without a capture has nothing deleted: the blobs may be another’s', async () => {
  const key = await putOld(captureKey(newCapture(), 'predictions'));
  expect(await leftByARound()).toEqual([key]);
});
