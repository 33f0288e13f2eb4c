// A ledger that is collected between two servers, on a clock that is ahead.

import { openBlobDirectory } from '../../src/stores/blobs/directory.ts';
import { systemClock } from '../../src/system/clock.ts';
import { blobFolder, ledgerFile } from '../../src/config/config.ts';
import { after, type Duration } from '../../src/domain/time.ts';
import { openSqliteLedger } from '../../src/stores/ledger/sqlite/driver.ts';

/**
 * Collects what is no longer to be kept so long from now, in the data of a server that has
 * stopped.
 */
export async function collectIn(data: string, later: Duration): Promise<void> {
  const ledger = await openSqliteLedger(ledgerFile(data), {
    ...systemClock,
    now: () => after(systemClock.now(), later),
  });
  const blobs = await openBlobDirectory(blobFolder(data));
  for (;;) {
    const { runs, blobs: keys } = await ledger.collect();
    for (const key of keys) await blobs.delete(key);
    if (runs === 0) break;
  }
  await ledger.close();
}
