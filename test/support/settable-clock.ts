// A machine's clock that a test sets while time goes by.

import { type Clock, steadyNow, systemClock } from '../../src/system/clock.ts';
import { after, type Duration, type Instant, milliseconds, type Moment } from '../../src/domain/time.ts';

/** Right until it is set. */
export class SettableClock implements Clock {
  #off = milliseconds(0);

  now(): Instant {
    return after(systemClock.now(), this.#off);
  }

  steady(): Moment {
    return steadyNow();
  }

  /** Sets it forward, or back. */
  set(by: Duration): void {
    this.#off = milliseconds(this.#off + by);
  }
}
