import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { systemClock } from '../../../src/system/clock.ts';
import { openSqliteLedger } from '../../../src/stores/ledger/sqlite/driver.ts';
import { folderForTest } from '../../support/folder.ts';
import { describeDamage } from './damage.ts';

describeDamage('SQLite', async () => {
  const file = join(await folderForTest(), 'ledger.sqlite');
  return {
    open: () => openSqliteLedger(file, systemClock),
    damage: async (sql) => {
      const db = new DatabaseSync(file);
      db.exec(`PRAGMA ignore_check_constraints = ON; ${sql}`);
      db.close();
    },
  };
});
