// How fast an endpoint works through its queues, measured on the runs that ended last.

import type { RunKind } from '../domain/run.ts';
import { type Duration, elapsed, inSeconds, type Moment, seconds } from '../domain/time.ts';

/** Ends that are remembered. */
const SAMPLES_MAX = 64;
/** Bounds of Retry-After: shorter would be a storm, longer would leave capacity unused. */
const RETRY_MIN = seconds(1);
const RETRY_MAX = seconds(60);
/** What is said while nothing has been measured. */
const RETRY_UNKNOWN = seconds(5);

/** Measures how many runs of one sort end per second. */
export class DrainRate {
  #ends: Moment[] = [];

  ended(at: Moment): void {
    this.#ends.push(at);
    if (this.#ends.length > SAMPLES_MAX) this.#ends.shift();
  }

  /**
   * Runs per second over the last ends, or null before there are two. It falls while nothing ends.
   */
  perSecond(now: Moment): number | null {
    const [oldest] = this.#ends;
    if (oldest === undefined || this.#ends.length < 2) return null;
    return this.#ends.length / Math.max(0.001, inSeconds(elapsed(oldest, now)));
  }

  /** When a place in a full queue can be expected. */
  retryAfter(now: Moment): Duration {
    const rate = this.perSecond(now);
    if (rate === null) return RETRY_UNKNOWN;
    return Math.min(RETRY_MAX, Math.max(RETRY_MIN, seconds(1 / rate))) as Duration;
  }
}

/**
 * The rates of one endpoint, each for what its answer is compared with. Ends alone count, and only
 * those that this server wrote: not an attempt after which the run is tried again, not a cancel. So
 * an estimate made from them is too long rather than too short.
 */
export class DrainRates {
  /** Calls and batches: what takes places in the queue, and what people call a run. */
  readonly topLevel = new DrainRate();
  /** Calls and chunks, which wait for the same replicas. */
  readonly #replicaLane = new DrainRate();
  /** Batches, which wait for the engine. */
  readonly #engineLane = new DrainRate();

  ended(kind: RunKind, at: Moment): void {
    if (kind !== 'chunk') this.topLevel.ended(at);
    this.laneOf(kind).ended(at);
  }

  /**
   * The rate of everything that waits in the same line as a run of this kind: what the ledger
   * counts as `ahead` of it.
   */
  laneOf(kind: RunKind): DrainRate {
    return kind === 'batch' ? this.#engineLane : this.#replicaLane;
  }
}
