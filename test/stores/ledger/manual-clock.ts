// A clock that stands still until a test moves it.

import type { Clock } from '../../../src/system/clock.ts';
import { after, type Duration, type Instant, instant, later, type Moment, moment } from '../../../src/domain/time.ts';

/** Starts at a round time in 2026. */
export class ManualClock implements Clock {
  #now: Instant = instant(Date.UTC(2026, 0, 1));
  #steady: Moment = moment(0);

  now(): Instant {
    return this.#now;
  }

  steady(): Moment {
    return this.#steady;
  }

  /** Time goes by. */
  advance(by: Duration): void {
    this.#now = after(this.#now, by);
    this.#steady = later(this.#steady, by);
  }

  /** Somebody sets the clock, forward or back; no time goes by. */
  set(by: Duration): void {
    this.#now = after(this.#now, by);
  }
}
