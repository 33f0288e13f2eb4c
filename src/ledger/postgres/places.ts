// The counter behind the queue limit: one row per endpoint, changed in the transaction that changes the run. Storing, claiming and
// finishing runs change it within their own statement; this is for the transactions that take several.

import type { Statement, Writer } from './connections.ts';

const CHANGE: Statement = {
  name: 'claimcheck_change_places',
  text: `
  WITH counters AS MATERIALIZED (
    SELECT e.name, g.places
    FROM claimcheck.endpoints e JOIN unnest($1::text[], $2::integer[]) AS g (endpoint, places) ON g.endpoint = e.name
    ORDER BY e.name
    FOR NO KEY UPDATE OF e)
  UPDATE claimcheck.endpoints e SET queued = e.queued + c.places FROM counters c WHERE e.name = c.name`,
};

/** Adds a place, or with -1 frees one, for each of the endpoints named, which may be named more than once. */
export async function changePlaces(writer: Writer, endpoints: readonly string[], change: 1 | -1): Promise<void> {
  if (endpoints.length === 0) return;
  const places = new Map<string, number>();
  for (const endpoint of endpoints) places.set(endpoint, (places.get(endpoint) ?? 0) + change);
  await writer.write(CHANGE, [[...places.keys()], [...places.values()]]);
}
