// What time it is for the database, known without asking it every time: it goes on from the last
// answer by a clock that nobody can set.

import {
  type Duration,
  elapsed,
  type Instant,
  instant,
  milliseconds,
  type Moment,
  seconds,
} from '../../../domain/time.ts';

/**
 * The database's clock was set, or this machine slept, where an answer is off by more than this and
 * by more than it was on its way.
 */
const JUMP: Duration = seconds(2);

/** See the head of this file. */
export class DatabaseTime {
  /** What the database's clock is ahead of the machine's that nobody can set. */
  #ahead: number | null = null;
  readonly #steady: () => Moment;

  constructor(steady: () => Moment) {
    this.#steady = steady;
  }

  now(): Instant {
    if (this.#ahead === null) throw new Error('The database was not asked for the time.');
    return instant(Math.round(this.#steady() + this.#ahead));
  }

  /**
   * Takes an answer of the database.
   *
   * @returns by how much its clock has jumped since the last one; null where it has not
   */
  tell(now: Instant, askedAt: Moment, answeredAt: Moment): Duration | null {
    const onItsWay = elapsed(askedAt, answeredAt);
    const ahead = now - (askedAt + onItsWay / 2);
    const jump = this.#ahead === null ? 0 : ahead - this.#ahead;
    this.#ahead = ahead;
    return Math.abs(jump) > JUMP + onItsWay ? milliseconds(Math.round(jump)) : null;
  }
}
