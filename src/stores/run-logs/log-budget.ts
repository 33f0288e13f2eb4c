// How much of what an attempt writes is kept: so much in all, and so many lines a second.

import { type Clock } from '../../system/clock.ts';
import type { LogEntry } from '../../domain/log-line.ts';
import { later, type Moment, seconds } from '../../domain/time.ts';

/** What one attempt may keep, in bytes of JSON lines; one more line says that it was reached. */
export const ATTEMPT_BYTES_MAX = 1_024 * 1_024;
/** What one attempt may keep of a second; one more line says how many there were beyond it. */
export const LINES_PER_SECOND_MAX = 1_000;

const WINDOW = seconds(1);

/** Decides over the lines of one attempt. */
export class LogBudget {
  readonly #clock: Clock;
  readonly #bytesMax: number;
  #windowEnd: Moment | null = null;
  #inWindow = 0;
  #dropped = 0;
  #bytes = 0;
  #isFull = false;

  /** @param bytesMax how much is kept in all */
  constructor(clock: Clock, bytesMax = ATTEMPT_BYTES_MAX) {
    this.#clock = clock;
    this.#bytesMax = bytesMax;
  }

  /**
   * The lines to be kept in place of one that has come: itself, a note, both, or nothing. `bytes`
   * is its length as it would be kept.
   */
  admit(entry: LogEntry, bytes: number): LogEntry[] {
    if (this.#isFull) return [];
    const note = this.#turnWindow();
    if (this.#inWindow >= LINES_PER_SECOND_MAX) {
      this.#dropped += 1;
      return note;
    }
    this.#inWindow += 1;
    this.#bytes += bytes;
    if (this.#bytes <= this.#bytesMax) return [...note, entry];
    this.#isFull = true;
    return [...note, noteOf(`… truncated: one attempt keeps ${ATTEMPT_BYTES_MAX} bytes of lines.`)];
  }

  /** So many lines have come that were not handed over. */
  drop(lines: number): void {
    if (!this.#isFull) this.#dropped += lines;
  }

  /** What is still to be said once no line can come any more. */
  end(): LogEntry[] {
    return this.#noteDropped();
  }

  #turnWindow(): LogEntry[] {
    const now = this.#clock.steady();
    if (this.#windowEnd !== null && now < this.#windowEnd) return [];
    this.#windowEnd = later(now, WINDOW);
    this.#inWindow = 0;
    return this.#noteDropped();
  }

  #noteDropped(): LogEntry[] {
    const dropped = this.#dropped;
    this.#dropped = 0;
    return dropped === 0
      ? []
      : [noteOf(`… ${dropped} lines dropped: one attempt keeps ${LINES_PER_SECOND_MAX} lines a second.`)];
  }
}

const noteOf = (message: string): LogEntry => ({ stream: 'server', message, fields: null });
