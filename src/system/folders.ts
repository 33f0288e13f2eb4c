// Folders whose names survive a power cut: a folder's name is kept by the folder around it, which
// has to be told to write it down.

import { closeSync, existsSync, fsyncSync, mkdirSync, openSync, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { reasonOf } from '../domain/system-error.ts';

/**
 * A folder that cannot be: the message names it, says why, and what to do. All of them lie in the
 * data folder, or are it.
 */
export class FolderError extends Error {
  override readonly name = 'FolderError';

  constructor(folder: string, cause: unknown) {
    super(`The folder ${folder} cannot be made: ${reasonOf(cause)}. Name another one with --data.`, { cause });
  }
}

/**
 * Makes a folder for this user alone, with those on the way to it, where they are not there; their
 * names are durable when it returns. Throws FolderError.
 */
export function makeFolder(path: string): void {
  const folder = resolve(path);
  const first = makeAll(folder);
  if (first === undefined) return;
  for (let made = folder; made.length >= first.length; made = dirname(made)) syncFolder(dirname(made));
}

/**
 * The first folder that was not there. One by one: asked for all at once, Node tries for ever where
 * nobody can make a folder, as in /proc.
 */
function makeAll(folder: string): string | undefined {
  const missing: string[] = [];
  for (let path = folder; !existsSync(path); path = dirname(path)) missing.unshift(path);
  try {
    // What is there already may be a file.
    for (const path of missing.length === 0 ? [folder] : missing) make(path);
  } catch (cause) {
    throw new FolderError(folder, cause);
  }
  return missing[0];
}

/** Makes one folder, unless somebody else was faster. */
function make(path: string): void {
  try {
    mkdirSync(path, { mode: 0o700 });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST' || !existsSync(path) || !statSync(path).isDirectory())
      throw error;
  }
}

/** Makes the names in a folder durable. */
export function syncFolder(folder: string): void {
  const handle = openSync(folder, 'r');
  try {
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
}
