// Connections that a store uses and that belong to another: what it may have of them at once, so
// that nobody else waits for it.

import { inSeconds } from '../../domain/time.ts';
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
    this.#reads = new Places(max, lender);
    this.#writes = new Places(max, lender);
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

/**
 * So many places, taken in the order in which they are asked for. A call waits for one as long as
 * it would wait for a connection: one call that hangs does not hold up those behind it for longer.
 */
class Places {
  #free: number;
  readonly #max: number;
  readonly #lender: Pick<Connections, 'patience' | 'place'>;
  readonly #waiting: (() => void)[] = [];
  #whenIdle: (() => void)[] = [];

  constructor(max: number, lender: Pick<Connections, 'patience' | 'place'>) {
    this.#max = max;
    this.#free = max;
    this.#lender = lender;
  }

  /** @throws Unreachable where no place is free for as long as a call waits; nothing was done */
  async take<Result>(work: () => Promise<Result>): Promise<Result> {
    if (this.#free > 0) this.#free -= 1;
    else await this.#turn();
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

  /** Resolves when another call has handed its place on to this one. */
  #turn(): Promise<void> {
    const { patience, place } = this.#lender;
    return new Promise((resolve, reject) => {
      const next = (): void => {
        clearTimeout(timer);
        resolve();
      };
      const timer = setTimeout(() => {
        this.#waiting.splice(this.#waiting.indexOf(next), 1);
        reject(
          new Unreachable(
            `Postgres at ${place} has not answered the calls before this one for ${inSeconds(patience)} s.`,
          ),
        );
      }, patience);
      this.#waiting.push(next);
    });
  }

  async idle(): Promise<void> {
    if (this.#free < this.#max) await new Promise<void>((resolve) => this.#whenIdle.push(resolve));
  }
}
