import {
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmdirSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  watch,
  writeFileSync,
} from 'node:fs';
import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { inputKey, outputKey } from '../../../src/stores/blobs/blobs.ts';
import { openBlobDirectory, readBlobDirectory } from '../../../src/stores/blobs/directory.ts';
import { newRunId } from '../../../src/system/clock.ts';
import { StorageFull, StorageUnavailable } from '../../../src/domain/errors.ts';
import type { BlobKey } from '../../../src/domain/payload.ts';
import { instant } from '../../../src/domain/time.ts';
import { folderForTest } from '../../support/folder.ts';
import { noSmallDisk, smallDisk } from '../../support/small-disk.ts';
import { allOf, describeBlobs, factsOf, someBytes } from './conformance.ts';

/** Every file below a folder, by its path. */
const filesIn = (folder: string): string[] =>
  readdirSync(folder, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));

/** The file that holds a key. */
function fileOf(folder: string, key: BlobKey): string {
  const [file] = filesIn(folder).filter((path) => path.endsWith(key));
  if (file === undefined) throw new Error(`There is no file for ${key}.`);
  return file;
}

describeBlobs('directory', async () => {
  const folder = await folderForTest();
  return {
    blobs: await openBlobDirectory(folder),
    async damage(key, change) {
      const file = fileOf(folder, key);
      await writeFile(file, change(readFileSync(file)));
    },
  };
});

test('files can be read by their owner alone, and so can the folders around them', async () => {
  const folder = join(await folderForTest(), 'deep', 'blobs');
  const blobs = await openBlobDirectory(folder);
  const key = inputKey(newRunId());
  await blobs.put(key, someBytes(10));
  const mode = (path: string): string => (statSync(path).mode & 0o777).toString(8);
  expect(mode(fileOf(folder, key))).toBe('600');
  const folders = readdirSync(folder).map((name) => join(folder, name));
  expect(new Set([folder, ...folders].map(mode))).toEqual(new Set(['700']));
});

test('what was stored is there when the folder is opened again', async () => {
  const folder = await folderForTest();
  const key = outputKey(newRunId(), 3);
  await (await openBlobDirectory(folder)).put(key, someBytes(30_000));
  const again = await openBlobDirectory(folder);
  expect(Buffer.compare(await again.get(key, factsOf(someBytes(30_000))), someBytes(30_000))).toBe(0);
});

test('chunks that end in an error leave no file behind', async () => {
  const folder = await folderForTest();
  const blobs = await openBlobDirectory(folder);
  async function* broken(): AsyncGenerator<Uint8Array> {
    yield someBytes(100_000);
    // What has come so far is being written, where nobody looks.
    expect(filesIn(folder).map((file) => statSync(file).size)).toEqual([100_000]);
    throw new Error('The client is gone.');
  }
  await expect(blobs.putStream(inputKey(newRunId()), broken())).rejects.toThrow('The client is gone.');
  expect(filesIn(folder)).toEqual([]);
});

test('files that were never finished are removed when the folder is opened, and finished ones are not', async () => {
  const folder = await folderForTest();
  const key = inputKey(newRunId());
  await (await openBlobDirectory(folder)).put(key, someBytes(10));
  for (const left of ['one', 'two']) writeFileSync(join(folder, 'unfinished', left), 'half of someth');
  const again = await openBlobDirectory(folder);
  expect(filesIn(folder)).toHaveLength(1);
  expect(await again.get(key, factsOf(someBytes(10)))).toHaveLength(10);
});

test('in a folder that others write into, only files that were left long ago are removed', async () => {
  const folder = await folderForTest();
  await openBlobDirectory(folder);
  const [old, young] = ['old', 'young'].map((name) => join(folder, 'unfinished', name));
  for (const file of [old!, young!]) writeFileSync(file, 'half of someth');
  utimesSync(old!, 1_000, 1_000);
  await openBlobDirectory(folder, { abandonedBefore: instant(1_001_000) });
  expect(readdirSync(join(folder, 'unfinished'))).toEqual(['young']);
});

test('nothing is left of a file once it is stored but the file', async () => {
  const folder = await folderForTest();
  const blobs = await openBlobDirectory(folder);
  await Promise.all(Array.from({ length: 20 }, (_, seed) => blobs.put(inputKey(newRunId()), someBytes(9_000, seed))));
  expect(filesIn(folder)).toHaveLength(20);
  expect(readdirSync(join(folder, 'unfinished'))).toEqual([]);
});

test('a store in which nothing is kept has no folder but the one for what is unfinished', async () => {
  const folder = await folderForTest();
  const blobs = await openBlobDirectory(folder);
  expect(readdirSync(folder)).toEqual(['unfinished']);
  const keys = Array.from({ length: 20 }, () => inputKey(newRunId()));
  await Promise.all(keys.map((key) => blobs.put(key, someBytes(10))));
  expect(new Set(readdirSync(folder))).toEqual(new Set(['unfinished', ...keys.map((key) => key.slice(34, 36))]));
});

test('nothing is to be seen under a key before it is whole', async () => {
  const folder = await folderForTest();
  const blobs = await openBlobDirectory(folder);
  const bytes = someBytes(4_000_000);
  const keys = Array.from({ length: 8 }, () => inputKey(newRunId()));
  const seen: number[] = [];
  const look = (): void => {
    for (const file of filesIn(folder).filter((path) => path.endsWith('.input'))) seen.push(statSync(file).size);
  };
  for (const shard of new Set(keys.map((key) => key.slice(34, 36)))) {
    await mkdir(join(folder, shard));
    const watcher = watch(join(folder, shard), look);
    onTestFinished(() => watcher.close());
  }
  const stored = Promise.all(keys.map((key) => blobs.put(key, bytes))).then(() => 'stored');
  const soon = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
  while ((await Promise.race([stored, soon()])) === undefined) look();
  look();
  expect(new Set(seen)).toEqual(new Set([bytes.length]));
});

