// What lies in a data folder is its server's alone: it holds what callers have sent.

import { chmodSync, lstatSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Log } from '../../system/log.ts';

/**
 * What servers make in a data folder. Anything else in it is somebody's own, and stays as it is.
 */
const OURS =
  /^(?:(?:ledger|vault|captures|cache)\.sqlite(?:-wal|-shm|-journal)?|identity\.json.*|backup(?:-answer)?\.json.*|ballast.*|blobs|captures|logs)$/;
const OTHERS = 0o077;

/**
 * Takes every right of others from the files and folders that servers have made in a data folder:
 * an older claimcheck has let the system's umask choose, and a copy has what its maker chose. What
 * lies in a folder is behind its folder's rights.
 */
export function narrowRights(data: string, log: Log): void {
  for (const name of readdirSync(data).filter((one) => OURS.test(one))) {
    const path = join(data, name);
    // Another server of the same folder may just have removed its unfinished file; and what a link
    // leads to is not in the folder.
    const found = lstatSync(path, { throwIfNoEntry: false });
    if (found === undefined || found.isSymbolicLink() || (found.mode & OTHERS) === 0) continue;
    const before = (found.mode & 0o777).toString(8);
    try {
      chmodSync(path, found.mode & 0o777 & ~OTHERS);
      log.warn({ path, before }, 'others could look into what callers have sent: their rights are taken away');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') continue;
      log.error(
        { err: error, path, before },
        'others can look into what callers have sent, and their rights cannot be taken away',
      );
    }
  }
}
