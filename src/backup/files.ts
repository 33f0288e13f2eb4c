// Copying files so that they are on the disk when it is said that they are.

import { constants } from 'node:fs';
import { chmod, copyFile, mkdir, open, readdir, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { makeFolder, syncFolder } from '../folders.ts';

/** Files copied at a time. */
const AT_ONCE = 4;

/** What was copied. */
export interface Copied {
  readonly files: number;
  readonly bytes: number;
}

/** Copies a file for this user alone; durable, but for its name, when it resolves. Answers its bytes. */
export async function copyDurably(from: string, to: string): Promise<number> {
  // Where the file system can share the blocks of two files, nothing is copied at all.
  await copyFile(from, to, constants.COPYFILE_FICLONE);
  await chmod(to, 0o600);
  await makeDurable(to);
  return (await stat(to)).size;
}

/** Waits until a file is on the disk. */
export async function makeDurable(file: string): Promise<void> {
  const handle = await open(file, 'r+');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/**
 * Copies files of a folder, named by their paths in it.
 *
 * @param mayBeGone whether one that is gone by now is left out
 */
export async function copyAll(from: string, to: string, paths: Iterable<string>, mayBeGone: boolean): Promise<Copied> {
  const folders = new Set<string>();
  let [files, bytes] = [0, 0];
  const iterator = paths[Symbol.iterator]();
  makeFolder(to);
  const work = async (): Promise<void> => {
    for (let next = iterator.next(); next.done !== true; next = iterator.next()) {
      const folder = dirname(join(to, next.value));
      if (!folders.has(folder)) await mkdir(folder, { recursive: true, mode: 0o700 });
      folders.add(folder);
      const copied = await copyDurably(join(from, next.value), join(to, next.value)).catch((error: unknown) => {
        if (mayBeGone && (error as NodeJS.ErrnoException).code === 'ENOENT') return null;
        throw error;
      });
      if (copied === null) continue;
      files += 1;
      bytes += copied;
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  for (const folder of [...folders, to]) syncFolder(folder);
  return { files, bytes };
}

/** The paths of every file that is in a folder of folders now, as blobs and logs are kept; none where it is not there. */
export async function filesIn(folder: string): Promise<string[]> {
  const shards = await readdir(folder, { withFileTypes: true }).catch(noneWhereMissing);
  const paths: string[] = [];
  for (const shard of shards) {
    if (!shard.isDirectory() || !/^[0-9a-f]{2}$/.test(shard.name)) continue;
    const names = await readdir(join(folder, shard.name));
    paths.push(...names.map((name) => join(shard.name, name)));
  }
  return paths;
}

function noneWhereMissing(error: NodeJS.ErrnoException): never[] {
  if (error.code === 'ENOENT') return [];
  throw error;
}
