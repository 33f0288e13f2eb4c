import { openSqliteLedger } from '../../../src/stores/ledger/sqlite/driver.ts';
import { describeLedger } from './conformance.ts';

describeLedger('SQLite', (clock) => openSqliteLedger(':memory:', clock));
