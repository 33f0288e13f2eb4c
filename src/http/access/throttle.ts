// How often one address may present keys that are not valid. It never stands before a valid one:
// keys are looked at first, so nobody can shut anybody else out, not even from the same address.

import type { Clock } from '../../system/clock.ts';
import { type Duration, elapsed, type Moment, milliseconds, seconds } from '../../domain/time.ts';

/**
 * Failures that an address may have at once. A program with an old key that sends several requests
 * at a time is told what is wrong.
 */
const BURST = 20;
/** How long it takes until it may have one more. */
const REFILL: Duration = seconds(1);
/**
 * Addresses that are remembered; beyond that, the one that failed longest ago is forgotten. About 2
 * MB.
 */
const ADDRESSES_MAX = 10_000;

/** What an address has left, as of a time. */
interface Bucket {
  readonly tokens: number;
  readonly asOf: Moment;
}

/** A bucket of tokens for every address that has failed. */
export class Throttle {
  readonly #clock: Clock;
  /** In the order of their last failures. */
  readonly #buckets = new Map<string, Bucket>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /**
   * Counts a failure; answers how long the address is to wait where it has had too many, else null.
   */
  failed(address: string): Duration | null {
    const now = this.#clock.steady();
    const tokens = this.#tokensOf(address, now);
    this.#buckets.delete(address);
    this.#buckets.set(address, { tokens: tokens >= 1 ? tokens - 1 : tokens, asOf: now });
    if (this.#buckets.size > ADDRESSES_MAX) this.#buckets.delete(this.#buckets.keys().next().value!);
    return tokens >= 1 ? null : milliseconds(Math.ceil((1 - tokens) * REFILL));
  }

  #tokensOf(address: string, now: Moment): number {
    const bucket = this.#buckets.get(address);
    if (bucket === undefined) return BURST;
    return Math.min(BURST, bucket.tokens + elapsed(bucket.asOf, now) / REFILL);
  }
}
