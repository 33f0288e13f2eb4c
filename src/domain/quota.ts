// What a client is told of the room that a queue has, in the fields of
// draft-ietf-httpapi-ratelimit-headers-10: a policy `"queue"` whose quota is runs that wait at once
// and not requests in a window of time, so it has no `w`.

import type { Duration } from './time.ts';

/** `Retry-After` for a wait: whole seconds, and not 0. */
export const retryAfterSeconds = (wait: Duration): string => String(Math.max(1, Math.ceil(wait / 1_000)));

/** The fields for a queue of so many places of which so many are left. */
export const quotaHeaders = (limit: number, left: number): Readonly<Record<string, string>> => ({
  'ratelimit-policy': policyOf(limit),
  ratelimit: `"queue";r=${Math.max(0, left)}`,
});

/**
 * The fields for a full queue in which a place is expected after a wait; the same point in time for
 * every client that reads one of them.
 */
export const fullHeaders = (limit: number, wait: Duration): Readonly<Record<string, string>> => ({
  'retry-after': retryAfterSeconds(wait),
  'retry-after-ms': String(Math.ceil(wait)),
  'ratelimit-policy': policyOf(limit),
  ratelimit: `"queue";r=0;t=${retryAfterSeconds(wait)}`,
});

const policyOf = (limit: number): string => `"queue";q=${limit};qu="concurrent-requests"`;
