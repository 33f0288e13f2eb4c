// Who waits for a run hears of its end here, in this process; what another process ended is brought
// here by watch.ts.

import type { RowRange } from '../domain/batch.ts';
import type { RunError } from '../domain/errors.ts';
import type { RunId } from '../domain/ids.ts';
import type { EndedStatus } from '../domain/run.ts';
import type { RunDetails } from '../stores/ledger/ledger.ts';

/**
 * A run has ended, and the ledger has it. `rows` is null for a run that is no chunk, or when only
 * the ledger knows them.
 */
export interface RunEnded {
  readonly runId: RunId;
  readonly parentId: RunId | null;
  readonly rows: RowRange | null;
  readonly status: EndedStatus;
  readonly error: RunError | null;
  /**
   * Whether somebody asked to be told of it, or may have: then there is a delivery to be carried
   * out here.
   */
  readonly hasCallback: boolean;
  /** The run as it ended, where it was read together with its end. */
  readonly details?: RunDetails;
}

/** Somebody who waits; told of an end that was brought here twice, it hears it twice. */
export type Listener = (event: RunEnded) => void;

/**
 * What may have changed about a run: what the ledger has of it, or only the lines that its model
 * wrote.
 */
export type Change = 'state' | 'lines';

/**
 * Passes on the ends of runs to those who asked for them, by the run or by its parent; and what
 * happens to runs to those who follow them.
 */
export class RunEvents {
  readonly #byRun = new Map<RunId, Set<Listener>>();
  readonly #byParent = new Map<RunId, Set<Listener>>();
  readonly #followers = new Map<RunId, Set<(what: Change) => void>>();
  readonly #onDelivery: () => void;

  /** @param onDelivery called when there is a delivery to be carried out */
  constructor(onDelivery: () => void = () => {}) {
    this.#onDelivery = onDelivery;
  }

  /** Something may have happened to a run. Called often, and for runs that nobody follows. */
  changed(runId: RunId, what: Change): void {
    for (const listener of this.#followers.get(runId) ?? []) listener(what);
  }

  ended(event: RunEnded): void {
    this.changed(event.runId, 'state');
    if (event.hasCallback) this.#onDelivery();
    for (const listener of this.#byRun.get(event.runId) ?? []) listener(event);
    if (event.parentId === null) return;
    for (const listener of this.#byParent.get(event.parentId) ?? []) listener(event);
  }

  /** Whether anybody waits for the run, or for the chunks of its parent. */
  isAwaited({ runId, parentId }: { readonly runId: RunId; readonly parentId: RunId | null }): boolean {
    return this.#byRun.has(runId) || (parentId !== null && this.#byParent.has(parentId));
  }

  /** Whether anybody waits for the run itself. */
  hasWaiters(runId: RunId): boolean {
    return this.#byRun.has(runId);
  }

  /** Calls `listener` when the run ends; answers how to stop that. */
  onEnd(runId: RunId, listener: Listener): () => void {
    return listen(this.#byRun, runId, listener);
  }

  /**
   * Calls `listener` whenever this process hears of something that happens to the run; answers how
   * to stop that.
   */
  onChange(runId: RunId, listener: (what: Change) => void): () => void {
    return listen(this.#followers, runId, listener);
  }

  /** Calls `listener` when any chunk of the run ends; answers how to stop that. */
  onChunkEnd(parentId: RunId, listener: Listener): () => void {
    return listen(this.#byParent, parentId, listener);
  }
}

function listen<Heard>(listeners: Map<RunId, Set<Heard>>, runId: RunId, listener: Heard): () => void {
  const set = listeners.get(runId) ?? new Set<Heard>();
  listeners.set(runId, set.add(listener));
  return () => {
    set.delete(listener);
    if (set.size === 0) listeners.delete(runId);
  };
}
