// The runs of a server as they are read: shown, listed, waited for and followed, with what they
// were given, answered and wrote. Nothing here changes one.

import { type Clock, startTimer } from '../system/clock.ts';
import type { Viewer } from '../domain/access.ts';
import { ServiceError } from '../domain/errors.ts';
import type { RunId } from '../domain/ids.ts';
import type { ByteRange } from '../domain/payload.ts';
import { isEnded } from '../domain/run.ts';
import type { Duration } from '../domain/time.ts';
import type { ChunkRecord, DeliveryRecord, RunDetails, RunFilter, RunRecord } from '../stores/ledger/ledger.ts';
import type { RunLogs } from '../stores/run-logs/run-logs.ts';
import type { ArrowConverter } from './batch/arrow-converter.ts';
import type { BatchInputs, Slice } from './batch/inputs.ts';
import { openPartialOutput, type PartialOutput } from './batch/partial.ts';
import type { Endpoints } from './endpoints.ts';
import { type Exchange, readExchange } from './exchange.ts';
import { follow, type FollowOptions, type FollowedEvent } from './following.ts';
import { type HistoryEvent, readHistory } from './history.ts';
import { followParts, type FollowPartsOptions, hasAllParts, type PartsOfBatch, type PartEvent } from './parts.ts';
import type { RunEvents } from './run-events.ts';
import { type RunView, runViewOf } from './views.ts';
import { type OpenStored, openStored, readStored, type Stored, type StoredDeps } from './stored.ts';
import type { Watch } from './watch.ts';

/** What the runs of a server are read from. */
export interface RunsDeps extends StoredDeps, PartsOfBatch {
  readonly arrow: ArrowConverter;
  readonly inputs: BatchInputs;
  readonly logs: RunLogs;
  readonly events: RunEvents;
  readonly watch: Watch;
  readonly clock: Clock;
  readonly endpoints: Endpoints;
  /** Whether the server is stopping and starts no runs any more. */
  readonly isDraining: () => boolean;
}

/** What stands behind a part of a batch. */
export interface PartExchange {
  /** The version of the endpoint that answered. */
  readonly version: number;
  readonly input: Slice;
  readonly output: Stored;
}

/** The runs of a server, as principals see them. */
export class Runs {
  readonly #deps: RunsDeps;

  constructor(parts: RunsDeps) {
    this.#deps = parts;
  }

  /**
   * What the ledger has of a run.
   *
   * @throws ServiceError `run-not-found`
   */
  async record(runId: RunId, viewer: Viewer): Promise<RunRecord> {
    const run = await this.#deps.ledger.run(runId, viewer);
    if (run === null) throw runNotFound(runId);
    return run;
  }

  /**
   * A run and all there is to say about it.
   *
   * @throws ServiceError `run-not-found`
   */
  async view(runId: RunId, viewer: Viewer): Promise<RunView> {
    return this.#runViewOf(await this.#details(runId, viewer));
  }

  /** A run that has just been written down. */
  newView(run: RunRecord, ahead: number): RunView {
    return this.#runViewOf({ run, attempts: [], ahead, output: null });
  }

  list(filter: RunFilter & { readonly viewer: Viewer }): Promise<RunRecord[]> {
    return this.#deps.ledger.runs(filter);
  }

  /**
   * The run once it has ended; or as it stands when the time is over, the signal aborts, or its
   * endpoint turns out not to start.
   *
   * @throws ServiceError `run-not-found`
   */
  async waitForEnd(runId: RunId, viewer: Viewer, atMost: Duration, signal: AbortSignal): Promise<RunView> {
    const { endpoints, watch } = this.#deps;
    const { promise: woken, resolve: wake } = Promise.withResolvers<RunDetails | undefined>();
    const wakeEmpty = (): void => wake(undefined);
    const stopListening = watch.onEnd(runId, ({ details }) => wake(details));
    try {
      const found = await this.#details(runId, viewer);
      const { run } = found;
      if (isEnded(run.status)) return this.#runViewOf(found);
      const troubled = (): void => (endpoints.trouble(run.endpoint) === null ? undefined : wakeEmpty());
      const forgetTrouble = endpoints.onTrouble(troubled);
      signal.addEventListener('abort', wakeEmpty, { once: true });
      const stopTimer = startTimer(atMost, wakeEmpty);
      if (signal.aborted) wakeEmpty();
      troubled();
      const told = await woken;
      stopTimer();
      forgetTrouble();
      // What was read with the end may be from just before it, where several connections read and
      // write.
      const isTold = told !== undefined && isEnded(told.run.status);
      return this.#runViewOf(isTold ? told : await this.#details(runId, viewer));
    } finally {
      stopListening();
    }
  }