test('a folder that cannot be read is an error that says so, and never an empty store', async () => {
  const folder = join(await folderForTest(), 'blobs');
  await writeFile(folder, 'this is a file');
  await expect(openBlobDirectory(folder)).rejects.toThrow(
    /cannot be made: (?:it is a file|a part of its path is no folder)\./,
  );
});

test.skipIf(process.getuid?.() === 0)(
  'a folder that may not be written is an error when something is stored',
  async () => {
    const folder = await folderForTest();
    const blobs = await openBlobDirectory(folder);
    await chmod(join(folder, 'unfinished'), 0o500);
    onTestFinished(() => chmod(join(folder, 'unfinished'), 0o700));
    await expect(blobs.put(inputKey(newRunId()), someBytes(10))).rejects.toThrow(/EACCES/);
  },
);

test('a store that failed leaves nothing under the key', async () => {
  const folder = await folderForTest();
  const blobs = await openBlobDirectory(folder);
  const key = inputKey(newRunId());
  // A folder in the place of the file: the last step, the rename, fails.
  await mkdir(join(folder, key.slice(34, 36), key), { recursive: true });
  await expect(blobs.put(key, someBytes(10))).rejects.toThrow(/cannot be stored: it is a folder\./);
  expect(filesIn(folder).filter((path) => path.endsWith(key))).toEqual([]);
});

describe('a blob that cannot be looked at is whole for all that anybody knows:', () => {
  /** What the folder or the file of a blob comes to, and how it is put right again. */
  const troubles: Record<string, (folder: string, file: string) => () => void> = {
    'its disk is not mounted': (folder) => {
      renameSync(folder, `${folder}.away`);
      return () => renameSync(`${folder}.away`, folder);
    },
    'its disk is not mounted, and the folder that it is mounted on is there': (folder) => {
      renameSync(folder, `${folder}.away`);
      mkdirSync(folder);
      return () => {
        rmdirSync(folder);
        renameSync(`${folder}.away`, folder);
      };
    },
    'the system refuses to open it': (_, file) => {
      renameSync(file, `${file}.away`);
      symlinkSync(file, file);
      return () => renameSync(`${file}.away`, file);
    },
    'a part of its path is no folder': (_, file) => {
      renameSync(dirname(file), `${dirname(file)}.away`);
      writeFileSync(dirname(file), '');
      return () => {
        rmSync(dirname(file));
        renameSync(`${dirname(file)}.away`, dirname(file));
      };
    },
  };

  test.each(Object.entries(troubles))('%s', async (_, trouble) => {
    const folder = join(await folderForTest(), 'blobs');
    const blobs = await openBlobDirectory(folder);
    const key = inputKey(newRunId());
    const bytes = someBytes(30_000);
    await blobs.put(key, bytes);
    const mend = trouble(folder, fileOf(folder, key));
    const facts = factsOf(bytes);
    const looks = [
      () => blobs.get(key, facts),
      () => blobs.get(key, facts, { from: 10, to: 20 }),
      () => blobs.stream(key, facts),
      () => blobs.verify(key, facts),
    ];
    for (const look of looks) await expect(look()).rejects.toThrow(StorageUnavailable);
    mend();
    expect(Buffer.compare(await blobs.get(key, facts), bytes)).toBe(0);
  });
});

test('an error of what is to be stored is told as it is, also where it comes from the system', async () => {
  const blobs = await openBlobDirectory(await folderForTest());
  const broken = Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET', syscall: 'read' });
  async function* chunks(): AsyncGenerator<Uint8Array, void> {
    yield someBytes(10);
    throw broken;
  }
  await expect(blobs.putStream(inputKey(newRunId()), chunks())).rejects.toBe(broken);
});

test('a folder that is only read is not tidied up, and nothing is made in it', async () => {
  const folder = await folderForTest();
  const key = inputKey(newRunId());
  await (await openBlobDirectory(folder)).put(key, someBytes(10));
  writeFileSync(join(folder, 'unfinished', 'left'), 'half of someth');
  const before = new Set<unknown>(readdirSync(folder, { recursive: true }));
  const read = readBlobDirectory(folder);
  expect(await allOf(read.list())).toMatchObject([{ key, bytes: 10 }]);
  await read.verify(key, factsOf(someBytes(10)));
  expect(new Set<unknown>(readdirSync(folder, { recursive: true }))).toEqual(before);
  await expect(allOf(readBlobDirectory(join(folder, 'elsewhere')).list())).rejects.toThrow(/ENOENT/);
});

test.skipIf(noSmallDisk !== null)('a disk without room stores nothing, leaves nothing, and says so', async () => {
  const disk = await smallDisk(4);
  const blobs = await openBlobDirectory(join(disk.folder, 'blobs'));
  disk.fill(500_000);
  const key = inputKey(newRunId());
  await expect(blobs.put(key, someBytes(1_000_000))).rejects.toThrow(StorageFull);
  expect(filesIn(join(disk.folder, 'blobs'))).toEqual([]);
  disk.free();
  await blobs.put(key, someBytes(1_000_000));
  await blobs.verify(key, factsOf(someBytes(1_000_000)));
});
