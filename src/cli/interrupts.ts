// Ctrl-C, once and twice.

import { systemClock } from '../clock.ts';

/**
 * How long after a Ctrl-C another SIGINT still belongs to it. `npm run` sends its own after the terminal's, so that one key press
 * arrives twice; people take longer.
 */
const SAME_PRESS_MS = 100;

/** Takes over Ctrl-C until it is stopped; while it does, Ctrl-C does not end the process. */
export class Interrupts {
  readonly #first = new AbortController();
  readonly #again = new AbortController();
  readonly #listener = (): void => this.#interrupted();
  #lastAt = Number.NEGATIVE_INFINITY;

  constructor() {
    process.on('SIGINT', this.#listener);
  }

  /** Aborted by the first Ctrl-C. */
  get first(): AbortSignal {
    return this.#first.signal;
  }

  /** Aborted by the second Ctrl-C. */
  get again(): AbortSignal {
    return this.#again.signal;
  }

  /** Whether there is a second Ctrl-C within the time. */
  async second(withinMs: number): Promise<boolean> {
    const { promise: decided, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, withinMs);
    this.again.addEventListener('abort', () => resolve(), { once: true });
    if (!this.again.aborted) await decided;
    clearTimeout(timer);
    return this.again.aborted;
  }

  stop(): void {
    process.off('SIGINT', this.#listener);
  }

  #interrupted(): void {
    const now = systemClock.now();
    const samePress = now - this.#lastAt < SAME_PRESS_MS;
    this.#lastAt = now;
    if (samePress) return;
    if (this.first.aborted) this.#again.abort();
    else this.#first.abort();
  }
}
