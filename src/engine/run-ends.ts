// The one place that announces the end of a run that this server has ended.

import type { RunError } from '../domain/errors.ts';
import type { EndedStatus } from '../domain/run.ts';
import type { RunDetails } from '../stores/ledger/ledger.ts';
import type { EndedRun, RunObserver } from './observer.ts';
import type { RunEvents } from './run-events.ts';

/** How a run ended. */
export interface RunEnd {
  readonly run: EndedRun;
  readonly status: EndedStatus;
  /** What it failed with, or null. */
  readonly error: RunError | null;
  /** The run as it ended, if it was read together with its end. */
  readonly details?: RunDetails | null;
}

/** Announces ends to those who wait for a run and to those who observe all of them. */
export class RunEnds {
  readonly #events: RunEvents;
  readonly #observer: RunObserver;

  constructor(events: RunEvents, observer: RunObserver) {
    this.#events = events;
    this.#observer = observer;
  }

  /** Announces the end of a run. The ledger has it already. */
  ended({ run, status, error, details = null }: RunEnd): void {
    const { runId, parentId, rows = null } = run;
    // Some know a run by its id alone. It may have a callback, and the deliverer looks for it.
    const hasCallback = run.callback !== null;
    const event = { runId, parentId, rows, status, error, hasCallback };
    this.#events.ended(details === null ? event : { ...event, details });
    this.#observer.ended(run, status, error);
  }
}
