// How fast an endpoint works through its queue, measured on the runs that ended last.

import { between, type Duration, inSeconds, type Instant, seconds } from '../domain/time.ts';

/** Ends that are remembered. */
const SAMPLES_MAX = 64;
/** Bounds of Retry-After: shorter would be a storm, longer would leave capacity unused. */
const RETRY_MIN = seconds(1);
const RETRY_MAX = seconds(60);
/** What is said while nothing has been measured. */
const RETRY_UNKNOWN = seconds(5);

/** Measures how many runs end per second. */
export class DrainRate {
  #ends: Instant[] = [];

  ended(at: Instant): void {
    this.#ends.push(at);
    if (this.#ends.length > SAMPLES_MAX) this.#ends.shift();
  }

  /** Runs per second over the last ends, or null before there are two. It falls while nothing ends. */
  perSecond(now: Instant): number | null {
    const [oldest] = this.#ends;
    if (oldest === undefined || this.#ends.length < 2) return null;
    return this.#ends.length / Math.max(0.001, inSeconds(between(oldest, now)));
  }

  /** When a place in a full queue can be expected. */
  retryAfter(now: Instant): Duration {
    const rate = this.perSecond(now);
    if (rate === null) return RETRY_UNKNOWN;
    return Math.min(RETRY_MAX, Math.max(RETRY_MIN, seconds(1 / rate))) as Duration;
  }
}
