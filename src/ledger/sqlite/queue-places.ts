// The counter behind the queue limit: one row per endpoint, changed in the transaction that changes the run.

import type { DatabaseSync } from 'node:sqlite';

const TAKE = `UPDATE endpoints SET queued = queued + 1 WHERE name = $endpoint AND queued < queue_limit RETURNING queued`;
const TAKE_BACK = `UPDATE endpoints SET queued = queued + 1 WHERE name = $endpoint`;
const FREE = `UPDATE endpoints SET queued = queued - $places WHERE name = $endpoint`;
const COUNT = `SELECT queued FROM endpoints WHERE name = $endpoint`;

/** The queue places of every endpoint. Chunks take none: they wait inside their batch. */
export class QueuePlaces {
  readonly #take;
  readonly #takeBack;
  readonly #free;
  readonly #count;

  constructor(db: DatabaseSync) {
    this.#take = db.prepare(TAKE);
    this.#takeBack = db.prepare(TAKE_BACK);
    this.#free = db.prepare(FREE);
    this.#count = db.prepare(COUNT);
  }

  /** Takes a place for a new run; answers how many are queued with it, or null when the limit is reached. */
  take(endpoint: string): number | null {
    return (this.#take.get({ endpoint }) as { queued: number } | undefined)?.queued ?? null;
  }

  /** A run that was accepted once is queued again: it has its place also beyond the limit. */
  takeBack(endpoint: string): void {
    this.#takeBack.run({ endpoint });
  }

  free(endpoint: string, places = 1): void {
    if (places > 0) this.#free.run({ endpoint, places });
  }

  /** How many are queued, or null for an endpoint that was never deployed. */
  count(endpoint: string): number | null {
    return (this.#count.get({ endpoint }) as { queued: number } | undefined)?.queued ?? null;
  }
}
