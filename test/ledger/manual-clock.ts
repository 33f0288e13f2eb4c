// A clock that stands still until a test moves it.

import type { Clock } from '../../src/clock.ts';
import { after, type Duration, type Instant, instant } from '../../src/domain/time.ts';

/** Starts at a round time in 2026. */
export class ManualClock implements Clock {
  #now: Instant = instant(Date.UTC(2026, 0, 1));

  now(): Instant {
    return this.#now;
  }

  advance(by: Duration): void {
    this.#now = after(this.#now, by);
  }
}
