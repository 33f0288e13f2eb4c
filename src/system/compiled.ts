// What Node has compiled for this process, which it keeps in a folder: children of the same user
// need not compile it again.

import { getCompileCacheDir } from 'node:module';
import { dirname } from 'node:path';

/** The variable by which Node is told of such a folder. */
export const COMPILED_VARIABLE = 'NODE_COMPILE_CACHE';

/**
 * The folder; null where nothing is kept. Each version of Node, and each user, has one of its own
 * in it.
 */
export function compiledFolder(): string | null {
  const own = getCompileCacheDir();
  return own === undefined ? null : dirname(own);
}
