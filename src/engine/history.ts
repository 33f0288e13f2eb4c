// What has happened to a run, as numbered events. They are not stored but derived from the run and
// its attempts, which say all of it: 1 is the arrival, 2k the start of attempt k, 2k + 1 its end,
// and an end that no attempt brought comes after the last of them. So the numbers rise, have no
// clock in them, and are the same on every server and after every restart.

import type { Viewer } from '../domain/access.ts';
import type { RunError } from '../domain/errors.ts';
import type { RunId } from '../domain/ids.ts';
import { type EndedStatus, isEnded, type RunStatus } from '../domain/run.ts';
import type { Instant } from '../domain/time.ts';
import type { AttemptRecord, RunReader, RunRecord } from '../stores/ledger/ledger.ts';

/**
 * Something that happened to a run. `status` is the one it left the run in; nothing follows a final
 * one.
 */
export type HistoryEvent =
  | { readonly kind: 'queued'; readonly number: number; readonly at: Instant; readonly status: 'queued' }
  | {
      readonly kind: 'attempt-started';
      readonly number: number;
      readonly at: Instant;
      readonly status: 'running';
      readonly attempt: AttemptRecord;
    }
  | {
      readonly kind: 'attempt-ended';
      readonly number: number;
      readonly at: Instant;
      readonly status: Exclude<RunStatus, 'running'>;
      readonly attempt: AttemptRecord;
    }
  /** It was cancelled, or had waited too long, while no attempt was at work. */
  | {
      readonly kind: 'ended';
      readonly number: number;
      readonly at: Instant;
      readonly status: EndedStatus;
      readonly error: RunError | null;
    };

/**
 * The events of a run up to now, in order. The attempts must be those of the run as it is given.
 */
export function historyOf(run: RunRecord, attempts: readonly AttemptRecord[]): HistoryEvent[] {
  const events: HistoryEvent[] = [{ kind: 'queued', number: 1, at: run.createdAt, status: 'queued' }];
  for (const attempt of attempts) {
    const { startedAt, finishedAt } = attempt;
    const number = 2 * attempt.attempt;
    events.push({ kind: 'attempt-started', number, at: startedAt, status: 'running', attempt });
    if (finishedAt === null) continue;
    const status = isEnded(run.status) && broughtTheEnd(run, attempt) ? run.status : 'queued';
    events.push({ kind: 'attempt-ended', number: number + 1, at: finishedAt, status, attempt });
  }
  if (isEnded(run.status) && events.at(-1)!.status === 'queued') {
    const { status, error } = run;
    events.push({ kind: 'ended', number: 2 * run.attempt + 2, at: run.finishedAt!, status, error });
  }
  return events;
}

/**
 * Whether a run that has ended did so with this attempt. After one that failed, or whose worker was
 * lost, it may have been queued once more.
 */
function broughtTheEnd(run: RunRecord, { attempt, outcome }: AttemptRecord): boolean {
  if (attempt !== run.attempt) return false;
  switch (outcome) {
    case 'succeeded':
    case 'cancelled':
      return true;
    case 'failed':
    case 'lost':
      return run.status === 'failed' && run.error?.type !== 'queue-expired';
    case 'released':
    case null:
      return false;
  }
}

/**
 * The events of a run as the ledger has it, or null for an id that names none, or one that the
 * viewer does not see.
 */
export async function readHistory(ledger: RunReader, runId: RunId, viewer?: Viewer): Promise<HistoryEvent[] | null> {
  const details = await ledger.details(runId, viewer);
  return details === null ? null : historyOf(details.run, details.attempts);
}
