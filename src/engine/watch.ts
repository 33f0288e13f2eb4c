// Where several servers share a ledger: what the others did reaches those who wait for it here.
// Hints bring it at once, but may be lost, so everything that is awaited is also looked for again
// and again. Deliveries are carried out by the server that has ended the run. In a ledger that has
// one server nothing of this happens.

import type { RunId } from '../domain/ids.ts';
import { isEnded } from '../domain/run.ts';
import { type Duration, milliseconds } from '../domain/time.ts';
import type { Hint, LedgerStore, RunReader } from '../stores/ledger/ledger.ts';
import type { Log } from '../system/log.ts';
import type { Leases } from './leases.ts';
import type { Listener, RunEvents } from './run-events.ts';

/** Pause before the first look, and between two while looks find what no hint had told. */
const TICK: Duration = milliseconds(50);
/**
 * The longest pause between two looks, in ticks: a second. Every look that finds nothing new
 * doubles it up to there.
 */
const PAUSE_TICKS_MAX = 20;

/** What the watch works with. */
export interface WatchDeps {
  readonly ledger: LedgerStore & RunReader;
  readonly events: RunEvents;
  readonly leases: Leases;
  readonly log: Log;
  /** Called when another server has queued a run for an endpoint. */
  readonly onQueued: (endpoint: string) => void;
}

/** Something that is looked for. */
interface Awaited {
  /** Tells RunEvents what the ledger has; answers whether that was news. */
  readonly look: () => Promise<boolean>;
  pauseTicks: number;
  dueTick: number;
}

/** Hears of the ends of runs, of this server and of others. */
export class Watch {
  readonly #deps: WatchDeps;
  readonly #awaited = new Set<Awaited>();
  #tick = 0;
  #ticking: NodeJS.Timeout | undefined;

  constructor(deps: WatchDeps) {
    this.#deps = deps;
    deps.ledger.onHint((hint) => this.#hear(hint));
  }

  /** Calls `listener` when the run ends; answers how to stop that. */
  onEnd(runId: RunId, listener: Listener): () => void {
    const { ledger, events } = this.#deps;
    const stopListening = events.onEnd(runId, listener);
    if (!ledger.isShared) return stopListening;
    return both(
      stopListening,
      this.#lookFor(() => this.#lookAtRun(runId)),
    );
  }

  /**
   * Calls `listener` when any chunk of the run ends, and perhaps once more; answers how to stop
   * that.
   */
  onChunkEnd(parentId: RunId, listener: Listener): () => void {
    const { ledger, events } = this.#deps;
    if (!ledger.isShared) return events.onChunkEnd(parentId, listener);
    const told = new Set<RunId>();
    const stopListening = events.onChunkEnd(parentId, (end) => {
      told.add(end.runId);
      listener(end);
    });
    const look = async (): Promise<boolean> => {
      let isNews = false;
      for (const { runId, rows, status, error } of await ledger.chunks(parentId)) {
        if (!isEnded(status) || told.has(runId)) continue;
        isNews = true;
        events.ended({ runId, parentId, rows, status, error, hasCallback: false });
      }
      return isNews;
    };
    return both(stopListening, this.#lookFor(look));
  }

  #hear(hint: Hint): void {
    const { events, leases, log, onQueued } = this.#deps;
    if (hint.kind === 'queued') return onQueued(hint.endpoint);
    // Work on a run that somebody else has ended is for nothing.
    leases.check(hint.runId);
    if (!events.isAwaited(hint)) return;
    this.#lookAtRun(hint.runId).catch((error: unknown) =>
      log.error({ err: error, run_id: hint.runId }, 'a run that ended elsewhere could not be looked at'),
    );
  }

  async #lookAtRun(runId: RunId): Promise<boolean> {
    const run = await this.#deps.ledger.run(runId);
    if (run === null || !isEnded(run.status)) return false;
    const { parentId, rows, status, error } = run;
    this.#deps.events.ended({ runId, parentId, rows, status, error, hasCallback: false });
    return true;
  }

  /** Looks at growing pauses; answers how to stop that. */
  #lookFor(look: () => Promise<boolean>): () => void {
    const awaited: Awaited = { look, pauseTicks: 1, dueTick: this.#tick + 1 };
    this.#awaited.add(awaited);
    this.#ticking ??= setInterval(() => void this.#lookAtAll(), TICK);
    return () => {
      this.#awaited.delete(awaited);
      if (this.#awaited.size > 0) return;
      clearInterval(this.#ticking);
      this.#ticking = undefined;
    };
  }

  /**
   * Looks for everything that is due, in one turn of the event loop, so that the ledger is asked
   * once for all of it.
   */
  async #lookAtAll(): Promise<void> {
    this.#tick += 1;
    const due = [...this.#awaited].filter(({ dueTick }) => dueTick <= this.#tick);
    const looks = await Promise.allSettled(due.map((awaited) => this.#look(awaited)));
    const failed = looks.find((look) => look.status === 'rejected');
    if (failed !== undefined) this.#deps.log.error({ err: failed.reason }, 'the ledger could not be asked for ends');
  }

  async #look(awaited: Awaited): Promise<void> {
    awaited.dueTick = Infinity;
    let isNews = false;
    try {
      isNews = await awaited.look();
    } finally {
      awaited.pauseTicks = isNews ? 1 : Math.min(awaited.pauseTicks * 2, PAUSE_TICKS_MAX);
      awaited.dueTick = this.#tick + awaited.pauseTicks;
    }
  }
}

const both =
  (first: () => void, second: () => void): (() => void) =>
  () => {
    first();
    second();
  };
