// One attempt at a run, from its claim to its outcome. A replica or a batch does the work; every
// attempt begins and ends here.

import type { Clock } from '../system/clock.ts';
import { elapsed } from '../domain/time.ts';
import type { AttemptResult, ClaimedRun, FinishedAttempt, Ledger, Recorded } from '../stores/ledger/ledger.ts';
import type { Log } from '../system/log.ts';
import type { Traced, Tracing } from '../system/tracing.ts';
import type { DrainRates } from './drain-rate.ts';
import { finish, type FinishDeps } from './finish.ts';
import type { HeldClaim } from './leases.ts';
import { attemptAttributes, outcomeOf, type RunObserver } from './observer.ts';
import type { Payloads } from './payloads.ts';
import type { RunEnds } from './run-ends.ts';
import type { RunEvents } from './run-events.ts';

/** What an attempt works with. */
export interface AttemptDeps extends FinishDeps {
  readonly ledger: Ledger;
  readonly payloads: Payloads;
  readonly events: RunEvents;
  readonly ends: RunEnds;
  readonly drainRates: DrainRates;
  readonly observer: RunObserver;
  readonly tracing: Tracing;
  readonly clock: Clock;
  readonly log: Log;
}

/** What the work of an attempt came to, and how far it had come. */
export type Worked = Pick<FinishedAttempt, 'result' | 'progress'>;

/** What an attempt came to, and whether the ledger took it. */
export interface AttemptEnd {
  readonly result: AttemptResult;
  readonly recorded: Recorded;
}

/**
 * Carries out an attempt: does the work, writes the outcome, and tells of both.
 *
 * @param work does it, within the trace of the attempt; what a model or a store did is its result,
 *   and what it throws is a bug
 */
export async function attempt(
  deps: AttemptDeps,
  claimed: ClaimedRun,
  held: HeldClaim,
  work: (traced: Traced) => Promise<Worked>,
): Promise<AttemptEnd> {
  const { events, clock } = deps;
  const { runId } = claimed.claim;
  const startedAt = clock.steady();
  events.changed(runId, 'state');
  const traced = deps.tracing.attempting(claimed.run.trace, () => attemptAttributes(claimed));
  const { result, progress } = await work(traced);
  const finishing = finish(deps, { claim: claimed.claim, result, progress }, held);
  // Asked for in the same breath: an embedded ledger reads it in the transaction that writes the
  // outcome. If it cannot be read, those who wait read it.
  const reading = events.hasWaiters(runId) ? deps.ledger.details(runId).catch(() => null) : Promise.resolve(null);
  const [recorded, details] = await Promise.all([finishing, reading]);
  events.changed(runId, 'state');
  const error = 'error' in result ? result.error : null;
  const outcome = outcomeOf(result, recorded, held);
  deps.observer.attempted(claimed, outcome, elapsed(startedAt, clock.steady()), error);
  traced.end({ attributes: { 'claimcheck.outcome': outcome }, error });
  if (recorded === 'lost') await discardRefused(deps, claimed, result);
  else if (result.kind === 'succeeded' || result.kind === 'failed') {
    deps.drainRates.ended(claimed.run.kind, clock.steady());
    deps.ends.ended({ run: claimed.run, status: result.kind, error, details });
  }
  return { result, recorded };
}

/** The output of an attempt whose claim was lost is nobody's. */
async function discardRefused(
  { payloads, log }: AttemptDeps,
  { claim }: ClaimedRun,
  result: AttemptResult,
): Promise<void> {
  if (result.kind === 'succeeded') await payloads.discard(result.output);
  log.info({ run_id: claim.runId, attempt: claim.attempt }, 'outcome refused: the claim was lost');
}
