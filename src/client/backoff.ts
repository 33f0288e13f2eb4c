// When a request is sent again, and after how long. Pure: times and randomness come in as numbers.

import { type Backoff, pauseOf, spread } from '../domain/backoff.ts';
import { milliseconds, seconds as inSeconds } from '../domain/time.ts';

/** How long the client keeps trying to get an answer to one request. */
export interface RetryOptions {
  /** How often a request is sent at most, the first time included (10); 1 never sends it again. */
  readonly tries?: number | undefined;
  /**
   * No new try starts once so many seconds were spent on tries and the pauses between them (120).
   */
  readonly seconds?: number | undefined;
  /**
   * The same for calls that wait for a run or follow it (3,600; `tries` and `seconds` where those
   * are given): it goes on meanwhile, so that giving up spares nothing.
   */
  readonly waitSeconds?: number | undefined;
}

/** How often, and for how long. */
export interface TryLimits {
  readonly tries: number;
  readonly totalMs: number;
  /** The same for a server that has not answered this client yet. */
  readonly firstContact: { readonly tries: number; readonly totalMs: number };
}

/** The same with every default applied. */
export interface RetryLimits {
  readonly once: TryLimits;
  readonly wait: TryLimits;
}

const DEFAULT_TRIES = 10;
const DEFAULT_TOTAL_SECONDS = 120;
const DEFAULT_WAIT_SECONDS = 3_600;

/**
 * How often a server that never answered this client is tried: about a second in all. It is far
 * more often not there, or somewhere else, than about to come up, and a person who typed a wrong
 * URL should not wait a minute to be told. A run that is waited for has an id, which a server gave:
 * that one is being started again, and is tried as long as any other request.
 */
const FIRST_CONTACT_TRIES = 4;

const PAUSES: Backoff = { first: milliseconds(200), max: inSeconds(10) };

/** Statuses that say "not now" where they are no answer about a run. */
const RETRIED_STATUSES: ReadonlySet<number> = new Set([408, 429, 502, 503, 504]);

/** Whether an answer of this status may be followed by another try. */
export function isRetried(status: number): boolean {
  return RETRIED_STATUSES.has(status);
}

/** Applies the defaults. */
export function retryLimits({ tries, seconds, waitSeconds }: RetryOptions = {}): RetryLimits {
  const once = limitOf(tries ?? DEFAULT_TRIES, seconds ?? DEFAULT_TOTAL_SECONDS);
  const wait = limitOf(tries ?? Infinity, waitSeconds ?? seconds ?? DEFAULT_WAIT_SECONDS);
  const { totalMs } = once;
  return {
    once: { ...once, firstContact: { tries: Math.min(once.tries, FIRST_CONTACT_TRIES), totalMs } },
    wait: { ...wait, firstContact: { tries: wait.tries, totalMs: Math.min(wait.totalMs, totalMs) } },
  };
}

const limitOf = (tries: number, seconds: number): TryLimits['firstContact'] => ({
  tries: Math.max(1, tries),
  totalMs: seconds * 1_000,
});

/** Why the last try brought no answer, and where the request stands. */
export interface FailedTry {
  /** Which try it was, 1 for the first. */
  readonly tries: number;
  /** How long it has been tried, in milliseconds. */
  readonly spentMs: number;
  /** What the server asked for in Retry-After, or null. */
  readonly askedMs: number | null;
  /** Whether the server has answered this client before. */
  readonly reached: boolean;
}

/**
 * Milliseconds until the next try, or null when there is none. A server's own estimate counts,
 * stretched by up to a quarter so that all who were refused do not come back in the same instant;
 * else the pause doubles, and its upper half is random.
 */
export function pauseAfter(
  { tries, spentMs, askedMs, reached }: FailedTry,
  limits: TryLimits,
  random: number,
): number | null {
  const limit = reached ? limits : limits.firstContact;
  if (tries >= limit.tries) return null;
  const pause = askedMs === null ? spread(pauseOf(PAUSES, tries - 1), random) : askedMs * (1 + random / 4);
  return spentMs + pause > limit.totalMs ? null : pause;
}

/**
 * The pause that an answer asks for, in milliseconds: `retry-after-ms`, or Retry-After as seconds
 * or a date; null for none.
 */
export function retryAfterMs(headers: Headers, wallClockMs: number): number | null {
  const exact = numberOf(headers.get('retry-after-ms'));
  if (exact !== null) return exact;
  const text = headers.get('retry-after');
  const seconds = numberOf(text);
  if (seconds !== null) return seconds * 1_000;
  // Only the form of HTTP, which starts with a weekday: engines read dates out of far stranger
  // text.
  const date = /^[A-Z][a-z]{2}, /.test(text ?? '') ? Date.parse(text!) : Number.NaN;
  return Number.isNaN(date) ? null : Math.max(0, date - wallClockMs);
}

function numberOf(text: string | null): number | null {
  return text !== null && /^\d{1,9}(?:\.\d+)?$/.test(text.trim()) ? Number(text) : null;
}
