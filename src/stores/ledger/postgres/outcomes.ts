// Ending attempts by their outcome. The row is written only where the run, the attempt and the
// status are those of the claim: no row written means that somebody else was first.

import type { RunId } from '../../../domain/ids.ts';
import type { RunKind } from '../../../domain/run.ts';
import type { Claim, FinishedAttempt, Recorded } from '../ledger.ts';
import { cancelChildren } from './cancel.ts';
import type { Connections, Statement, Writer } from '../../postgres/connections.ts';
import { ending } from './endings.ts';
import type { Hints } from './hints.ts';
import { changePlaces } from './places.ts';
import { progressColumns } from '../rows.ts';

/**
 * The last word on progress, where an attempt has one: it is said as a whole, for a total may be
 * null.
 */
const noted = (column: 'done' | 'total' | 'failed' | 'message'): string =>
  `CASE WHEN f.done IS NULL THEN r.progress_${column} ELSE f.${column} END`;

// Every run that is meant is locked first, in order, whether or not the claim is still good; `held`
// is the truth under that lock. Ended batches are left to a transaction that can take their chunks
// along ($17): who waited for a lock would not see a chunk that was stored meanwhile.
const FINISH: Statement = {
  name: 'claimcheck_finish',
  text: `
  WITH
  clock AS MATERIALIZED (SELECT claimcheck.now_ms() AS now_ms),
  found AS MATERIALIZED (
    SELECT g.*, r.seq, r.kind, r.endpoint, r.parent_seq, r.attempt = g.attempt AND r.status = 'running' AS held,
      r.kind = 'batch' AND g.status <> 'queued' AND NOT $17 AS is_left
    FROM unnest($1::text[], $2::integer[], $3::text[], $4::text[], $5::bigint[], $6::text[], $7::bigint[], $8::text[],
      $9::text[], $10::bytea[], $11::text[], $12::text[], $13::bigint[], $14::bigint[], $15::bigint[], $16::text[])
    WITH ORDINALITY AS g (run_id, attempt, status, outcome, delay_ms, output_type, output_bytes, output_sha256,
      output_blob, body, error_type, error_detail, done, total, failed, message, place)
    JOIN claimcheck.open_runs r ON r.run_id = g.run_id
    ORDER BY r.seq
    FOR UPDATE OF r),
  ${ending('found', `f.held AND NOT f.is_left AND f.status <> 'queued'`, {
    status: 'f.status',
    error_type: 'f.error_type',
    error_detail: 'f.error_detail',
    output_type: 'f.output_type',
    output_bytes: 'f.output_bytes',
    output_sha256: 'f.output_sha256',
    output_blob: 'f.output_blob',
    progress_done: noted('done'),
    progress_total: noted('total'),
    progress_failed: noted('failed'),
    progress_message: noted('message'),
  })},
  requeued AS (
    UPDATE claimcheck.open_runs r SET
      status            = 'queued',
      due_at_ms         = clock.now_ms + f.delay_ms,
      queue_deadline_ms = clock.now_ms + f.delay_ms + r.queue_ttl_ms,
      counted_attempts  = r.counted_attempts - (f.outcome = 'released')::integer,
      alone             = r.kind <> 'batch' AND (r.alone OR coalesce(f.error_type = 'replica-crashed', FALSE)),
      owner             = NULL,
      lease_until_ms    = NULL,
      progress_done     = ${noted('done')},
      progress_total    = ${noted('total')},
      progress_failed   = ${noted('failed')},
      progress_message  = ${noted('message')}
    FROM found f CROSS JOIN clock
    WHERE r.seq = f.seq AND f.held AND f.status = 'queued'),
  noted AS (
    UPDATE claimcheck.attempts a SET
      stopped_at_ms = clock.now_ms, finished_at_ms = clock.now_ms, outcome = f.outcome,
      error_type = f.error_type, error_detail = f.error_detail
    FROM found f CROSS JOIN clock
    WHERE a.run_seq = f.seq AND a.attempt = f.attempt AND f.held AND NOT f.is_left),
  bodies AS (
    INSERT INTO claimcheck.outputs (run_seq, body)
    SELECT f.seq, f.body FROM found f WHERE f.body IS NOT NULL AND f.held AND NOT f.is_left),
  ${changePlaces(`SELECT endpoint, count(*)::integer AS places FROM found WHERE held AND status = 'queued' AND kind <> 'chunk' GROUP BY endpoint`)}
  SELECT f.place, f.seq, f.kind, f.endpoint, f.status, f.is_left,
    (SELECT p.run_id FROM claimcheck.open_runs p WHERE p.seq = f.parent_seq) AS parent_id
  FROM found f
  WHERE f.held`,
};

// The runs are found first: joined in place, the planner may begin with the attempts, all of them.
const MEANT = `
  meant AS MATERIALIZED (
    SELECT r.run_id, r.seq, g.attempt
    FROM unnest($1::text[], $2::integer[]) AS g (run_id, attempt) JOIN claimcheck.runs r ON r.run_id = g.run_id)`;

