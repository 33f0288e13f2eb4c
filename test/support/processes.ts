// Looking at processes from outside.

import { readdirSync, readFileSync } from 'node:fs';

/** Whether a process runs. One that has ended but was not waited for yet (a zombie) does not. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch {
    return false;
  }
  try {
    return !/^State:\s*[ZX]/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    // No /proc on this system, or the process is gone since.
    return process.platform !== 'linux';
  }
}

/**
 * The processes that run and have something in their environment; those of other users are seen by
 * root alone.
 */
export function processesWith(marker: string): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => environmentOf(pid).includes(marker))
    .map(Number)
    .filter(isAlive);
}

function environmentOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/environ`, 'latin1');
  } catch {
    // Somebody else's, or gone since.
    return '';
  }
}
