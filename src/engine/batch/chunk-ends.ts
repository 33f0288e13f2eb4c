// What a batch hears of its chunks while it waits.

import type { ChunkRecord, RunReader } from '../../stores/ledger/ledger.ts';
import { isEnded } from '../../domain/run.ts';
import type { HeldClaim } from '../leases.ts';
import type { RunEnded } from '../run-events.ts';
import type { Watch } from '../watch.ts';

/**
 * Collects the ends of a batch's chunks from the moment it is made, so that none is missed between
 * two waits.
 */
export class ChunkEnds {
  readonly #ledger: RunReader;
  readonly #held: HeldClaim;
  readonly #unsubscribe: () => void;
  #ends: RunEnded[] = [];
  #wake: () => void = () => {};

  constructor(watch: Watch, ledger: RunReader, held: HeldClaim) {
    this.#ledger = ledger;
    this.#held = held;
    this.#unsubscribe = watch.onChunkEnd(held.claim.runId, (end) => {
      this.#ends.push(end);
      this.#wake();
    });
    held.signal.addEventListener('abort', () => this.#wake(), { once: true });
  }

  /**
   * Waits until at least one chunk has ended, or the claim is stopped; answers what has ended since
   * the last call.
   */
  async next(): Promise<readonly ChunkRecord[]> {
    while (this.#ends.length === 0 && !this.#held.signal.aborted) {
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
    const ends = this.#ends.splice(0);
    // A sweep does not know a chunk's rows: then the ledger is asked for all of them.
    if (ends.some(({ rows }) => rows === null))
      return (await this.#ledger.chunks(this.#held.claim.runId)).filter(({ status }) => isEnded(status));
    return ends.map(({ runId, rows, status, error }) => ({ runId, rows: rows!, status, error }));
  }

  close(): void {
    this.#unsubscribe();
  }
}