// The worker that lost the claim has stopped working on it, wherever the run is by now. An attempt
// that another transaction is about to forget is left to that.
const STOPPED: Statement = {
  name: 'claimcheck_stopped',
  text: `
  WITH ${MEANT},
  unstopped AS MATERIALIZED (
    SELECT a.run_seq, a.attempt
    FROM meant m JOIN claimcheck.attempts a ON a.run_seq = m.seq AND a.attempt = m.attempt
    WHERE a.stopped_at_ms IS NULL
    FOR UPDATE OF a SKIP LOCKED)
  UPDATE claimcheck.attempts a SET stopped_at_ms = claimcheck.now_ms()
  FROM unstopped u
  WHERE a.run_seq = u.run_seq AND a.attempt = u.attempt`,
};

// For what is written again: these three words are written by nobody but who had the claim.
const WRITTEN: Statement = {
  name: 'claimcheck_written_outcomes',
  text: `
  WITH ${MEANT}
  SELECT m.run_id, m.attempt
  FROM meant m JOIN claimcheck.attempts a ON a.run_seq = m.seq AND a.attempt = m.attempt
  WHERE a.outcome IN ('succeeded', 'failed', 'released')`,
};

/** A claim that was good: its outcome was written, or is left to who can end batches. */
interface FinishedRow {
  readonly place: number;
  readonly seq: number;
  readonly kind: RunKind;
  readonly endpoint: string;
  readonly status: 'succeeded' | 'failed' | 'queued';
  readonly is_left: boolean;
  readonly parent_id: RunId | null;
}

/** Writes outcomes. */
export class OutcomeVerbs {
  readonly #connections: Connections;
  readonly #hints: Hints;

  constructor(connections: Connections, hints: Hints) {
    this.#connections = connections;
    this.#hints = hints;
  }

  /**
   * Writes what several callers hand in. Of two outcomes of the same claim the first counts, as if
   * they had come one by one.
   */
  async finish(calls: readonly (readonly FinishedAttempt[])[], time: 'first' | 'again'): Promise<Recorded[][]> {
    const first = new Map<string, FinishedAttempt>();
    for (const attempt of calls.flat()) if (!first.has(keyOf(attempt.claim))) first.set(keyOf(attempt.claim), attempt);
    const recorded = await this.#untilKnown([...first.values()], time);
    await this.#noteStops([...first].filter(([key]) => !recorded.has(key)).map(([, { claim }]) => claim));
    const answered = new Set<string>();
    return calls.map((attempts) =>
      attempts.map(({ claim }) => {
        const key = keyOf(claim);
        const isFirst = !answered.has(key);
        answered.add(key);
        return isFirst && recorded.has(key) ? 'recorded' : 'lost';
      }),
    );
  }

  /**
   * Answers the claims whose outcome was recorded. Where the connection was lost during the commit
   * it is written again, which the guard makes harmless; but what is refused then may have been
   * recorded the first time, and must not be taken for lost.
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
    const left = rows.filter((row) => row.is_left).map(({ place }) => attempts[place - 1]!);
    const written = this.#tell(attempts, rows);
    return new Set([...written, ...(left.length === 0 ? [] : await this.#endBatches(left))]);
  }

  async #endBatches(attempts: readonly FinishedAttempt[]): Promise<string[]> {
    const { rows, children } = await this.#connections.transaction(async (writer) => {
      const rows = await write(writer, attempts, 'end-batches');
      return { rows, children: await cancelChildren(writer, rows) };
    });
    for (const child of children) this.#hints.ended(child.run_id, child.parent_id);
    return this.#tell(attempts, rows);
  }

  /** Tells other servers what was written, and answers whose outcomes it was. */
  #tell(attempts: readonly FinishedAttempt[], rows: readonly FinishedRow[]): string[] {
    return rows
      .filter((row) => !row.is_left)
      .map(({ place, status, endpoint, parent_id: parentId }) => {
        const { claim } = attempts[place - 1]!;
        if (status === 'queued') this.#hints.queued(endpoint);
        else this.#hints.ended(claim.runId, parentId);
        return keyOf(claim);
      });
  }

  async #noteStops(claims: readonly Claim[]): Promise<void> {
    if (claims.length === 0) return;
    const values = [claims.map(({ runId }) => runId), claims.map(({ attempt }) => attempt)];
    await this.#connections.untilKnown(() => this.#connections.write(STOPPED, values));
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
  const progress = attempts.map((attempt) => progressColumns(attempt.progress));
  const errors = attempts.map(({ result }) => ('error' in result ? result.error : null));
  return writer.write<FinishedRow>(FINISH, [
    attempts.map(({ claim }) => claim.runId),
    attempts.map(({ claim }) => claim.attempt),
    endings.map(({ status }) => status),
    endings.map(({ outcome }) => outcome),
    attempts.map(({ result }) => ('delay' in result ? (result.delay ?? 0) : 0)),
    outputs.map((output) => output?.contentType ?? null),
    outputs.map((output) => output?.bytes ?? null),
    outputs.map((output) => output?.sha256 ?? null),
    outputs.map((output) => (output !== null && 'blob' in output.body ? output.body.blob : null)),
    outputs.map((output) => (output !== null && 'inline' in output.body ? output.body.inline : null)),
    errors.map((error) => error?.type ?? null),
    errors.map((error) => error?.detail ?? null),
    ...[0, 1, 2, 3].map((column) => progress.map((columns) => columns[column])),
    batches === 'end-batches',
  ]);
}
