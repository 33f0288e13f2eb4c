// Looks after what nobody else does: claims whose server is gone, runs that waited too long,
// retries whose delay is over.

import { Rounds } from '../system/loops.ts';
import type { RunFailure } from '../domain/errors.ts';
import { isEnded } from '../domain/run.ts';
import { type Duration, seconds } from '../domain/time.ts';
import type { QueueLedger, Swept } from '../stores/ledger/ledger.ts';
import type { Log } from '../system/log.ts';
import type { Leases } from './leases.ts';
import type { RunObserver } from './observer.ts';
import type { RunEnds } from './run-ends.ts';

/** Pause between two sweeps: with the lease it bounds how long a lost worker goes unnoticed. */
const PAUSE: Duration = seconds(1);

/** What the sweeper works with. */
export interface SweeperDeps {
  readonly ledger: QueueLedger;
  readonly leases: Pick<Leases, 'renewOverdue'>;
  readonly owner: string;
  readonly ends: RunEnds;
  readonly observer: RunObserver;
  readonly log: Log;
  /** Called after every sweep: queued runs may have become due. */
  readonly onSwept: () => void;
}

/** Sweeps until it is stopped. */
export class Sweeper {
  readonly #deps: SweeperDeps;
  readonly #rounds = new Rounds(() => this.sweep(), PAUSE);

  constructor(deps: SweeperDeps) {
    this.#deps = deps;
  }

  start(): void {
    this.#rounds.start(PAUSE);
  }

  stop(): Promise<void> {
    return this.#rounds.stop();
  }

  /** One sweep, to the end of what there is. */
  async sweep(): Promise<void> {
    const { ledger, leases, owner, observer, log, onSwept } = this.#deps;
    const reclaim = async (): Promise<readonly Swept[]> => {
      const swept = await ledger.reclaim(owner);
      for (const run of swept) observer.reclaimed(run);
      return swept;
    };
    try {
      // Else the next sweep takes them back; what is queued goes on all the same.
      if (await leases.renewOverdue())
        while (this.#tell(await reclaim(), 'a lost run was taken back', 'replica-crashed'));
      while (this.#tell(await ledger.expire(), 'a run waited longer than its queue_ttl', 'queue-expired'));
      onSwept();
    } catch (error) {
      log.error({ err: error }, 'the sweep failed');
    }
  }

  /**
   * Tells those who wait; answers whether there may be more. `type` is what a run that was ended
   * for it has failed with.
   */
  #tell(swept: readonly Swept[], what: string, type: RunFailure): boolean {
    const { log, ends } = this.#deps;
    for (const run of swept) {
      const { runId, parentId, status } = run;
      log.warn({ run_id: runId, status }, what);
      if (!isEnded(status)) continue;
      ends.ended({ run: { runId, parentId, endpoint: run.endpoint }, status, error: { type, detail: what } });
    }
    return swept.length > 0;
  }
}
