// Ending attempts by their outcome. Every statement names the run, the attempt and the status it
// may find: no row changed means that somebody else was first.

import type { DatabaseSync } from 'node:sqlite';
import type { Progress } from '../../../domain/batch.ts';
import type { RunError } from '../../../domain/errors.ts';
import type { Payload } from '../../../domain/payload.ts';
import type { EndedStatus, RunKind } from '../../../domain/run.ts';
import { after, type Duration, type Instant } from '../../../domain/time.ts';
import type { Claim, FinishedAttempt, Recorded } from '../ledger.ts';
import type { AttemptEnd, AttemptLog } from './attempt-log.ts';
import type { CancelVerbs } from './cancel.ts';
import type { EndedRow, Outbox } from './outbox.ts';
import type { Counters } from './counters.ts';
import { progressColumns } from '../rows.ts';
import { Query } from '../../sqlite/query.ts';

const SUCCEED = `
  UPDATE runs SET status = 'succeeded', finished_at_ms = $now, owner = NULL, lease_until_ms = NULL,
    kept_until_ms = $now + retention_ms, output_type = $type, output_bytes = $bytes, output_sha256 = $sha256, output_blob = $blob
  WHERE run_id = $runId AND attempt = $attempt AND status = 'running'
  RETURNING seq, run_id, kind, endpoint, callback_url, callback_events`;
const KEEP_OUTPUT = `INSERT INTO outputs (run_seq, body) VALUES ($seq, $body)`;
const FAIL = `
  UPDATE runs SET status = 'failed', finished_at_ms = $now, owner = NULL, lease_until_ms = NULL,
    kept_until_ms = $now + retention_ms, error_type = $type, error_detail = $detail
  WHERE run_id = $runId AND attempt = $attempt AND status = 'running'
  RETURNING seq, run_id, kind, endpoint, callback_url, callback_events`;
const REQUEUE = `
  UPDATE runs SET status = 'queued', due_at_ms = $dueAt, queue_deadline_ms = $dueAt + queue_ttl_ms,
    owner = NULL, lease_until_ms = NULL, counted_attempts = counted_attempts - $uncounted,
    alone = CASE WHEN kind = 'batch' THEN 0 ELSE max(alone, $lostWorker) END
  WHERE run_id = $runId AND attempt = $attempt AND status = 'running'
  RETURNING seq, run_id, kind, endpoint, callback_url, callback_events`;
const NOTE_PROGRESS = `
  UPDATE runs SET progress_done = $done, progress_total = $total, progress_failed = $failed, progress_message = $message
  WHERE seq = $seq`;

/** What an outcome has changed. */
export interface Changed extends EndedRow {
  readonly kind: RunKind;
  readonly endpoint: string;
}

/** What writing an outcome touches beside the run. */
export interface OutcomeDeps {
  readonly attempts: AttemptLog;
  readonly counters: Counters;
  readonly cancellation: CancelVerbs;
  readonly outbox: Outbox;
}

/** Writes outcomes. */
export class OutcomeVerbs {
  readonly #succeed;
  readonly #keepOutput;
  readonly #fail;
  readonly #requeue;
  readonly #noteProgress;
  readonly #deps: OutcomeDeps;

  constructor(db: DatabaseSync, deps: OutcomeDeps) {
    this.#succeed = new Query<Changed>(db, SUCCEED);
    this.#keepOutput = db.prepare(KEEP_OUTPUT);
    this.#fail = new Query<Changed>(db, FAIL);
    this.#requeue = new Query<Changed>(db, REQUEUE);
    this.#noteProgress = db.prepare(NOTE_PROGRESS);
    this.#deps = deps;
  }

  finish(now: Instant, finished: readonly FinishedAttempt[]): Recorded[] {
    return finished.map((attempt) => {
      const changed = this.#write(now, attempt);
      if (changed === null) {
        this.#deps.attempts.stopped(now, attempt.claim);
        return 'lost';
      }
      if (attempt.progress !== null) this.#note(changed.seq, attempt.progress);
      return 'recorded';
    });
  }

  /** Null where the claim was lost, here as in the verbs below. */
  fail(now: Instant, claim: Claim, error: RunError, outcome: 'failed' | 'lost'): Changed | null {
    const changed = this.#fail.first({ ...claim, now, ...error });
    return changed === undefined ? null : this.#ended(now, changed, claim, 'failed', { outcome, error });
  }

  /**
   * `released` attempts do not count for the retry policy; after a lost worker the run is to run
   * alone.
   */
  requeue(now: Instant, claim: Claim, delay: Duration | null, end: AttemptEnd): Changed | null {
    const dueAt = delay === null ? now : after(now, delay);
    const uncounted = end.outcome === 'released' ? 1 : 0;
    const lostWorker = end.error?.type === 'replica-crashed' ? 1 : 0;
    const changed = this.#requeue.first({ ...claim, dueAt, uncounted, lostWorker });
    if (changed === undefined) return null;
    this.#deps.attempts.end(now, changed.seq, claim.attempt, end, workOf(end));
    if (changed.kind !== 'chunk') this.#deps.counters.takeBack(changed.endpoint);
    return changed;
  }

  #note(seq: number, progress: Progress): void {
    const [done, total, failed, message] = progressColumns(progress);
    this.#noteProgress.run({ seq, done, total, failed, message });
  }

  #write(now: Instant, { claim, result }: FinishedAttempt): Changed | null {
    switch (result.kind) {
      case 'succeeded':
        return this.#succeedWith(now, claim, result.output);
      case 'failed':
        return this.fail(now, claim, result.error, 'failed');
      case 'retry':
        return this.requeue(now, claim, result.delay, { outcome: 'failed', error: result.error });
      case 'released':
        return this.requeue(now, claim, result.delay ?? null, { outcome: 'released', error: null });
    }
  }

  #succeedWith(now: Instant, claim: Claim, { contentType, bytes, sha256, body }: Payload): Changed | null {
    const blob = 'blob' in body ? body.blob : null;
    const changed = this.#succeed.first({ ...claim, now, type: contentType, bytes, sha256, blob });
    if (changed === undefined) return null;
    if ('inline' in body) this.#keepOutput.run({ seq: changed.seq, body: body.inline });
    return this.#ended(now, changed, claim, 'succeeded', { outcome: 'succeeded', error: null });
  }

  #ended(now: Instant, changed: Changed, claim: Claim, status: EndedStatus, end: AttemptEnd): Changed {
    this.#deps.attempts.end(now, changed.seq, claim.attempt, end, workOf(end));
    this.#deps.outbox.ended(now, changed, status);
    if (changed.kind === 'batch') this.#deps.cancellation.cancelChildren(now, changed.seq);
    return changed;
  }
}

/** Who hands in an outcome has stopped; of a lost worker nobody knows. */
const workOf = ({ outcome }: AttemptEnd): 'stopped' | 'goes-on' => (outcome === 'lost' ? 'goes-on' : 'stopped');
