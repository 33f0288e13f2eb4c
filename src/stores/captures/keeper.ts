// Deletes blobs that no capture names, so that what servers left behind does not stay on the disk
// for good.

import type { BlobStore } from '../blobs/blobs.ts';
import { type Clock } from '../../system/clock.ts';
import { Rounds } from '../../system/loops.ts';
import { type Duration, hours, type Instant } from '../../domain/time.ts';
import type { Log } from '../../system/log.ts';
import type { CaptureStore } from './captures.ts';
import { orphansIn } from './orphans.ts';

/** Pause between two rounds. */
const PAUSE: Duration = hours(1);

/** What the keeper works with. */
export interface CaptureKeeperDeps {
  readonly store: Pick<CaptureStore, 'all'>;
  readonly blobs: BlobStore;
  readonly clock: Clock;
  readonly log: Log;
  /** Since when what lies in the folder is this store's; null where it is not any more. */
  readonly folder: { since(): Instant | null };
}

/** Makes its rounds until it is stopped, the first one at once. */
export class CaptureKeeper {
  readonly #deps: CaptureKeeperDeps;
  readonly #rounds = new Rounds(() => this.#deleteOrphans(), PAUSE);

  constructor(deps: CaptureKeeperDeps) {
    this.#deps = deps;
  }

  start(): void {
    this.#rounds.start();
  }

  close(): Promise<void> {
    return this.#rounds.stop();
  }

  async #deleteOrphans(): Promise<void> {
    const { store, blobs, clock, log, folder } = this.#deps;
    try {
      // Without a capture, it is perhaps another store than the one that these blobs belong to,
      // named by mistake.
      if ((await store.all(0, 1)).length === 0) return;
      const since = folder.since();
      if (since === null) return;
      const orphans = (await orphansIn(blobs, store, clock.now())).filter(({ storedAt }) => storedAt > since);
      for (const { key } of orphans) await blobs.delete(key);
      if (orphans.length > 0) log.info({ blobs: orphans.length }, 'blobs that no capture names were deleted');
    } catch (error) {
      log.error({ err: error }, 'the blobs of captures could not be looked through');
    }
  }
}
