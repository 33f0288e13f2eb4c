// Collecting what nobody needs any more: first a run's payloads, later its line, and the
// idempotency keys that stand for nothing. Several servers may collect at once; each takes what no
// other has.

import type { RunId } from '../../../domain/ids.ts';
import type { BlobKey } from '../../../domain/payload.ts';
import { IDEMPOTENCY_KEY_KEPT, LINE_KEPT } from '../../../domain/retention.ts';
import { minutes } from '../../../domain/time.ts';
import type { Collected } from '../ledger.ts';
import type { Connections, Statement } from '../../postgres/connections.ts';

/** How much one call collects, so that its locks are held for a short time. */
const LET_GO_MAX = 1_000;
/**
 * How much later a run is looked at again that somebody still needs: its delivery is on its way, or
 * its batch has not ended or is still kept.
 */
const LOOK_AGAIN = minutes(10);

const DELETE_KEYS: Statement = {
  name: 'claimcheck_delete_keys',
  text: `
  WITH old AS MATERIALIZED (
    SELECT key, tenant FROM claimcheck.idempotency_keys
    WHERE created_at_ms <= (SELECT claimcheck.now_ms()) - ${IDEMPOTENCY_KEY_KEPT}
    ORDER BY created_at_ms
    LIMIT ${LET_GO_MAX}
    FOR UPDATE SKIP LOCKED)
  DELETE FROM claimcheck.idempotency_keys k USING old o WHERE k.key = o.key AND k.tenant = o.tenant`,
};

// A chunk is nobody's own line: it goes with its payloads, once those of its batch have gone, which
// can be told row by row until then. What keeps a run from being collected may end while this waits
// for nothing, but never begins: a run that has ended gets no more deliveries and no more chunks,
// and a delivery that is asked for anew is a delivery's own affair (see REDELIVER in outbox.ts).
const LET_GO: Statement = {
  name: 'claimcheck_let_go',
  text: `
  WITH
  clock AS MATERIALIZED (SELECT claimcheck.now_ms() AS now_ms),
  due AS MATERIALIZED (
    SELECT r.seq, r.run_id, r.attempt, r.payloads_kept, r.kind <> 'chunk' AND r.payloads_kept AS keeps_its_line, r.input_blob, r.output_blob,
      EXISTS (SELECT 1 FROM claimcheck.deliveries d WHERE d.run_seq = r.seq AND d.outcome IS NULL)
        OR EXISTS (SELECT 1 FROM claimcheck.ended_runs c WHERE c.parent_seq = r.seq)
        OR EXISTS (SELECT 1 FROM claimcheck.open_runs p WHERE p.seq = r.parent_seq)
        OR EXISTS (SELECT 1 FROM claimcheck.ended_runs p WHERE p.seq = r.parent_seq AND p.payloads_kept) AS is_needed,
      (SELECT p.kept_until_ms FROM claimcheck.ended_runs p WHERE p.seq = r.parent_seq) AS batch_kept_until_ms
    FROM claimcheck.ended_runs r
    WHERE r.kept_until_ms <= (SELECT now_ms FROM clock)
    ORDER BY r.kept_until_ms
    LIMIT ${LET_GO_MAX}
    FOR UPDATE SKIP LOCKED),
  postponed AS (
    UPDATE claimcheck.ended_runs r SET kept_until_ms = greatest(clock.now_ms + ${LOOK_AGAIN}, d.batch_kept_until_ms)
    FROM due d CROSS JOIN clock
    WHERE r.seq = d.seq AND NOT d.keeps_its_line AND d.is_needed),
  gone AS MATERIALIZED (SELECT d.* FROM due d WHERE d.keeps_its_line OR NOT d.is_needed),
  without_payloads AS (
    UPDATE claimcheck.ended_runs r SET payloads_kept = FALSE, input_blob = NULL, output_blob = NULL,
      kept_until_ms = greatest(r.kept_until_ms, r.finished_at_ms + ${LINE_KEPT})
    FROM gone g
    WHERE r.seq = g.seq AND g.keeps_its_line),
  without_line AS (DELETE FROM claimcheck.ended_runs r USING gone g WHERE r.seq = g.seq AND NOT g.keeps_its_line),
  inputs AS (DELETE FROM claimcheck.inputs b USING gone g WHERE b.run_seq = g.seq),
  outputs AS (DELETE FROM claimcheck.outputs b USING gone g WHERE b.run_seq = g.seq),
  attempts AS (DELETE FROM claimcheck.attempts a USING gone g WHERE a.run_seq = g.seq AND NOT g.keeps_its_line),
  delivery_attempts AS (
    DELETE FROM claimcheck.delivery_attempts a USING claimcheck.deliveries d, gone g
    WHERE a.delivery_id = d.delivery_id AND d.run_seq = g.seq AND NOT g.keeps_its_line),
  deliveries AS (DELETE FROM claimcheck.deliveries d USING gone g WHERE d.run_seq = g.seq AND NOT g.keeps_its_line)
  SELECT g.run_id, g.attempt, g.payloads_kept, g.input_blob, g.output_blob FROM due d LEFT JOIN gone g ON g.seq = d.seq`,
};

/** Every blob's key begins with the id of the run that has it. */
const RUN_ID_LENGTH = 36;
const UNREFERENCED: Statement = {
  name: 'claimcheck_unreferenced',
  text: `
  SELECT b.blob FROM unnest($1::text[]) WITH ORDINALITY AS b (blob, place)
  WHERE NOT EXISTS (
    SELECT 1 FROM claimcheck.runs r
    WHERE r.run_id = left(b.blob, ${RUN_ID_LENGTH}) AND (r.input_blob = b.blob OR r.output_blob = b.blob))
  ORDER BY b.place`,
};

/** Nulls where it is still needed. */
interface DueRow {
  readonly run_id: RunId | null;
  readonly attempt: number | null;
  readonly payloads_kept: boolean | null;
  readonly input_blob: BlobKey | null;
  readonly output_blob: BlobKey | null;
}

/** Lets go. */
export class Retention {
  readonly #connections: Connections;

  constructor(connections: Connections) {
    this.#connections = connections;
  }

  async collect(): Promise<Collected> {
    await this.#connections.untilKnown(() => this.#connections.write(DELETE_KEYS, []));
    const due = await this.#connections.write<DueRow>(LET_GO, []);
    return {
      runs: due.length,
      blobs: due.flatMap((run) => [run.input_blob, run.output_blob]).filter((blob) => blob !== null),
      logs: due.flatMap(({ run_id: runId, attempt, payloads_kept: areKept }) =>
        runId !== null && areKept === true && attempt !== null && attempt > 0 ? [{ runId, attempts: attempt }] : [],
      ),
    };
  }

  async unreferenced(blobs: readonly BlobKey[]): Promise<BlobKey[]> {
    const rows = await this.#connections.read<{ blob: BlobKey }>(UNREFERENCED, [blobs]);
    return rows.map(({ blob }) => blob);
  }
}
