// The counter behind the queue limit: one row per endpoint, changed by the statement that changes
// the runs. Its rows are locked in the order of their names, and after those of the runs.

import type { Statement } from '../../postgres/connections.ts';

/**
 * Locks endpoints, so that the next statement sees everything that is decided under that lock.
 */
export const LOCK_ENDPOINTS: Statement = {
  name: 'claimcheck_lock_endpoints',
  text: `SELECT name FROM claimcheck.endpoints WHERE name = ANY($1::text[]) ORDER BY name FOR NO KEY UPDATE`,
};

/**
 * Common table expressions that add places to queues, or free them.
 *
 * @param change a query for `endpoint` and `places`: by how many its queue grows
 */
export const changePlaces = (change: string): string => `
  changes AS MATERIALIZED (${change}),
  counters AS MATERIALIZED (
    SELECT e.name FROM claimcheck.endpoints e WHERE e.name IN (SELECT endpoint FROM changes) ORDER BY e.name FOR NO KEY UPDATE),
  counted AS (
    UPDATE claimcheck.endpoints e SET queued = e.queued + c.places
    FROM counters l JOIN changes c ON c.endpoint = l.name
    WHERE e.name = l.name)`;
