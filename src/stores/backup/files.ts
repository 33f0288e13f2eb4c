// Copying files so that they are on the disk when it is said that they are.

import { constants, existsSync, realpathSync } from 'node:fs';
import { chmod, copyFile, mkdir, open, readdir, stat } from 'node:fs/promises';
import { basename, dirname, join, resolve, sep } from 'node:path';
import { makeFolder, syncFolder } from '../../system/folders.ts';

/** Files copied at a time. */
const AT_ONCE = 4;

/** What was copied. */
export interface Copied {
  readonly files: number;
  readonly bytes: number;
}

/** What was copied of files that were named. */
export interface CopiedNamed extends Copied {
  /** Those that were not there, by their paths. */
  readonly missing: readonly string[];
}

/** Whether a path is a folder, or lies in it, over links or not. */
export function isWithin(path: string, folder: string): boolean {
  const [inner, outer] = [realPath(path), realPath(folder)];
  return inner === outer || inner.startsWith(`${outer}${sep}`);
}

/** The path without links, as far as it is there. */
function realPath(path: string): string {
  const whole = resolve(path);
  if (existsSync(whole)) return realpathSync(whole);
  return join(realPath(dirname(whole)), basename(whole));
}

/**
 * Copies a file for this user alone; durable, but for its name, when it resolves. Answers its
 * bytes.
 */
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

/** Copies files of a folder, named by their paths in it. */
export async function copyAll(from: string, to: string, paths: Iterable<string>): Promise<CopiedNamed> {
  const folders = new Set<string>();
  const missing: string[] = [];
  let [files, bytes] = [0, 0];
  const iterator = paths[Symbol.iterator]();
  makeFolder(to);
  const work = async (): Promise<void> => {
    for (let next = iterator.next(); next.done !== true; next = iterator.next()) {
      const [source, copy] = [join(from, next.value), join(to, next.value)];
      if (!existsSync(source)) {
        missing.push(next.value);
        continue;
      }
      const folder = dirname(copy);
      if (!folders.has(folder)) await mkdir(folder, { recursive: true, mode: 0o700 });
      folders.add(folder);
      const copied = await copyDurably(source, copy).catch((error: unknown) => {
        // Of the two it may be the copy whose folder somebody has removed.
        if (existsSync(source)) throw error;
        return null;
      });
      if (copied === null) missing.push(next.value);
      else {
        files += 1;
        bytes += copied;
      }
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  for (const folder of [...folders, to]) syncFolder(folder);
  return { files, bytes, missing };
}

/**
 * The paths of every file that is in a folder of folders now, as blobs and logs are kept; none
 * where it is not there.
 */
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
