// Writes down how far a batch has come, as often as anybody can tell the difference: chunks may end hundreds of times a second, and each note
// is a transaction.

import { startTimer } from '../../system/clock.ts';
import { type Duration, milliseconds } from '../../domain/time.ts';

/** From the end of one note to the next: far less than the second after which clients look again. */
const PAUSE: Duration = milliseconds(100);

/** See the head of this file. */
export class ProgressNotes {
  readonly #write: () => Promise<unknown>;
  /** The note that is being written, and the pause after it. */
  #busy: Promise<void> | null = null;
  #endPause: () => void = () => {};
  #isStale = false;
  #isClosed = false;

  /** @param write writes down how far it has come by then; when it fails that shows elsewhere */
  constructor(write: () => Promise<unknown>) {
    this.#write = write;
  }

  /** It has come further: noted at once, or once the pause is over. */
  changed(): void {
    this.#isStale = true;
    this.#busy ??= this.#note().finally(() => (this.#busy = null));
  }

  /** Notes no more; resolves when none is being written. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#endPause();
    await this.#busy;
  }

  async #note(): Promise<void> {
    while (this.#isStale && !this.#isClosed) {
      this.#isStale = false;
      await this.#write().catch(() => {});
      if (!this.#isClosed) await this.#pause();
    }
  }

  #pause(): Promise<void> {
    return new Promise((resolve) => {
      const stopTimer = startTimer(PAUSE, resolve);
      this.#endPause = () => {
        stopTimer();
        resolve();
      };
    });
  }
}
