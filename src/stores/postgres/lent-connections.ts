// Connections that a store uses and that belong to another: what it may have of them at once, so
// that nobody else waits for it.

import type { Connections, Statement, Writer } from './connections.ts';

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
    return this.#reads.take(() => this.#lender.read<Row>(statement, values));
  }

  write<Row>(statement: Statement, values: readonly unknown[]): Promise<Row[]> {
    return this.#writes.take(() => this.#lender.write<Row>(statement, values));
  }

  transaction<Result>(work: (writer: Writer) => Promise<Result>): Promise<Result> {
    return this.#writes.take(() => this.#lender.transaction(work));
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
}

/** So many places, taken in the order in which they are asked for. */
class Places {
  #free: number;
  readonly #max: number;
  readonly #waiting: (() => void)[] = [];
  #whenIdle: (() => void)[] = [];

  constructor(max: number) {
    this.#max = max;
    this.#free = max;
  }

  async take<Result>(work: () => Promise<Result>): Promise<Result> {
    if (this.#free > 0) this.#free -= 1;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
    try {
      return await work();
    } finally {
      const next = this.#waiting.shift();
      // The place goes on to the next one without being free in between.
      if (next !== undefined) next();
      else this.#free += 1;
      if (this.#free === this.#max) for (const resolve of this.#whenIdle.splice(0)) resolve();
    }
  }

  async idle(): Promise<void> {
    if (this.#free < this.#max) await new Promise<void>((resolve) => this.#whenIdle.push(resolve));
  }
}
