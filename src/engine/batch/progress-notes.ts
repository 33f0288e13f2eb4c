// Writes down how far a batch has come, as often as anybody can tell the difference: chunks may end
// hundreds of times a second, and each note is a transaction.

import { startTimer } from '../../system/clock.ts';
import { Coalesced } from '../../system/loops.ts';
import { type Duration, milliseconds } from '../../domain/time.ts';

/**
 * From the end of one note to the next: far less than the second after which clients look again.
 */
const PAUSE: Duration = milliseconds(100);

/** See the head of this file. */
export class ProgressNotes {
  readonly #write: () => Promise<unknown>;
  readonly #notes = new Coalesced(() => this.#note());
  #endPause: () => void = () => {};

  /** @param write writes down how far it has come by then; its failures show elsewhere */
  constructor(write: () => Promise<unknown>) {
    this.#write = write;
  }

  /** It has come further: noted at once, or once the pause is over. */
  changed(): void {
    this.#notes.wake();
  }

  /** Notes no more; resolves when none is being written. */
  async close(): Promise<void> {
    const closed = this.#notes.stop();
    this.#endPause();
    await closed;
  }

  async #note(): Promise<void> {
    await this.#write().catch(() => {});
    if (!this.#notes.stopped) await this.#pause();
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
