// A handle of a run: an id and a way to the server. Nothing else is held, so it can be made again
// in any process.

import type { Row } from '../table/rows.ts';
import type { DeliveryBody, DeliveryList } from '../wire/deliveries.ts';
import type { LogLineBody } from '../wire/logs.ts';
import type { RunBody } from '../wire/runs.ts';
import type { Content } from './content.ts';
import { openOutput, type OutputStream } from './download.ts';
import { isOnTerminal, monotonicNow, newIdempotencyKey, sleep, standardError } from './environment.ts';
import { ConnectionError, RunEndedError } from './errors.ts';
import { fetchContent, fetchOutput, fetchResult } from './output.ts';
import { followParts, type Part, type PartsOptions } from './parts.ts';
import type { Watch } from './progress/watch.ts';
import { followEvents, followLines, type RunEvent } from './streams.ts';
import { jsonOf, type ServerRequest, type Transport } from './transport.ts';

/**
 * Seconds that one request waits for the end of a run: under the minute after which proxies
 * commonly hang up.
 */
const WAIT_SECONDS = 30;
/** The same while progress is shown, which is only learned from answers. */
const PROGRESS_WAIT_SECONDS = 1;
/** Seconds beyond its wait after which a request is given up. */
const ANSWER_SECONDS = 30;
/** Shortest time between two looks at a run: a server may answer before its wait is over. */
const LOOK_EVERY_MS = 500;

/** How a run is waited for. */
export interface WaitOptions {
  /** Stops waiting: what waited rejects with the signal's reason. The run goes on. */
  readonly signal?: AbortSignal | undefined;
  /** Cancels the run when `signal` aborts. */
  readonly cancelOnAbort?: boolean | undefined;
  /** Called with the run at once, about every second, and when it has ended. */
  readonly onProgress?: ((run: RunBody) => void) | undefined;
  /**
   * Shows a line on standard error: rows done, rate, time left, failed rows, replicas. Where that
   * is no terminal it is a plain line every half a minute. `'auto'` shows it on a terminal alone,
   * and where the run takes longer than half a second: what `inference` does unless it is told, or
   * has an `onProgress`. Browsers show nothing.
   */
  readonly progress?: boolean | 'auto' | undefined;
}

/** How a run is asked for. */
export interface StatusOptions extends Pick<WaitOptions, 'signal'> {
  /**
   * Called each time that no server answers; with it the question is asked for as long as `wait`
   * would go on.
   */
  readonly onUnanswered?: (() => void) | undefined;
}

/** Which lines of a run are wanted. */
export interface LogOptions {
  /** Lines that are there already: only what came after them is answered. */
  readonly after?: number | undefined;
  /** Stops asking: what waited rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
}

/** Which events of a run are wanted. */
export interface EventOptions {
  /** The id of the last event that was seen already: those after it are answered. */
  readonly after?: string | undefined;
  /** Stops following: what waited rejects with the signal's reason. The run goes on. */
  readonly signal?: AbortSignal | undefined;
}

/** A run of an endpoint. */
export class Run {
  readonly id: string;
  /**
   * Whether handing an input in made no run, because this one has the same concurrency key and had
   * not ended.
   */
  readonly deduplicated: boolean;
  readonly #transport: Transport;

  constructor(transport: Transport, id: string, deduplicated = false) {
    this.id = id;
    this.deduplicated = deduplicated;
    this.#transport = transport;
  }

  /** The run as it stands now. */
  status({ signal, onUnanswered }: StatusOptions = {}): Promise<RunBody> {
    return this.#look(0, { signal, onUnanswered, isWait: onUnanswered !== undefined });
  }

