// Evicts answers that nobody has asked for in a long time, so that a cache which is filled for
// years does not fill the disk.

import { type Clock } from '../../system/clock.ts';
import { Rounds } from '../../system/loops.ts';
import { after, type Duration, hours, milliseconds } from '../../domain/time.ts';
import type { Log } from '../../system/log.ts';
import type { CacheStore } from '../../cache/port.ts';

/** Pause between two rounds; next to how long answers are kept it is nothing. */
const PAUSE: Duration = hours(1);

/** What the keeper works with. */
export interface CacheKeeperDeps {
  readonly cache: CacheStore;
  /** How long an answer stays that nobody asks for. */
  readonly unusedFor: Duration;
  readonly clock: Clock;
  readonly log: Log;
}

/** Makes its rounds until it is stopped, the first one at once. */
export class CacheKeeper {
  readonly #deps: CacheKeeperDeps;
  readonly #rounds = new Rounds(() => this.#evict(), PAUSE);

  constructor(deps: CacheKeeperDeps) {
    this.#deps = deps;
  }

  start(): void {
    this.#rounds.start();
  }

  close(): Promise<void> {
    return this.#rounds.stop();
  }

  async #evict(): Promise<void> {
    const { cache, unusedFor, clock, log } = this.#deps;
    try {
      const unusedSince = after(clock.now(), milliseconds(0 - unusedFor));
      while ((await cache.evict(unusedSince)) > 0 && !this.#rounds.stopped);
    } catch (error) {
      log.error({ err: error }, 'the cache could not be looked through');
    }
  }
}
