// Looking at processes from outside.

import { readFileSync } from 'node:fs';

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
