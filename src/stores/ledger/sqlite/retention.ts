// Collecting what nobody needs any more: first a run's payloads, later its line, and the
// idempotency keys that stand for nothing.

import type { DatabaseSync } from 'node:sqlite';
import type { RunId } from '../../../domain/ids.ts';
import type { BlobKey } from '../../../domain/payload.ts';
import { IDEMPOTENCY_KEY_KEPT, LINE_KEPT } from '../../../domain/retention.ts';
import type { RunKind } from '../../../domain/run.ts';
import { type Instant, minutes } from '../../../domain/time.ts';
import type { Collected } from '../ledger.ts';
import { Query } from '../../sqlite/query.ts';

/** How much one call collects, so that it never keeps other callers waiting for long. */
const LET_GO_MAX = 1_000;
/**
 * How much later a run is looked at again that somebody still needs: its delivery is on its way, or
 * its batch has not ended or is still kept.
 */
const LOOK_AGAIN = minutes(10);

const DUE = `
  SELECT seq, run_id, kind, attempt, payloads_kept, input_blob, output_blob,
    EXISTS (SELECT 1 FROM deliveries d WHERE d.run_seq = r.seq AND d.outcome IS NULL)
      OR EXISTS (SELECT 1 FROM runs c WHERE c.parent_seq = r.seq)
      OR EXISTS (SELECT 1 FROM runs p WHERE p.seq = r.parent_seq AND (p.finished_at_ms IS NULL OR p.payloads_kept = 1)) AS is_needed,
    coalesce((SELECT p.kept_until_ms FROM runs p WHERE p.seq = r.parent_seq), 0) AS batch_kept_until_ms
  FROM runs r WHERE kept_until_ms <= $now
  ORDER BY kept_until_ms LIMIT ${LET_GO_MAX}`;
const DROP_PAYLOADS = `
  UPDATE runs SET payloads_kept = 0, input_blob = NULL, output_blob = NULL,
    kept_until_ms = max(kept_until_ms, finished_at_ms + ${LINE_KEPT})
  WHERE seq = $seq`;
const POSTPONE = `UPDATE runs SET kept_until_ms = max($now + ${LOOK_AGAIN}, $batchKeptUntil) WHERE seq = $seq`;
const DELETE_INPUT = `DELETE FROM inputs WHERE run_seq = $seq`;
const DELETE_OUTPUT = `DELETE FROM outputs WHERE run_seq = $seq`;
const DELETE_ATTEMPTS = `DELETE FROM attempts WHERE run_seq = $seq`;
const DELETE_DELIVERY_ATTEMPTS = `
  DELETE FROM delivery_attempts WHERE delivery_id IN (SELECT delivery_id FROM deliveries WHERE run_seq = $seq)`;
const DELETE_DELIVERIES = `DELETE FROM deliveries WHERE run_seq = $seq`;
const DELETE_RUN = `DELETE FROM runs WHERE seq = $seq`;
const DELETE_KEYS = `
  DELETE FROM idempotency_keys WHERE (tenant, key) IN (
    SELECT tenant, key FROM idempotency_keys WHERE created_at_ms <= $now - ${IDEMPOTENCY_KEY_KEPT} LIMIT ${LET_GO_MAX})`;
const IS_NAMED = `
  SELECT EXISTS (SELECT 1 FROM runs WHERE run_id = $runId AND (input_blob = $blob OR output_blob = $blob)) AS is_named`;

/** Every blob's key begins with the id of the run that has it. */
const RUN_ID_LENGTH = 36;

interface DueRow {
  seq: number;
  run_id: RunId;
  kind: RunKind;
  attempt: number;
  payloads_kept: number;
  input_blob: BlobKey | null;
  output_blob: BlobKey | null;
  is_needed: number;
  batch_kept_until_ms: number;
}

/** Lets go. */
export class Retention {
  readonly #due;
  readonly #dropPayloads;
  readonly #postpone;
  readonly #deletePayloads;
  readonly #deleteRun;
  readonly #deleteKeys;
  readonly #isNamed;

  constructor(db: DatabaseSync) {
    this.#due = new Query<DueRow>(db, DUE);
    this.#dropPayloads = db.prepare(DROP_PAYLOADS);
    this.#postpone = db.prepare(POSTPONE);
    this.#deletePayloads = [DELETE_INPUT, DELETE_OUTPUT].map((sql) => db.prepare(sql));
    this.#deleteRun = [DELETE_ATTEMPTS, DELETE_DELIVERY_ATTEMPTS, DELETE_DELIVERIES, DELETE_RUN].map((sql) =>
      db.prepare(sql),
    );
    this.#deleteKeys = db.prepare(DELETE_KEYS);
    this.#isNamed = new Query<{ is_named: number }>(db, IS_NAMED);
  }

  collect(now: Instant): Collected {
    this.#deleteKeys.run({ now });
    const due = this.#due.all({ now });
    const gone = due.filter((run) => this.#collectRun(now, run));
    return {
      runs: due.length,
      blobs: gone.flatMap((run) => [run.input_blob, run.output_blob]).filter((blob) => blob !== null),
      logs: gone
        .filter((run) => run.payloads_kept === 1 && run.attempt > 0)
        .map((run) => ({ runId: run.run_id, attempts: run.attempt })),
    };
  }

  unreferenced(blobs: readonly BlobKey[]): BlobKey[] {
    return blobs.filter((blob) => {
      const found = this.#isNamed.only({ runId: blob.slice(0, RUN_ID_LENGTH), blob });
      return found.is_named === 0;
    });
  }

  /** Answers whether its payloads, or its line, are gone; else somebody still needs it. */
  #collectRun(now: Instant, run: DueRow): boolean {
    const { seq } = run;
    // A chunk is nobody's own line: it goes with its payloads, once those of its batch have gone,
    // which can be told row by row until then.
    const keepsItsLine = run.kind !== 'chunk' && run.payloads_kept === 1;
    if (!keepsItsLine && run.is_needed === 1) {
      this.#postpone.run({ seq, now, batchKeptUntil: run.batch_kept_until_ms });
      return false;
    }
    for (const statement of this.#deletePayloads) statement.run({ seq });
    if (keepsItsLine) this.#dropPayloads.run({ seq });
    else for (const statement of this.#deleteRun) statement.run({ seq });
    return true;
  }
}
