// A ledger in Postgres that is only looked at: Postgres itself is told to refuse every write of
// these connections.

import type { Ledger } from '../ledger.ts';
import { openPostgresLedger } from './driver.ts';

/** PostgreSQL's code for a write in a session that must not write (read_only_sql_transaction). */
const READ_ONLY_TRANSACTION = '25006';

/**
 * Opens a ledger without ever writing to it.
 *
 * @throws Error when the database cannot be had, or has no ledger of this version: it is not
 *   migrated
 */
export async function openPostgresToRead(url: string): Promise<Ledger> {
  try {
    return await openPostgresLedger(readOnly(url));
  } catch (error) {
    const { cause } = error as { cause?: { code?: unknown } };
    if (cause?.code !== READ_ONLY_TRANSACTION) throw error;
    throw new Error(
      'The database was written by an older claimcheck, or by none. Check it with that version, or bring it up to date first, with claimcheck migrate.',
      { cause: error },
    );
  }
}

/** The URL of a database whose connections may only read. */
export function readOnly(url: string): string {
  // What is no URL is refused by the driver, which says what it needs.
  if (!URL.canParse(url)) return url;
  const reading = new URL(url);
  const options = reading.searchParams.get('options') ?? '';
  reading.searchParams.set('options', `${options} -c default_transaction_read_only=on`.trim());
  return reading.href;
}