  /**
   * Waits until the run has ended, well or not, and answers it as it then stands. Where the server
   * cannot be reached it goes on trying, for `retry.waitSeconds`.
   *
   * @throws RunNotFoundError, ConnectionError with the id of the run, and the signal's reason once
   *   it aborts
   */
  async wait(options: WaitOptions = {}): Promise<RunBody> {
    const watch = await watchFor(this.#transport, options);
    if (watch === null) return this.#waitUntilEnd(options, () => {});
    const onProgress = (run: RunBody): void => {
      watch.show(run);
      options.onProgress?.(run);
    };
    try {
      const ended = await this.#waitUntilEnd({ ...options, onProgress }, () => watch.unanswered());
      watch.end('summary');
      return ended;
    } catch (error) {
      watch.end('nothing');
      throw error;
    }
  }

  async #waitUntilEnd(
    { signal, cancelOnAbort = false, onProgress }: WaitOptions,
    onUnanswered: () => void,
  ): Promise<RunBody> {
    const waiting = { signal, isWait: true, onUnanswered };
    try {
      let run = await this.#look(onProgress === undefined ? WAIT_SECONDS : 0, waiting);
      onProgress?.(run);
      while (!run.done) {
        const started = monotonicNow();
        run = await this.#look(onProgress === undefined ? WAIT_SECONDS : PROGRESS_WAIT_SECONDS, waiting);
        onProgress?.(run);
        if (!run.done) await sleep(LOOK_EVERY_MS - (monotonicNow() - started), signal);
      }
      return run;
    } catch (error) {
      if (cancelOnAbort && signal?.aborted === true) await this.#cancelUnlessEnded();
      if (error instanceof ConnectionError) throw new ConnectionError(error.message, error.url, error.cause, this.id);
      throw error;
    }
  }

