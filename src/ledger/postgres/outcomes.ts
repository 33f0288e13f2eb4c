// Ending attempts by their outcome. The row is written only where the run, the attempt and the status are those of the claim:
// no row written means that somebody else was first.

import type { RunId } from '../../domain/ids.ts';
import type { RunKind } from '../../domain/run.ts';
import type { Claim, FinishedAttempt, Recorded } from '../ledger.ts';
import { cancelChildren } from './cancel.ts';
import type { Connections, Statement, Writer } from './connections.ts';

// Every run that is meant is locked first, in order, whether or not the claim is still good; `held` is the truth under that lock. The
// guard then compares with what was locked and not with a constant: see CLAIM.
// Ended batches are left to a transaction that can take their chunks along ($16): who waited for a lock would not see a chunk that
// was stored meanwhile.
const FINISH: Statement = {
  name: 'claimcheck_finish',
  text: `
  WITH
  clock AS MATERIALIZED (SELECT claimcheck.now_ms() AS now_ms),
  found AS MATERIALIZED (
    SELECT g.*, r.seq, r.status AS found, r.attempt = g.attempt AND r.status = 'running' AS held,
      r.kind = 'batch' AND g.status <> 'queued' AND NOT $16 AS is_left
    FROM unnest($1::text[], $2::integer[], $3::text[], $4::text[], $5::bigint[], $6::text[], $7::bigint[], $8::text[],
      $9::text[], $10::bytea[], $11::text[], $12::text[], $13::bigint[], $14::bigint[], $15::bigint[])
    WITH ORDINALITY AS g (run_id, attempt, status, outcome, delay_ms, output_type, output_bytes, output_sha256,
      output_blob, body, error_type, error_detail, done, total, failed, place)
    JOIN claimcheck.runs r ON r.run_id = g.run_id
    ORDER BY r.seq
    FOR NO KEY UPDATE OF r),
  changed AS (
    UPDATE claimcheck.runs r SET
      status            = f.status,
      finished_at_ms    = CASE WHEN f.status <> 'queued' THEN clock.now_ms END,
      due_at_ms         = CASE WHEN f.status = 'queued' THEN clock.now_ms + f.delay_ms ELSE r.due_at_ms END,
      queue_deadline_ms = CASE WHEN f.status = 'queued' THEN clock.now_ms + f.delay_ms + r.queue_ttl_ms ELSE r.queue_deadline_ms END,
      counted_attempts  = r.counted_attempts - (f.outcome = 'released')::integer,
      owner             = NULL,
      lease_until_ms    = NULL,
      output_type       = f.output_type,
      output_bytes      = f.output_bytes,
      output_sha256     = f.output_sha256,
      output_blob       = f.output_blob,
      error_type        = CASE WHEN f.status = 'failed' THEN f.error_type END,
      error_detail      = CASE WHEN f.status = 'failed' THEN f.error_detail END,
      progress_done     = coalesce(f.done, r.progress_done),
      progress_total    = coalesce(f.total, r.progress_total),
      progress_failed   = coalesce(f.failed, r.progress_failed)
    FROM found f CROSS JOIN clock
    WHERE r.seq = f.seq AND r.attempt = f.attempt AND r.status = f.found AND f.held AND NOT f.is_left
    RETURNING f.place, r.seq, r.kind, r.endpoint, r.status, f.body),
  noted AS (
    UPDATE claimcheck.attempts a SET
      stopped_at_ms  = coalesce(a.stopped_at_ms, clock.now_ms),
      finished_at_ms = CASE WHEN f.held THEN clock.now_ms ELSE a.finished_at_ms END,
      outcome        = CASE WHEN f.held THEN f.outcome ELSE a.outcome END,
      error_type     = CASE WHEN f.held THEN f.error_type ELSE a.error_type END,
      error_detail   = CASE WHEN f.held THEN f.error_detail ELSE a.error_detail END
    FROM found f CROSS JOIN clock
    WHERE a.run_seq = f.seq AND a.attempt = f.attempt AND NOT f.is_left),
  bodies AS (
    INSERT INTO claimcheck.outputs (run_seq, body) SELECT c.seq, c.body FROM changed c WHERE c.body IS NOT NULL),
  retaken AS MATERIALIZED (
    SELECT endpoint, count(*)::integer AS places FROM changed WHERE status = 'queued' AND kind <> 'chunk' GROUP BY endpoint),
  counters AS MATERIALIZED (
    SELECT e.name FROM claimcheck.endpoints e WHERE e.name IN (SELECT endpoint FROM retaken) ORDER BY e.name FOR NO KEY UPDATE),
  counted AS (
    UPDATE claimcheck.endpoints e SET queued = e.queued + t.places
    FROM counters c JOIN retaken t ON t.endpoint = c.name
    WHERE e.name = c.name)
  SELECT c.place, c.seq, c.kind, 'recorded' AS result FROM changed c
  UNION ALL
  SELECT f.place, f.seq, 'batch', 'left' FROM found f WHERE f.is_left AND f.held`,
};

// For what is written again: these three words are written by nobody but who had the claim.
const WRITTEN: Statement = {
  name: 'claimcheck_written_outcomes',
  text: `
  SELECT r.run_id, a.attempt
  FROM unnest($1::text[], $2::integer[]) AS g (run_id, attempt)
  JOIN claimcheck.runs r ON r.run_id = g.run_id
  JOIN claimcheck.attempts a ON a.run_seq = r.seq AND a.attempt = g.attempt
  WHERE a.outcome IN ('succeeded', 'failed', 'released')`,
};

