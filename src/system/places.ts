// Places for work that goes on side by side, of which there are so many and no more.

import type { Duration } from '../domain/time.ts';
import { startTimer } from './clock.ts';

/** Gives a place back; calling it again does nothing. */
export type Leave = () => void;

/** Places that are taken in the order in which they are asked for. */
export class Places {
  readonly #max: number;
  #free: number;
  readonly #waiting: (() => void)[] = [];
  #whenIdle: (() => void)[] = [];

  constructor(max: number) {
    this.#max = max;
    this.#free = max;
  }

  /**
   * Takes a place once one is free.
   *
   * @param atMost how long to wait for one; unset, as long as it takes
   * @returns how to give it back; null where none was free for so long
   */
  take(): Promise<Leave>;
  take(atMost: Duration): Promise<Leave | null>;
  async take(atMost: Duration | null = null): Promise<Leave | null> {
    if (this.#free > 0) this.#free -= 1;
    else if (!(await this.#turn(atMost))) return null;
    let isTaken = true;
    return () => {
      if (isTaken) this.#pass();
      isTaken = false;
    };
  }

  /** Resolves when every place is free. */
  async idle(): Promise<void> {
    if (this.#free < this.#max) await new Promise<void>((resolve) => this.#whenIdle.push(resolve));
  }

  /** Whether another has handed its place on in time. */
  #turn(atMost: Duration | null): Promise<boolean> {
    return new Promise((resolve) => {
      const next = (): void => {
        stopTimer();
        resolve(true);
      };
      const giveUp = (): void => {
        this.#waiting.splice(this.#waiting.indexOf(next), 1);
        resolve(false);
      };
      const stopTimer = atMost === null ? () => {} : startTimer(atMost, giveUp);
      this.#waiting.push(next);
    });
  }

  #pass(): void {
    const next = this.#waiting.shift();
    // The place goes on to the next one without being free in between.
    if (next !== undefined) return next();
    this.#free += 1;
    if (this.#free === this.#max) for (const resolve of this.#whenIdle.splice(0)) resolve();
  }
}
