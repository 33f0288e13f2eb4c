// A disk that fails when a test says so, for a process that the test starts: see
// test/faults/faulty-disk.c.

import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { whyNot } from './optional.ts';

const SOURCE = new URL('../faults/faulty-disk.c', import.meta.url).pathname;

/** A disk that works until it is told otherwise. */
export interface FaultyDisk {
  /** What the process is started with. */
  readonly environment: Readonly<Record<string, string>>;
  /**
   * The next fsync of a file or folder whose path fits the pattern (`*`, `?`) fails with EIO; one,
   * and none after it.
   */
  failNextSync(pattern: string): void;
  /** Whether the fault that was ordered last has happened. */
  hasFailed(): boolean;
}

/** Why there can be no faulty disk on this machine; null where there can. */
export const noFaultyDisk: string | null =
  process.platform !== 'linux' ? 'only Linux is taught here how a disk fails' : tryCompiler();

/** Has the compiler make a library that a program is started with. */
function tryCompiler(): string | null {
  const folder = mkdtempSync(join(tmpdir(), 'cc-try-'));
  const library = join(folder, 'nothing.so');
  const source = '#define _GNU_SOURCE\n#include <dlfcn.h>\nvoid *nothing(void) { return dlsym(RTLD_NEXT, "fsync"); }\n';
  const reason =
    whyNot('cc', ['-shared', '-fPIC', '-o', library, '-x', 'c', '-', '-ldl'], { input: source }) ??
    whyNot('true', [], { env: { ...process.env, LD_PRELOAD: library } });
  rmSync(folder, { recursive: true });
  return reason;
}

/** Makes a faulty disk, its parts in a folder of the test's. */
export function faultyDisk(folder: string): FaultyDisk {
  const library = join(folder, 'faulty-disk.so');
  const compiled = spawnSync('cc', ['-shared', '-fPIC', '-O1', '-Wall', '-Werror', '-o', library, SOURCE, '-ldl'], {
    encoding: 'utf8',
  });
  if (compiled.status !== 0) throw new Error(`faulty-disk.c does not compile: ${compiled.stderr}`);
  const orders = join(folder, 'faulty-disk-orders');
  return {
    environment: { LD_PRELOAD: library, FAULTY_DISK: orders },
    failNextSync: (pattern) => writeFileSync(orders, pattern),
    hasFailed: () => !existsSync(orders),
  };
}
