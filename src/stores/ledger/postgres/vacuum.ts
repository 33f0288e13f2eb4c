// Keeping the table that claims are made from as small as it looks. Every run leaves two dead rows
// in it, and a claim walks past the index entries of all that were claimed before until a vacuum
// has taken them out. Postgres' own comes by once a minute at the most, and a minute of many runs
// is hundreds of thousands of them.

import type { Connections, Statement } from '../../postgres/connections.ts';

/**
 * Dead rows that are worth a vacuum: about half a second of what a server can do. Walking past as
 * many entries makes a claim slower by a tenth of a millisecond, and taking them out costs about a
 * microsecond for each run.
 */
const DEAD_ROWS_MAX = 10_000;
// Only the table's owner may vacuum it; a server that is not leaves it to Postgres.
const DEAD_ROWS: Statement = {
  name: 'claimcheck_dead_rows',
  text: `
  SELECT pg_stat_get_dead_tuples(c.oid) AS dead FROM pg_class c
  WHERE c.oid = 'claimcheck.open_runs'::regclass AND pg_has_role(c.relowner, 'USAGE')`,
};
// By one server at a time; without giving space back to the file system, which would lock everybody
// else out.
const VACUUM = 'VACUUM (SKIP_LOCKED, INDEX_CLEANUP ON, TRUNCATE FALSE, PROCESS_TOAST FALSE) claimcheck.open_runs';

/** Vacuums when it is worth it. */
export async function vacuumWhereWorthIt(connections: Connections): Promise<void> {
  const [row] = await connections.read<{ dead: number }>(DEAD_ROWS, []);
  if (row !== undefined && row.dead > DEAD_ROWS_MAX) await connections.first((client) => client.query(VACUUM));
}
