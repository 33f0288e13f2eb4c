// Passes bytes on while they are hashed, and keeps the last of them back until it is known that
// they are the right ones: a reader of wrong bytes gets an error in place of their end, and never
// takes them for whole.

import { createHash } from 'node:crypto';
import { Transform, type TransformCallback } from 'node:stream';

/** See the head of this file. */
export class Verifier extends Transform {
  readonly #digest = createHash('sha256');
  readonly #check: (bytes: number, sha256: string) => void;
  #bytes = 0;
  #held: Uint8Array | undefined;

  /**
   * @param check called with the length and the sha-256 of all that came; throws where they are
   *   wrong
   */
  constructor(check: (bytes: number, sha256: string) => void) {
    super();
    this.#check = check;
  }

  override _transform(chunk: Uint8Array, _encoding: BufferEncoding, done: TransformCallback): void {
    this.#digest.update(chunk);
    this.#bytes += chunk.length;
    const held = this.#held;
    this.#held = chunk;
    done(null, held);
  }

  override _flush(done: TransformCallback): void {
    try {
      this.#check(this.#bytes, this.#digest.digest('hex'));
      done(null, this.#held);
    } catch (error) {
      done(error as Error);
    }
  }
}
