import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { beforeEach, expect, onTestFinished, test } from 'vitest';
import type { BlobStore } from '../../../src/stores/blobs/blobs.ts';
import { openBlobDirectory } from '../../../src/stores/blobs/directory.ts';
import { Capturer } from '../../../src/engine/captures/capturer.ts';
import type { CaptureStore, AddedCapture } from '../../../src/stores/captures/captures.ts';
import { openSqliteCaptures } from '../../../src/stores/captures/sqlite.ts';
import { newRunId, systemClock } from '../../../src/system/clock.ts';
import { ANYBODY } from '../../../src/domain/access.ts';
import { sha256 } from '../../../src/domain/digest.ts';
import { StorageFull } from '../../../src/domain/errors.ts';
import { UNSCORED } from '../../../src/domain/scoring.ts';
import type { RunRecord } from '../../../src/stores/ledger/ledger.ts';
import { openLog } from '../../../src/system/log.ts';
import { folderForTest } from '../../support/folder.ts';
import { PLACE } from '../../stores/captures/conformance.ts';

const OUTPUT = 'id,prediction\n1,2\n';
const stored = (table: string) => ({
  content: Buffer.from(table),
  contentType: 'text/csv',
  bytes: table.length,
  sha256: sha256(table),
});
const RUN = { ...PLACE, runId: newRunId(), version: 1 } as unknown as RunRecord;

let folder: string;
let store: CaptureStore;
let blobs: BlobStore;
beforeEach(async () => {
  folder = await folderForTest();
  store = await openSqliteCaptures(join(folder, 'captures.sqlite'));
  onTestFinished(() => store.close());
  blobs = await openBlobDirectory(join(folder, 'captures'));
});

/**
 * A capturer of a run that is always kept, on the stores of the test with some of their verbs
 * changed.
 */
const capturerOn = (
  changes: { store?: Partial<CaptureStore>; blobs?: Partial<BlobStore>; assertRoom?: () => void } = {},
): Capturer =>
  new Capturer({
    runs: { exchange: async () => ({ input: stored('id,y\n1,2\n'), output: stored(OUTPUT), dropped: [] }) },
    store: verbsOf(store, ['add', 'ofRun', 'get', 'list', 'all', 'delete', 'close'], changes.store),
    blobs: verbsOf(blobs, ['put', 'stream', 'delete'], changes.blobs),
    room: { assertRoom: changes.assertRoom ?? (() => {}) },
    clock: systemClock,
    log: openLog('silent'),
  });

/** An object's verbs, some of them changed. */
function verbsOf<Whole extends object>(whole: Whole, names: readonly (keyof Whole)[], changes: Partial<Whole> = {}) {
  const verbs = names.map((name) => [name, (whole[name] as () => unknown).bind(whole)]);
  return { ...Object.fromEntries(verbs), ...changes } as Whole;
}

const capture = async (capturer: Capturer): Promise<AddedCapture> =>
  (await capturer.capture({
    principal: ANYBODY,
    name: PLACE.name,
    run: RUN,
    asked: { target: null, prediction: null, task: null },
    spec: { ...UNSCORED, idColumn: 'id' },
  }))!;

/** Files of blobs that are there. */
const files = async (): Promise<string[]> =>
  (await readdir(join(folder, 'captures'), { recursive: true })).filter((name) => name.includes('.'));

test('a run that is captured again while the blobs of its deleted capture go has blobs that stay', async () => {
  const plain = capturerOn();
  await capture(plain);
  let again: AddedCapture | undefined;
  const deleting = capturerOn({
    blobs: {
      async delete(key) {
        again ??= await capture(plain);
        await blobs.delete(key);
      },
    },
  });
  expect(await deleting.delete(PLACE, null)).toBe(1);
  expect(again).toMatchObject({ result: 'added', capture: { version: 2 } });
  expect(await text(await plain.predictions(again!.capture))).toBe(OUTPUT);
  expect(await text((await plain.ids(again!.capture))!)).toBe('["1"]');
  expect(await files()).toHaveLength(2);
});

test('a run that somebody else captures meanwhile leaves one capture and no blobs beside it', async () => {
  const plain = capturerOn();
  let first: AddedCapture | undefined;
  const late = capturerOn({
    store: {
      async add(one) {
        first = await capture(plain);
        return store.add(one);
      },
    },
  });
  expect(await capture(late)).toEqual({ result: 'found', capture: first!.capture });
  expect(await text(await plain.predictions(first!.capture))).toBe(OUTPUT);
  expect(await files()).toHaveLength(2);
});

test('a capture that there is no room for leaves no blobs', async () => {
  const full = capturerOn({ store: { add: () => Promise.reject(new StorageFull('No room.')) } });
  await expect(capture(full)).rejects.toThrow(StorageFull);
  expect(await files()).toEqual([]);
});

test('where the rest of the disk is for runs, nothing more is captured, and what is captured is found', async () => {
  const assertRoom = (): void => {
    throw new StorageFull('The rest is for runs.');
  };
  await expect(capture(capturerOn({ assertRoom }))).rejects.toThrow(StorageFull);
  expect(await files()).toEqual([]);
  await capture(capturerOn());
  expect(await capture(capturerOn({ assertRoom }))).toMatchObject({ result: 'found' });
});

test('a reader of a capture that is deleted has all of it, or hears that it is not there', async () => {
  const capturer = capturerOn();
  const kept = (await capture(capturer)).capture;
  const reading = await capturer.predictions(kept);
  await capturer.delete(PLACE, 1);
  expect(await text(reading)).toBe(OUTPUT);
  await expect(capturer.predictions(kept)).rejects.toMatchObject({ slug: 'capture-not-found' });
});

test('a capture whose blobs cannot be deleted is deleted all the same', async () => {
  const failing = capturerOn({ blobs: { delete: () => Promise.reject(new Error('EIO')) } });
  await capture(failing);
  expect(await failing.delete(PLACE, 1)).toBe(1);
  await expect(failing.get(PLACE, 1)).rejects.toMatchObject({ slug: 'capture-not-found' });
  expect(await files()).toHaveLength(2);
});
