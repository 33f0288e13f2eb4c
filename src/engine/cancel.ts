// Cancelling one run, or all that an endpoint has. The ledger decides at once; the replicas are
// told, and stopped when they do not listen.

import type { Cancelled, RunRecord } from '../stores/ledger/ledger.ts';
import { purge, type PurgeDeps } from './purge.ts';
import { runNotFound } from './runs.ts';

/** What a cancel came to. */
export type CancelResult = Exclude<Cancelled['result'], 'unknown'>;

/**
 * Cancels a run and its chunks.
 *
 * @throws ServiceError `run-not-found` where it has been forgotten meanwhile
 */
export async function cancelRun(deps: PurgeDeps, run: RunRecord): Promise<CancelResult> {
  const { ledger, leases, ends } = deps;
  const { runId } = run;
  const cancelled = await ledger.cancel(runId);
  if (cancelled.result === 'unknown') throw runNotFound(runId);
  if (cancelled.result !== 'cancelled') return cancelled.result;
  for (const claim of cancelled.stopped) leases.stop(claim, 'cancelled');
  ends.ended({ run, status: 'cancelled', error: null });
  return 'cancelled';
}

/** Cancels everything that is queued or running at an endpoint, whosever it is. */
export async function cancelAll(deps: PurgeDeps, endpoint: string): Promise<void> {
  await purge(deps, { viewer: null, endpoint, olderThan: null, runName: null });
  for (;;) {
    const running = await deps.ledger.runs({ endpoint, status: 'running', limit: 100 });
    if (running.length === 0) return;
    await Promise.all(running.map((run) => cancelRun(deps, run)));
  }
}
