import { openSqliteLedger } from '../../src/ledger/sqlite/driver.ts';
import { describeLedger } from './conformance.ts';

describeLedger('SQLite', (clock) => openSqliteLedger(':memory:', clock));
