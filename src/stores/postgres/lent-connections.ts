// Connections that a store uses and that belong to another: what it may have of them at once, so
// that nobody else waits for it.

import { inSeconds } from '../../domain/time.ts';
import { Places } from '../../system/places.ts';
import type { Connections, Statement, Writer } from './connections.ts';
import { Unreachable } from './errors.ts';

/** Connections as a store uses them, whether they are its own or lent. */
export type StoreConnections = Pick<Connections, 'read' | 'write' | 'transaction' | 'untilKnown' | 'close'>;

/** See the head of this file. */
export class LentConnections implements StoreConnections {
  readonly #lender: Connections;
  readonly #reads: Places;
  readonly #writes: Places;

  /** @param max calls that read, and calls that write, that have a connection at once */
  constructor(lender: Connections, max: number) {
    this.#lender = lender;
    this.#reads = new Places(max);
    this.#writes = new Places(max);
  }

  read<Row>(statement: Statement, values: readonly unknown[]): Promise<Row[]> {
    return this.#within(this.#reads, () => this.#lender.read<Row>(statement, values));
  }

  write<Row>(statement: Statement, values: readonly unknown[]): Promise<Row[]> {
    return this.#within(this.#writes, () => this.#lender.write<Row>(statement, values));
  }

  transaction<Result>(work: (writer: Writer) => Promise<Result>): Promise<Result> {
    return this.#within(this.#writes, () => this.#lender.transaction(work));
  }

  untilKnown<Result>(write: () => Promise<Result>): Promise<Result> {
    return this.#lender.untilKnown(write);
  }

  /**
   * Resolves when no call of this store is under way. The connections stay open: they are the
   * lender's.
   */
  async close(): Promise<void> {
    await Promise.all([this.#reads.idle(), this.#writes.idle()]);
  }

  /**
   * A call waits for a place as long as it would wait for a connection: one call that hangs does
   * not hold up those behind it for longer.
   *
   * @throws Unreachable where no place is free for as long; nothing was done
   */
  async #within<Result>(places: Places, work: () => Promise<Result>): Promise<Result> {
    const { patience, place } = this.#lender;
    const leave = await places.take(patience);
    if (leave === null)
      throw new Unreachable(
        `Postgres at ${place} has not answered the calls before this one for ${inSeconds(patience)} s.`,
      );
    try {
      return await work();
    } finally {
      leave();
    }
  }
}