  /**
   * Waits for the run and answers its output: JSON parsed, a table (CSV, JSON Lines) as rows,
   * anything else as bytes. Values of a CSV are strings; `output` has every output byte for byte.
   *
   * @throws ClaimcheckError of the run's failure (ModelError, RunTimeoutError, ...),
   *   RunCancelledError
   */
  async result<Value = unknown>(options: WaitOptions = {}): Promise<Value> {
    return fetchResult(this.#transport, await this.wait(options), options.signal) as Promise<Value>;
  }

  /**
   * What a batch has done by now, at once and in any state: a table in the format of
   * its output, in which rows that failed, or that it has not come to, are named in
   * `inference_error` (or left out, where failed rows are). Of a run that has succeeded it is the
   * output.
   *
   * @throws ClaimcheckError of the run's failure where it is no batch, OutputExpiredError
   */
  async partialOutput(options: Pick<WaitOptions, 'signal'> = {}): Promise<Content> {
    return fetchContent(this.#transport, this.id, options.signal, { partial: true });
  }

  /** As `result`, but the bytes of the output as the model returned them. */
  async output(options: WaitOptions = {}): Promise<Content> {
    return fetchOutput(this.#transport, await this.wait(options), options.signal);
  }

  /**
   * As `output`, but as a stream, for what is too large to be held. Where the connection breaks, it
   * goes on from there.
   *
   * @example
   * const { stream } = await run.outputStream();
   * await fs.promises.writeFile('predictions.csv', stream);
   */
  async outputStream(options: WaitOptions = {}): Promise<OutputStream> {
    return openOutput(this.#transport, await this.wait(options), options.signal);
  }

  /**
   * Cancels the run, and answers it as it then stands; it can never succeed any more. Cancelling
   * twice is no error.
   *
   * @throws RunEndedError when the run ended first
   */
  async cancel(options: Pick<WaitOptions, 'signal'> = {}): Promise<RunBody> {
    const request = {
      method: 'DELETE',
      path: this.#path,
      signal: options.signal,
      limitSeconds: ANSWER_SECONDS,
    } as const;
    return jsonOf<RunBody>(await this.#transport.send(request), request.path);
  }

  /**
   * The lines that the model wrote while it worked on the run, in order: what it logged, and what
   * it printed. Empty for a batch, whose chunks have them.
   *
   * @throws OutputExpiredError when they are no longer kept
   */
  async logs({ after = 0, signal }: LogOptions = {}): Promise<LogLineBody[]> {
    const path = `${this.#path}/logs`;
    const headers = { accept: 'application/jsonlines' };
    const query = after === 0 ? {} : { after };
    const { bytes } = await this.#transport.send({
      method: 'GET',
      path,
      query,
      headers,
      signal,
      limitSeconds: ANSWER_SECONDS,
    });
    const lines = new TextDecoder().decode(bytes).split('\n').slice(0, -1);
    return lines.map((line) => JSON.parse(line) as LogLineBody);
  }

  /**
   * The lines as they come, each once, until the run has ended and the model has stopped; also
   * where the connection breaks or the server is started again meanwhile. Throws as `logs` does.
   */
  followLogs({ after = 0, signal }: LogOptions = {}): AsyncGenerator<LogLineBody, void> {
    return followLines(this.#transport, `${this.#path}/logs`, { after, signal });
  }

  /**
   * What happens to the run, from its beginning and as it comes, up to its `end`: its statuses,
   * attempts and lines, each once and in order, and the newest progress. Goes on by itself where
   * the connection breaks or the server is started again.
   *
   * @throws RunNotFoundError, and the signal's reason once it aborts
   * @example
   * for await (const event of run.events()) if (event.type === 'log') console.log(event.data.message);
   */
  events({ after, signal }: EventOptions = {}): AsyncGenerator<RunEvent, void> {
    return followEvents(this.#transport, `${this.#path}/events`, { after, signal });
  }

  /**
   * The parts of a batch as they end, in no order of rows: those that have ended already first, and
   * all of them once the batch has ended, as long as it is kept. Every row is in one part. A part
   * whose rows failed has an `error`; a batch that fails or is cancelled ends the loop with its
   * error after its last part. Goes on by itself where the connection breaks or the server is
   * started again; leaving the loop stops following, and the run goes on.
   *
   * @throws InvalidRequestError for a run that is no batch, OutputExpiredError, the signal's reason
   *   once it aborts
   * @example
   * for await (const { rows, table, error } of run.parts())
   *   if (error === null) table.forEach((row, place) => keep(rows.from + place, row));
   */
  parts<Out extends Row = Row>({ signal }: PartsOptions = {}): AsyncGenerator<Part<Out>, void> {
    return followParts<Out>(this.#transport, `${this.#path}/parts`, { signal });
  }

  /**
   * The webhooks about the run's end, with every attempt at them; none before it has ended, or
   * where no `callbackUrl` was given.
   */
  async deliveries({ signal }: Pick<WaitOptions, 'signal'> = {}): Promise<DeliveryBody[]> {
    const path = `${this.#path}/deliveries`;
    const answer = await this.#transport.send({ method: 'GET', path, signal, limitSeconds: ANSWER_SECONDS });
    return jsonOf<DeliveryList>(answer, path).deliveries;
  }

  /**
   * Has a webhook delivered again under the same id, regardless of its outcome, and answers it as
   * it then stands.
   *
   * @throws DeliveryNotFoundError, RunNotEndedError
   */
  async redeliver(deliveryId: string, { signal }: Pick<WaitOptions, 'signal'> = {}): Promise<DeliveryBody> {
    const path = `${this.#path}/deliveries/${encodeURIComponent(deliveryId)}/redeliver`;
    const answer = await this.#transport.send({ method: 'POST', path, signal, limitSeconds: ANSWER_SECONDS });
    return jsonOf<DeliveryBody>(answer, path);
  }

  /**
   * Hands the run's input in again with the same options, and answers the handle of the new run.
   * However often the request has to be sent, it is one run. Where the run has a concurrency key
   * and another with it has not ended, that one is answered.
   *
   * @throws RunNotEndedError, OutputExpiredError when the input is no longer kept,
   *   InvalidRequestError for a chunk of a batch
   */
  async retry(options: Pick<WaitOptions, 'signal'> = {}): Promise<Run> {
    const path = `${this.#path}/retry`;
    const answer = await this.#transport.send({
      method: 'POST',
      path,
      headers: { 'idempotency-key': newIdempotencyKey() },
      signal: options.signal,
      limitSeconds: ANSWER_SECONDS,
    });
    const run = jsonOf<RunBody>(answer, path);
    return new Run(this.#transport, run.run_id, run.deduplicated);
  }

  async #look(
    waitSeconds: number,
    { signal, isWait, onUnanswered }: Pick<ServerRequest, 'signal' | 'isWait' | 'onUnanswered'>,
  ): Promise<RunBody> {
    const query = waitSeconds === 0 ? {} : { wait: waitSeconds };
    const request = {
      method: 'GET',
      path: this.#path,
      query,
      signal,
      limitSeconds: waitSeconds + ANSWER_SECONDS,
      isWait,
      onUnanswered,
    } as const;
    return jsonOf<RunBody>(await this.#transport.send(request), request.path);
  }

  async #cancelUnlessEnded(): Promise<void> {
    try {
      await this.cancel();
    } catch (error) {
      if (!(error instanceof RunEndedError)) throw error;
    }
  }

  get #path(): string {
    return `/runs/${encodeURIComponent(this.id)}`;
  }
}

/** What shows the run on standard error, where that is wanted. Its code is loaded only then. */
async function watchFor(transport: Transport, { progress = false }: WaitOptions): Promise<Watch | null> {
  const isShown = progress === 'auto' ? isOnTerminal() : progress && standardError() !== null;
  if (!isShown) return null;
  const { Watch: LoadedWatch } = await import('./progress/watch.ts');
  return new LoadedWatch(transport, progress === 'auto' ? 'where-it-helps' : 'always');
}
