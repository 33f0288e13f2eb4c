// Emptying an endpoint's queue: every run that waits there, and none that arrives meanwhile.

import type { Clock } from '../system/clock.ts';
import type { Viewer } from '../domain/access.ts';
import { after, type Duration, type Instant, milliseconds } from '../domain/time.ts';
import type { QueueFilter, QueueLedger, RunReader } from '../stores/ledger/ledger.ts';
import type { Leases } from './leases.ts';
import type { RunEnds } from './run-ends.ts';

/** Which queued runs to cancel. */
export interface PurgeRequest {
  /** Whose: runs that the principal does not see stay. Null for everybody's. */
  readonly viewer: Viewer | null;
  readonly endpoint: string;
  /** Only runs that arrived longer ago than this; null, or 0, for all that wait. */
  readonly olderThan: Duration | null;
  /** Only runs of this name; null for any. */
  readonly runName: string | null;
}

/** What a purge works with. */
export interface PurgeDeps {
  readonly ledger: QueueLedger & RunReader;
  readonly ends: RunEnds;
  readonly leases: Leases;
  readonly clock: Clock;
}

/**
 * Cancels the queued runs that fit, and tells those who wait for them; answers how many it has
 * cancelled.
 */
export async function purge(deps: PurgeDeps, request: PurgeRequest): Promise<number> {
  const { ledger, ends, leases } = deps;
  const filter = await filterOf(deps, request);
  let count = 0;
  for (;;) {
    const { cancelled, stopped } = await ledger.purge(filter);
    // A batch that waits to be taken up again may have chunks at work.
    for (const claim of stopped) leases.stop(claim, 'cancelled');
    for (const runId of cancelled)
      ends.ended({ run: { runId, endpoint: request.endpoint, parentId: null }, status: 'cancelled', error: null });
    if (cancelled.length === 0) return count;
    count += cancelled.length;
  }
}

/** How many runs a purge would cancel now. */
export async function countPurgeable(deps: PurgeDeps, request: PurgeRequest): Promise<number> {
  return deps.ledger.countQueued(await filterOf(deps, request));
}

/**
 * Fixed once, before the first run is cancelled: otherwise a purge would never end where runs
 * arrive faster than they are cancelled.
 */
async function filterOf(deps: PurgeDeps, request: PurgeRequest): Promise<QueueFilter> {
  const { viewer, endpoint, runName } = request;
  const createdBefore = await boundOf(deps, request);
  return { ...ownOf(viewer), endpoint, createdBefore, ...(runName === null ? {} : { runName }) };
}

/**
 * Just after the last arrival, where no age is asked for: that is a time of the ledger's own clock,
 * which need not be this machine's.
 */
async function boundOf({ ledger, clock }: PurgeDeps, { viewer, endpoint, olderThan }: PurgeRequest): Promise<Instant> {
  const now = clock.now();
  if (olderThan !== null && olderThan > 0) return after(now, milliseconds(0 - olderThan));
  const [newest] = await ledger.runs({ ...ownOf(viewer), endpoint, limit: 1 });
  return after(newest?.createdAt ?? now, milliseconds(1));
}

const ownOf = (viewer: Viewer | null): { readonly viewer?: Viewer } => (viewer === null ? {} : { viewer });
