// Looks after what nobody else does: claims whose server is gone, runs that waited too long, retries whose delay is over.

import { isEnded } from '../domain/run.ts';
import { type Duration, seconds } from '../domain/time.ts';
import type { Ledger, Swept } from '../ledger/ledger.ts';
import type { Log } from '../log.ts';
import type { RunEvents } from './run-events.ts';

/** Pause between two sweeps: with the lease it bounds how long a lost worker goes unnoticed. */
const PAUSE: Duration = seconds(1);

/** What the sweeper works with. */
export interface SweeperParts {
  readonly ledger: Ledger;
  readonly owner: string;
  readonly events: RunEvents;
  readonly log: Log;
  /** Called after every sweep: queued runs may have become due. */
  readonly onSwept: () => void;
}

/** Sweeps until it is stopped. */
export class Sweeper {
  readonly #parts: SweeperParts;
  #timer: NodeJS.Timeout | undefined;
  #sweeping: Promise<void> = Promise.resolve();
  #stopped = false;

  constructor(parts: SweeperParts) {
    this.#parts = parts;
  }

  start(): void {
    this.#timer = setTimeout(() => {
      this.#sweeping = this.sweep().finally(() => {
        if (!this.#stopped) this.start();
      });
    }, PAUSE);
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#timer);
    await this.#sweeping;
  }

  /** One sweep, to the end of what there is. */
  async sweep(): Promise<void> {
    const { ledger, owner, log, onSwept } = this.#parts;
    try {
      while (this.#tell(await ledger.reclaim(owner), 'a lost run was taken back'));
      while (this.#tell(await ledger.expire(), 'a run waited longer than its queue_ttl'));
      onSwept();
    } catch (error) {
      log.error({ err: error }, 'the sweep failed');
    }
  }

  /** Tells those who wait; answers whether there may be more. */
  #tell(swept: readonly Swept[], what: string): boolean {
    for (const { runId, parentId, status } of swept) {
      this.#parts.log.warn({ run_id: runId, status }, what);
      if (isEnded(status)) this.#parts.events.ended({ runId, parentId, rows: null, status, error: null });
    }
    return swept.length > 0;
  }
}
