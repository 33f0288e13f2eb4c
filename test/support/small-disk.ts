// A disk of a few MiB, so that a test can fill it.

import { spawnSync } from 'node:child_process';
import { appendFileSync, rmSync, statfsSync } from 'node:fs';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { newFolder, removeFolder } from './folder.ts';
import { whyNot } from './optional.ts';

const MIB = 1_024 * 1_024;

/** A disk that is gone when its test is. */
export interface SmallDisk {
  readonly folder: string;
  freeBytes(): number;
  /**
   * Fills it, as another program would, until this much is left: 0 for until nothing more can be
   * written.
   */
  fill(leftBytes: number): void;
  /** Frees what `fill` has taken. */
  free(): void;
}

/** Why there can be no small disk on this machine; null where there can. */
export const noSmallDisk: string | null = tryMounting();

function tryMounting(): string | null {
  if (process.platform !== 'linux') return 'only Linux is taught here how to mount a small disk';
  // In a mount namespace of its own, so that nothing is left of the attempt.
  return whyNot('unshare', ['--mount', 'mount', '-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', '/mnt']);
}

/** Mounts a disk of so many MiB for the test that is running. */
export async function smallDisk(mib: number): Promise<SmallDisk> {
  const folder = await newFolder();
  const { status, stderr } = spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${mib}m`, 'tmpfs', folder], {
    encoding: 'utf8',
  });
  if (status !== 0) throw new Error(`The small disk cannot be mounted: ${stderr}`);
  onTestFinished(async () => {
    // Lazily: what a test leaves open must not keep it.
    spawnSync('umount', ['--lazy', folder]);
    await removeFolder(folder);
  });
  const filler = join(folder, 'filler');
  const freeBytes = (): number => {
    const { bavail, bsize } = statfsSync(folder);
    return bavail * bsize;
  };
  return {
    folder,
    freeBytes,
    fill(leftBytes) {
      for (let left = freeBytes() - leftBytes; left > 0; left = freeBytes() - leftBytes) {
        try {
          appendFileSync(filler, Buffer.alloc(Math.min(left, MIB)));
        } catch (error) {
          // Somebody else was faster: it is full.
          if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
          return;
        }
      }
    },
    free: () => rmSync(filler, { force: true }),
  };
}
