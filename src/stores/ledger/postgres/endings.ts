// Ending runs. A run that ends leaves the table that claims are made from: its row is deleted there
// and written, as it ended, where the ended ones are, in one statement. A transaction that waited
// for the row finds none, and knows that another was first.

/** What is kept of a run as it was. */
const KEPT = [
  ['seq', 'run_id', 'endpoint', 'version', 'kind', 'run_name', 'priority', 'attempt', 'counted_attempts'],
  ['created_at_ms', 'due_at_ms', 'queue_ttl_ms', 'queue_deadline_ms', 'started_at_ms', 'timeout_ms'],
  ['lost_workers_max', 'metadata', 'accept', 'batch', 'parent_seq', 'row_from', 'row_to'],
  ['input_type', 'input_bytes', 'input_sha256', 'input_blob', 'tenant', 'turn', 'alone', 'concurrency_key'],
  ['retry_of', 'callback_url', 'callback_events', 'retention_ms', 'trace'],
].flat();

/**
 * What a run's end says of it, each as an expression over the row `r` and the row `f` that tells of
 * its end.
 */
export interface End {
  readonly status: string;
  readonly error_type: string;
  readonly error_detail: string;
  readonly output_type: string;
  readonly output_bytes: string;
  readonly output_sha256: string;
  readonly output_blob: string;
  readonly progress_done: string;
  readonly progress_total: string;
  readonly progress_failed: string;
  readonly progress_message: string;
}

/** An end without an output. */
export const withoutOutput = {
  output_type: 'NULL::text',
  output_bytes: 'NULL::bigint',
  output_sha256: 'NULL::text',
  output_blob: 'NULL::text',
  progress_done: 'r.progress_done',
  progress_total: 'r.progress_total',
  progress_failed: 'r.progress_failed',
  progress_message: 'r.progress_message',
};

/**
 * Common table expressions that end runs which are locked. `ended` returns them as they ended;
 * a run whose callback asked to hear of this end has a delivery by the same statement.
 *
 * @param locked the common table expression that has them, by `seq`; another one, `clock`, has the
 *   time as `now_ms`
 * @param which a condition on `f`, its row: which of them end
 */
export function ending(locked: string, which: string, end: End): string {
  const said = Object.entries(end);
  return `
  gone AS (
    DELETE FROM claimcheck.open_runs r USING ${locked} f WHERE r.seq = f.seq AND ${which}
    RETURNING ${KEPT.map((column) => `r.${column}`).join(', ')}, ${said.map(([column, value]) => `${value} AS ${column}`).join(', ')}),
  ended AS (
    INSERT INTO claimcheck.ended_runs (${[...KEPT, ...said.map(([column]) => column)].join(', ')}, finished_at_ms, kept_until_ms)
    SELECT g.*, clock.now_ms, clock.now_ms + g.retention_ms FROM gone g CROSS JOIN clock
    RETURNING seq, run_id, endpoint, kind, status, parent_seq, callback_url, callback_events),
  told AS (
    INSERT INTO claimcheck.deliveries (delivery_id, run_seq, event, url, created_at_ms, due_at_ms)
    SELECT e.run_id || '_' || e.status, e.seq, 'run.' || e.status, e.callback_url, clock.now_ms, clock.now_ms
    FROM ended e CROSS JOIN clock
    WHERE ${listIncludes('e.callback_events', `'run.' || e.status`)})`;
}

/**
 * A JSON list of texts without escapes, as a regular expression: the names of events are the only
 * lists of texts that a row has.
 */
const LIST_OF_NAMES = String.raw`^\s*\[\s*"[^"\\]*"(\s*,\s*"[^"\\]*")*\s*\]\s*$`;

/**
 * Whether a JSON list of names, stored as text, holds a name. It is not cast to JSON: one row whose
 * list is damaged would fail the statement for every other run that it ends. What is no such list
 * holds nothing; `claimcheck doctor` names it.
 */
export const listIncludes = (list: string, name: string): string =>
  `(${list} ~ '${LIST_OF_NAMES}' AND position('"' || ${name} || '"' IN ${list}) > 0)`;
