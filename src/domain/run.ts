// What a run is and how it may change: the transition table that drivers, CHECK constraints and
// docs restate.

/**
 * Every status there is; no other word is ever added (detail goes to the error's type, to
 * `waiting_on` and to the attempts).
 */
export const RUN_STATUSES = ['queued', 'running', 'succeeded', 'failed', 'cancelled'] as const;
/** Where a run stands. */
export type RunStatus = (typeof RUN_STATUSES)[number];

/** The statuses that are final: a run in one of them never changes again. */
export const ENDED_STATUSES = ['succeeded', 'failed', 'cancelled'] as const;
/** How a run ended. */
export type EndedStatus = (typeof ENDED_STATUSES)[number];

/** Whether a status is final. */
export function isEnded(status: RunStatus): status is EndedStatus {
  return status === 'succeeded' || status === 'failed' || status === 'cancelled';
}

/**
 * Event → the statuses it may find and the one it leaves. Nothing else can happen.
 */
export const TRANSITIONS = {
  /** A dispatcher takes the run; the only way to gain the right to write its outcome. */
  claim: { from: ['queued'], to: 'running' },
  succeed: { from: ['running'], to: 'succeeded' },
  fail: { from: ['running'], to: 'failed' },
  /**
   * The attempt is over but the run is not: it is tried again by policy, or its worker was lost.
   */
  requeue: { from: ['running'], to: 'queued' },
  /** The run waited longer than its `queue_ttl`. */
  expire: { from: ['queued'], to: 'failed' },
  cancel: { from: ['queued', 'running'], to: 'cancelled' },
} as const satisfies Record<string, { from: readonly RunStatus[]; to: RunStatus }>;

/** What can happen to a run. */
export type RunEvent = keyof typeof TRANSITIONS;

/**
 * What a run does when it is claimed: `call` hands its input to a replica whole, `batch` has a
 * table for input and chunk runs for children, `chunk` hands some rows of its parent's table to a
 * replica.
 */
export type RunKind = 'call' | 'batch' | 'chunk';

/**
 * How often a run may lose its worker (crash of the replica or of the server) before it is held to
 * be the cause and fails. Source: promise P13 of the reliability page, which takes 3 as peers do.
 */
export const LOST_WORKERS_MAX = 3;