  /**
   * The output of a succeeded run; null for any other, and once its retention is over. By its
   * record and not its id: only a caller that sees the run has the record.
   *
   * @throws ServiceError `payload-damaged` when the store does not have the bytes that were put
   *   there
   */
  output({ runId }: RunRecord): Promise<Stored | null> {
    return readStored(this.#deps, runId, 'output');
  }

  /**
   * As `output`, of all its bytes or a range of them, without holding what is large: a stream is
   * read to its end, or destroyed.
   */
  openOutput(runId: RunId, range?: ByteRange): Promise<OpenStored | null> {
    return openStored(this.#deps, runId, 'output', range);
  }

  /**
   * What a batch has done by now, in any state; null for any other run, and once its
   * retention is over.
   *
   * @throws ServiceError `invalid-output` where its rows do not fit together
   */
  partialOutput(run: RunRecord, signal: AbortSignal): Promise<PartialOutput | null> {
    const version = this.#deps.endpoints.versionsOf(run.endpoint)?.of(run.version);
    return openPartialOutput({ ...this.#deps, signal }, run, version?.deployed ?? null);
  }

  /**
   * The input and the output of a succeeded run; null once its retention is over. By its record, as
   * `output` is.
   *
   * @throws ServiceError `payload-damaged` when the store does not have the bytes that were put
   *   there
   */
  exchange(run: RunRecord): Promise<Exchange | null> {
    return readExchange(this.#deps, run);
  }

  /**
   * Some rows of a batch as they were sent, and what a chunk of it that has succeeded answered to
   * them; null once its retention is over.
   *
   * @throws ServiceError `payload-damaged` when the store does not have the bytes that were put
   *   there
   */
  async partExchange({ runId }: RunRecord, chunk: ChunkRecord): Promise<PartExchange | null> {
    const run = await this.#deps.ledger.run(chunk.runId);
    const output = await readStored(this.#deps, chunk.runId, 'output');
    if (run === null || output === null) return null;
    return { version: run.version, input: await this.#deps.inputs.slice(runId, chunk.rows), output };
  }

  /**
   * What a run's model wrote while it worked on it, each line as the JSON text of a `LogLine`; null
   * once its retention is over. A batch has none itself: its chunks do. Beside it the attempts,
   * whose ends stand between the lines.
   *
   * @throws ServiceError `run-not-found`
   */
  async logs(
    runId: RunId,
    viewer: Viewer,
  ): Promise<Pick<RunDetails, 'run' | 'attempts'> & { readonly lines: readonly string[] | null }> {
    const { run, attempts } = await this.#details(runId, viewer);
    const lines = run.payloadsKept ? await this.#deps.logs.read(runId, run.attempt) : null;
    return { run, attempts, lines };
  }

  /**
   * What has happened to a run, in order; only what came after the event of a number, where one is
   * given.
   *
   * @throws ServiceError `run-not-found`
   */
  async history(runId: RunId, viewer: Viewer, after = 0): Promise<HistoryEvent[]> {
    const events = await readHistory(this.#deps.ledger, runId, viewer);
    if (events === null) throw runNotFound(runId);
    return events.filter(({ number }) => number > after);
  }

  /**
   * What has happened to a run and what its model wrote, from a place on and as it comes; see
   * following.ts. For callers that have been shown the run; nothing for an id that names none.
   */
  follow(runId: RunId, options: FollowOptions): AsyncGenerator<FollowedEvent, void> {
    return follow(this.#deps, runId, options);
  }

  /**
   * The parts of a batch, those of before first and then as they end; see parts.ts. For
   * callers that have been shown the run.
   */
  followParts({ runId }: RunRecord, options: FollowPartsOptions): AsyncGenerator<PartEvent, void> {
    return followParts(this.#deps, runId, options);
  }

  /** Whether every part of a batch is still kept; parts that ended first are deleted first. */
  hasAllParts(run: RunRecord): Promise<boolean> {
    return hasAllParts(this.#deps.ledger, run);
  }

  /**
   * What callbacks were told, or are to be told, of a run; empty as long as it has not ended.
   *
   * @throws ServiceError `run-not-found`
   */
  async deliveries(runId: RunId, viewer: Viewer): Promise<readonly DeliveryRecord[]> {
    await this.record(runId, viewer);
    return this.#deps.ledger.deliveries(runId);
  }

  async #details(runId: RunId, viewer: Viewer): Promise<RunDetails> {
    const details = await this.#deps.ledger.details(runId, viewer);
    if (details === null) throw runNotFound(runId);
    return details;
  }

  /** Adds what only the engine knows. */
  #runViewOf(details: RunDetails): RunView {
    const { endpoints, isDraining, clock } = this.#deps;
    return runViewOf(details, endpoints.versionsOf(details.run.endpoint), isDraining(), clock);
  }
}

/** The answer to an id that names no run, or somebody else's. */
export function runNotFound(runId: string): ServiceError {
  return new ServiceError('run-not-found', `There is no run ${runId}, or it is no longer kept.`);
}
