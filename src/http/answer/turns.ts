// Large outputs are read in turns: a few chunks in each round of the event loop, for all readers
// together. A thousand readers that all take what they can then share the time that is left, and a
// small request waits for a few chunks and not for a thousand.

import { Readable } from 'node:stream';

/**
 * Chunks of a round: each is at most 64 KiB and takes about 0.1 ms, so a round stays below a
 * millisecond.
 */
const CHUNKS_MAX = 4;
/** How much is read ahead of a reader, in bytes. */
const AHEAD_BYTES = 64 * 1_024;

/** The turns of one server's readers. */
export class Turns {
  #taken = 0;
  readonly #waiting: (() => void)[] = [];

  /** The same stream, each chunk of which is read in its turn; destroyed with it. */
  of(stream: Readable): Readable {
    const inTurns = Readable.from(this.#inTurns(stream), { objectMode: false, highWaterMark: AHEAD_BYTES });
    // Also where nothing was read of it, and the generator below never began.
    return inTurns.once('close', () => stream.destroy());
  }

  async *#inTurns(stream: Readable): AsyncGenerator<Uint8Array, void> {
    const chunks = stream.iterator() as AsyncIterator<Uint8Array>;
    for (;;) {
      await this.#turn();
      const next = await chunks.next().finally(() => setImmediate(() => this.#pass()));
      if (next.done === true) return;
      yield next.value;
    }
  }

  async #turn(): Promise<void> {
    if (this.#taken < CHUNKS_MAX) this.#taken += 1;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  #pass(): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#taken -= 1;
    else next();
  }
}
