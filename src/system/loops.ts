// Work that is done again and again: after a pause, or when it is asked for.

import { setImmediate as turnEnd } from 'node:timers/promises';
import type { Duration } from '../domain/time.ts';
import { startTimer } from './clock.ts';

/** Work that is done in rounds, with a pause between two rounds, until it is stopped. */
export class Rounds {
  readonly #work: () => Promise<void>;
  readonly #pause: Duration;
  #stopTimer: () => void = () => {};
  #round: Promise<void> = Promise.resolve();
  #stopped = false;

  /**
   * @param work a round, which handles its own errors; a long one looks at `stopped` now and then
   */
  constructor(work: () => Promise<void>, pause: Duration) {
    this.#work = work;
    this.#pause = pause;
  }

  get stopped(): boolean {
    return this.#stopped;
  }

  /** Begins, with the first round at once or after a time. */
  start(first?: Duration): void {
    if (first === undefined) this.#begin();
    else this.#stopTimer = startTimer(first, () => this.#begin());
  }

  /** Begins no further round, and resolves when the current one is over. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#stopTimer();
    await this.#round;
  }

  #begin(): void {
    this.#round = this.#work().finally(() => {
      if (!this.#stopped) this.start(this.#pause);
    });
  }
}

/**
 * Work that is asked for at any time and done in one round after the other: all who ask during a
 * round share the one after it.
 */
export class Coalesced {
  readonly #work: () => Promise<void>;
  readonly #begins: 'at-once' | 'at-turn-end';
  #state: 'idle' | 'busy' | 'busy-and-asked' | 'stopped' = 'idle';
  #round: Promise<void> = Promise.resolve();

  /**
   * @param work a round, which handles its own errors
   * @param begins when a round begins; at the end of the event loop's turn, all who ask in that
   *   turn share it
   */
  constructor(work: () => Promise<void>, begins: 'at-once' | 'at-turn-end' = 'at-once') {
    this.#work = work;
    this.#begins = begins;
  }

  get stopped(): boolean {
    return this.#state === 'stopped';
  }

  /** Asks for a round. */
  wake(): void {
    if (this.#state === 'busy') this.#state = 'busy-and-asked';
    if (this.#state !== 'idle') return;
    this.#state = 'busy';
    this.#round = this.#begin();
  }

  /** Begins no further round, and resolves when the current one is over. */
  async stop(): Promise<void> {
    this.#state = 'stopped';
    await this.#round;
  }

  async #begin(): Promise<void> {
    if (this.#begins === 'at-turn-end') await turnEnd();
    if (this.stopped) return;
    await this.#work();
    if (this.stopped) return;
    const asked = this.#state === 'busy-and-asked';
    this.#state = 'idle';
    if (asked) this.wake();
  }
}