/** An outcome that was written, or left to who can end batches; there is none for one that was lost. */
interface FinishedRow {
  readonly place: number;
  readonly seq: number;
  readonly kind: RunKind;
  readonly result: 'recorded' | 'left';
}

/** Writes outcomes. */
export class Outcomes {
  readonly #connections: Connections;

  constructor(connections: Connections) {
    this.#connections = connections;
  }

  /** Writes what several callers hand in. Of two outcomes of the same claim the first counts, as if they had come one by one. */
  async finish(calls: readonly (readonly FinishedAttempt[])[], time: 'first' | 'again'): Promise<Recorded[][]> {
    const first = new Map<string, FinishedAttempt>();
    for (const attempt of calls.flat()) if (!first.has(keyOf(attempt.claim))) first.set(keyOf(attempt.claim), attempt);
    const recorded = await this.#untilKnown([...first.values()], time);
    return calls.map((attempts) =>
      attempts.map((attempt) =>
        first.get(keyOf(attempt.claim)) === attempt && recorded.has(keyOf(attempt.claim)) ? 'recorded' : 'lost',
      ),
    );
  }

  /**
   * Answers the claims whose outcome was recorded. Where the connection was lost during the commit it is written again, which the
   * guard makes harmless; but what is refused then may have been recorded the first time, and must not be taken for lost.
   */
  async #untilKnown(attempts: readonly FinishedAttempt[], time: 'first' | 'again'): Promise<ReadonlySet<string>> {
    let times = time === 'first' ? 0 : 1;
    const recorded = await this.#connections.untilKnown(() => {
      times += 1;
      return this.#finish(attempts);
    });
    return times === 1 ? recorded : new Set([...recorded, ...(await this.#written(attempts))]);
  }

  async #finish(attempts: readonly FinishedAttempt[]): Promise<ReadonlySet<string>> {
    if (attempts.length === 0) return new Set();
    const rows = await write(this.#connections, attempts, 'leave-batches');
    const left = rows.filter(({ result }) => result === 'left').map(({ place }) => attempts[place - 1]!);
    return new Set([...keysOf(attempts, rows), ...(left.length === 0 ? [] : await this.#endBatches(left))]);
  }

  #endBatches(attempts: readonly FinishedAttempt[]): Promise<string[]> {
    return this.#connections.transaction(async (writer) => {
      const rows = await write(writer, attempts, 'end-batches');
      await cancelChildren(writer, rows);
      return keysOf(attempts, rows);
    });
  }

  async #written(attempts: readonly FinishedAttempt[]): Promise<string[]> {
    const rows = await this.#connections.read<{ run_id: RunId; attempt: number }>(WRITTEN, [
      attempts.map(({ claim }) => claim.runId),
      attempts.map(({ claim }) => claim.attempt),
    ]);
    return rows.map(({ run_id: runId, attempt }) => keyOf({ runId, attempt }));
  }
}

const keyOf = ({ runId, attempt }: Claim): string => `${runId} ${attempt}`;

const keysOf = (attempts: readonly FinishedAttempt[], rows: readonly FinishedRow[]): string[] =>
  rows.filter(({ result }) => result === 'recorded').map(({ place }) => keyOf(attempts[place - 1]!.claim));

/** What is written of a result, in the words of the tables. */
interface Ending {
  readonly status: 'succeeded' | 'failed' | 'queued';
  readonly outcome: 'succeeded' | 'failed' | 'released';
}

function endingOf({ result }: FinishedAttempt): Ending {
  switch (result.kind) {
    case 'succeeded':
      return { status: 'succeeded', outcome: 'succeeded' };
    case 'failed':
      return { status: 'failed', outcome: 'failed' };
    case 'retry':
      return { status: 'queued', outcome: 'failed' };
    case 'released':
      return { status: 'queued', outcome: 'released' };
  }
}

function write(
  writer: Writer,
  attempts: readonly FinishedAttempt[],
  batches: 'leave-batches' | 'end-batches',
): Promise<FinishedRow[]> {
  const endings = attempts.map(endingOf);
  const outputs = attempts.map(({ result }) => (result.kind === 'succeeded' ? result.output : null));
  const errors = attempts.map(({ result }) => ('error' in result ? result.error : null));
  return writer.write<FinishedRow>(FINISH, [
    attempts.map(({ claim }) => claim.runId),
    attempts.map(({ claim }) => claim.attempt),
    endings.map(({ status }) => status),
    endings.map(({ outcome }) => outcome),
    attempts.map(({ result }) => (result.kind === 'retry' ? result.delay : 0)),
    outputs.map((output) => output?.contentType ?? null),
    outputs.map((output) => output?.bytes ?? null),
    outputs.map((output) => output?.sha256 ?? null),
    outputs.map((output) => (output !== null && 'blob' in output.body ? output.body.blob : null)),
    outputs.map((output) => (output !== null && 'inline' in output.body ? output.body.inline : null)),
    errors.map((error) => error?.type ?? null),
    errors.map((error) => error?.detail ?? null),
    attempts.map(({ progress }) => progress?.done ?? null),
    attempts.map(({ progress }) => progress?.total ?? null),
    attempts.map(({ progress }) => progress?.failed ?? null),
    batches === 'end-batches',
  ]);
}
