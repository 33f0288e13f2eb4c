// Ctrl-C, once and twice, and the signals that end a command at once: SIGTERM, and SIGHUP of a
// terminal that was closed.

import { setTimeout as pause } from 'node:timers/promises';
import { systemClock } from '../system/clock.ts';
import { Interrupted, type StopSignal } from './failure.ts';

/**
 * How long after a Ctrl-C another SIGINT still belongs to it. `npm run` sends its own after the
 * terminal's, so that one key press arrives twice; people take longer.
 */
const SAME_PRESS_MS = 100;

/** Takes over signals until it is stopped; while it does, they do not end the process. */
export class Interrupts {
  readonly #signals: readonly StopSignal[];
  readonly #first = new AbortController();
  readonly #again = new AbortController();
  readonly #atOnce = new AbortController();
  readonly #listener = (signal: NodeJS.Signals): void => this.#received(signal as StopSignal);
  #signal: StopSignal = 'SIGINT';
  #lastAt = Number.NEGATIVE_INFINITY;

  constructor(signals: readonly StopSignal[] = ['SIGINT', 'SIGTERM', 'SIGHUP']) {
    this.#signals = signals;
    for (const signal of signals) process.on(signal, this.#listener);
  }

  /** Aborted by the first Ctrl-C, and by what ends a command at once. */
  get first(): AbortSignal {
    return this.#first.signal;
  }

  /** Aborted by the second Ctrl-C. */
  get again(): AbortSignal {
    return this.#again.signal;
  }

  /** What ends the command, once `first` is aborted. */
  get signal(): StopSignal {
    return this.#signal;
  }

  /**
   * Whether there is a second Ctrl-C within the time.
   *
   * @throws Interrupted where there is nothing to wait for, or no longer, since the command is to
   *   end at once
   */
  async second(withinMs: number): Promise<boolean> {
    const sooner = AbortSignal.any([this.again, this.#atOnce.signal]);
    await pause(withinMs, undefined, { signal: sooner }).catch(() => {});
    if (this.#atOnce.signal.aborted) throw new Interrupted('', this.signal);
    return this.again.aborted;
  }

  stop(): void {
    for (const signal of this.#signals) process.off(signal, this.#listener);
  }

  #received(signal: StopSignal): void {
    if (signal === 'SIGINT') return this.#pressed();
    // Another one ends the process as everywhere: a pipe that nobody reads would keep it from
    // ending in order.
    this.stop();
    this.#signal = signal;
    this.#atOnce.abort();
    this.#first.abort();
  }

  #pressed(): void {
    const now = systemClock.now();
    const samePress = now - this.#lastAt < SAME_PRESS_MS;
    this.#lastAt = now;
    if (samePress) return;
    if (this.first.aborted) this.#again.abort();
    else this.#first.abort();
  }
}
