// Whether a failed attempt is tried again, and when.

import { type Backoff, pauseOf, spread } from './backoff.ts';
import type { RunError, RunFailure } from './errors.ts';
import { LOST_WORKERS_MAX } from './run.ts';
import { type Duration, milliseconds, seconds } from './time.ts';

/** Which failures are tried again, and how many attempts a run has in all. */
export interface RetryPolicy {
  readonly maxAttempts: number;
  readonly on: readonly RunFailure[];
}

/**
 * A lost worker is tried again, a model's own failure is not: the same input would most likely fail
 * the same way.
 */
export const DEFAULT_RETRY: RetryPolicy = { maxAttempts: LOST_WORKERS_MAX, on: ['replica-crashed'] };

/**
 * How many attempts a run may lose to a dead server or replica before it fails: one, where its
 * policy does not try a lost worker again.
 */
export const lostWorkersMax = (policy: RetryPolicy): number =>
  policy.on.includes('replica-crashed') ? policy.maxAttempts : 1;

/** Delays before a retry. */
const DELAYS: Backoff = { first: milliseconds(200), max: seconds(30) };

/** What follows for a run whose attempt failed. */
export type AfterFailure = { readonly verdict: 'retry'; readonly delay: Duration } | { readonly verdict: 'fail' };

/**
 * Decides by policy what follows a failed attempt.
 *
 * @param attempts how many attempts have counted so far, this one included
 * @param jitter a number from 0 to 1 that spreads retries out; at 0 the delay is half of its full
 *   length
 */
export function afterFailure(error: RunError, attempts: number, policy: RetryPolicy, jitter: number): AfterFailure {
  if (!policy.on.includes(error.type) || attempts >= policy.maxAttempts) return { verdict: 'fail' };
  return { verdict: 'retry', delay: milliseconds(Math.round(spread(pauseOf(DELAYS, attempts - 1), jitter))) };
}
