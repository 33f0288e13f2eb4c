// A file that does nothing but take room, so that there is some when the disk is full: it is given
// up, and what matters is written there. Servers that share a folder share its ballast: one
// makes it, and any of them may give it up at any moment, also while it is being made.

import { randomFillSync, randomUUID } from 'node:crypto';
import { readdirSync, rmSync, statSync, truncateSync } from 'node:fs';
import { open, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';

const NAME = 'ballast';
const UNFINISHED = `${NAME}.unfinished`;
const CHUNK_BYTES = 1_024 * 1_024;

/** The ballast of one folder. */
export class Ballast {
  readonly #folder: string;
  readonly #file: string;

  constructor(folder: string) {
    this.#folder = folder;
    this.#file = join(folder, NAME);
  }

  /** How many bytes it holds; 0 where there is none. */
  held(): number {
    return statSync(this.#file, { throwIfNoEntry: false })?.size ?? 0;
  }

  /**
   * Makes it anew. Of random bytes, since a file of zeros takes no room where the file system
   * compresses or leaves holes.
   *
   * @throws Error of the file system, ENOSPC among them; then there is none
   */
  async make(bytes: number): Promise<void> {
    const unfinished = join(this.#folder, `${UNFINISHED}.${randomUUID()}`);
    try {
      const file = await open(unfinished, 'wx', 0o600);
      try {
        const chunk = randomFillSync(Buffer.alloc(Math.min(CHUNK_BYTES, bytes)));
        for (let left = bytes; left > 0; left -= chunk.length) await file.writeFile(chunk.subarray(0, left));
        await file.datasync();
      } finally {
        await file.close();
      }
      // Where another server gave it up meanwhile there is none, and the next look makes another.
      await rename(unfinished, this.#file).catch(unlessMissing);
    } catch (error) {
      await rm(unfinished, { force: true });
      throw error;
    }
  }

  /**
   * Gives up to so many bytes up at once; answers how many. One whose making was cut off goes with
   * the first.
   */
  giveUp(bytes: number): number {
    for (const name of readdirSync(this.#folder))
      if (name.startsWith(UNFINISHED)) rmSync(join(this.#folder, name), { force: true });
    const held = this.held();
    try {
      if (held > bytes) truncateSync(this.#file, held - bytes);
      else rmSync(this.#file, { force: true });
    } catch (error) {
      unlessMissing(error);
    }
    return Math.min(held, bytes);
  }
}

/** Another server was faster: what was to be gone is gone. */
function unlessMissing(error: unknown): void {
  if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
}
