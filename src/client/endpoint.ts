// An endpoint as its users see it: a table or any other input goes in, and what comes out is waited
// for, in either mode of the endpoint.

import { encodeRows, type Row } from '../table/rows.ts';
import type { EndpointBody, EndpointList, PurgeBody } from '../wire/endpoints.ts';
import type { VersionBody, VersionList } from '../wire/versions.ts';
import { BORDER_TYPES, CONTENT_TYPES } from '../table/format.ts';
import type { CaptureLine } from '../wire/captures.ts';
import {
  AUTO_INFERENCE,
  type Capture,
  type CaptureChoice,
  captureRun,
  type CapturesFilter,
  deleteCapture,
  fetchCapture,
  fetchEvaluation,
  listCaptures,
  type TestInference,
} from './captures.ts';
import { type Content, type InputContent, isContent } from './content.ts';
import { DeduplicatedError } from './errors.ts';
import { fetchResult } from './output.ts';
import { Run, type WaitOptions } from './run.ts';
import { startRun } from './start.ts';
import type { BatchOptions, RunOptions, Seconds, SubmitOptions } from './submission.ts';
import {
  type AnyTable,
  carriedInput,
  checkTable,
  isLibraryTable,
  type LibraryTable,
  tableFromArrow,
} from './tables.ts';
import { jsonOf, type Transport } from './transport.ts';

/** What `inference` takes beside the table. */
export interface InferenceOptions extends RunOptions, BatchOptions, WaitOptions {
  /**
   * Content type wanted for the answer to a table given as bytes (its own). Rows are answered with
   * rows.
   */
  readonly accept?: string | undefined;
  /**
   * Keeps the predictions under this name once they are there, with metrics where the target is a
   * column of the table. An empty table makes no run, and no capture.
   */
  readonly capture?: CaptureChoice | undefined;
}

/** What `invoke` takes beside the input. */
export interface InvokeOptions extends SubmitOptions, WaitOptions {
  /**
   * Whether the server answers at once (true) or when the run has ended (false). Unset, the
   * endpoint's mode decides. The call waits for the end either way; `onProgress`, `progress`,
   * `cancelOnAbort`, `jobKey`, `concurrencyKey` and `accept` need the run first and make it true.
   */
  readonly async?: boolean | undefined;
}

/** Which queued runs `purgeQueue` cancels; without any of it all that wait. */
export interface PurgeOptions {
  /** Only runs that arrived longer ago. */
  readonly olderThan?: Seconds | undefined;
  readonly runName?: string | undefined;
  /** Counts the runs and cancels none. */
  readonly dryRun?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** What `warm` takes. */
export interface WarmOptions {
  /**
   * How many replicas shall be ready; no more than the endpoint may have. Unset, as many as it
   * keeps anyway, and at least one.
   */
  readonly replicas?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** What `remove` takes. */
export interface RemoveOptions {
  /** Cancels the runs that have not ended. */
  readonly force?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** One endpoint of a server. */
export class Endpoint {
  /** null for the server's default endpoint. */
  readonly name: string | null;
  readonly #transport: Transport;

  constructor(transport: Transport, name: string | null) {
    this.#transport = transport;
    this.name = name;
  }

  /** The way to the endpoint's server, for what stands around an endpoint. */
  static transportOf(endpoint: Endpoint): Transport {
    return endpoint.#transport;
  }

  /**
   * Runs a table as one batch and answers a table of the same kind: rows for rows, bytes for bytes,
   * and for a table of apache-arrow, flechette or Polars one of that library. As many rows come
   * back as were sent, in their order (`onRowError: 'drop'` leaves failed ones out); a failed row
   * has an `inference_error` that says why.
   *
   * @throws ClaimcheckError for a refused table or a failed run; DeduplicatedError; before anything
   *   is sent TypeError for what is no table, and TableError for rows that are no objects or have a
   *   value without a JSON form
   */
  inference<Out extends Row = Row>(table: readonly Row[], options?: InferenceOptions): Promise<Out[]>;
  inference(table: InputContent, options?: InferenceOptions): Promise<Content>;
  inference<Table extends LibraryTable>(table: Table, options?: InferenceOptions): Promise<Table>;
  async inference(table: AnyTable | InputContent, options: InferenceOptions = {}): Promise<AnyTable> {
    checkTable(table);
    await this.#checkCapture(options);
    const waiting = watched(options);
    if (isLibraryTable(table)) {
      const run = await this.#ownRun(table, { ...options, batch: true, accept: BORDER_TYPES.arrow });
      const answer = await tableFromArrow((await run.output(waiting)).bytes, table);
      return this.#captured(run, answer, options);
    }
    if (isContent(table)) {
      const run = await this.#ownRun(table, { ...options, batch: true });
      return this.#captured(run, await run.output(waiting), options);
    }
    if (table.length === 0) return [];
    const run = await this.#ownRun(carried(encodeRows(table, 'jsonl'), options), {
      ...options,
      batch: true,
      accept: CONTENT_TYPES.jsonl,
    });
    return this.#captured(run, await run.result<Row[]>(waiting), options);
  }

  /** As `inference`, without capture. */
  fastInference<Out extends Row = Row>(
    table: readonly Row[],
    options?: Omit<InferenceOptions, 'capture'>,
  ): Promise<Out[]>;
  fastInference(table: InputContent, options?: Omit<InferenceOptions, 'capture'>): Promise<Content>;
  fastInference<Table extends LibraryTable>(table: Table, options?: Omit<InferenceOptions, 'capture'>): Promise<Table>;
  fastInference(table: AnyTable | InputContent, options: InferenceOptions = {}): Promise<AnyTable> {
    return this.inference(table as readonly Row[], { ...options, capture: undefined });
  }

  /**
   * Tries the endpoint on ten rows of its evaluation data that the model was not trained on, the
   * same ones every time, and captures what it answers as `auto_inference`. Rows of a CSV file are
   * sent as CSV, so that every value that comes back is a string.
   *
   * @throws EvaluationNotFoundError where the endpoint's configuration names no evaluation data,
   *   and as `inference` does
   */
  autoInference(options: Omit<InferenceOptions, 'accept' | 'capture'> = {}): Promise<TestInference> {
    return this.testInference(AUTO_ROWS, options);
  }

  /** As `autoInference`, on so many rows; on all that are held out where there are no more. */
  async testInference(
    rows: number,
    options: Omit<InferenceOptions, 'accept' | 'capture'> = {},
  ): Promise<TestInference> {
    const table = await fetchEvaluation(this.#transport, await this.#path(options.signal), rows, options.signal);
    // In the format of the file, which the model is as likely to know as any.
    const run = await this.#ownRun(table, { ...options, batch: true });
    const answered = await run.result<Row[]>(watched(options));
    return { rows: answered, capture: await this.captureRun(run.id, AUTO_INFERENCE, options) };
  }

  /**
   * Keeps the predictions of a run that has succeeded under a name. The same run under the same
   * name is the same version, however often.
   *
   * @throws InvalidRequestError for a run that is no table, or whose prediction cannot be told from
   *   other columns; RunNotEndedError
   */
  async captureRun(
    runId: string,
    capture: CaptureChoice,
    { signal }: Pick<WaitOptions, 'signal'> = {},
  ): Promise<Capture> {
    return captureRun(this.#transport, await this.#path(signal), runId, capture, signal);
  }

  /** The captures of the endpoint, newest first. */
  async captures(filter: CapturesFilter = {}): Promise<CaptureLine[]> {
    return listCaptures(this.#transport, await this.#path(filter.signal), filter);
  }

  /**
   * A version of a capture, the newest where none is named.
   *
   * @throws CaptureNotFoundError
   */
  async capture(name: string, version?: number, { signal }: Pick<WaitOptions, 'signal'> = {}): Promise<Capture> {
    return fetchCapture(this.#transport, await this.#path(signal), name, version, signal);
  }

  /**
   * Deletes a version of a capture, all of them where none is named, and answers how many. Their
   * numbers are not given again.
   *
   * @throws CaptureNotFoundError, also where the answer was lost on its way and the request sent
   *   again
   */
  async deleteCapture(name: string, version?: number, { signal }: Pick<WaitOptions, 'signal'> = {}): Promise<number> {
    return deleteCapture(this.#transport, await this.#path(signal), name, version, signal);
  }

  /**
   * Invokes the endpoint with one input, any JSON value or `{ bytes, contentType }`, and waits for
   * the output: JSON parsed, a table as rows, anything else as bytes.
   *
   * @throws ClaimcheckError for a refused input or a failed run; DeduplicatedError
   */
  async invoke<Output = unknown>(input: unknown, options: InvokeOptions = {}): Promise<Output> {
    const { run, runId } = await startRun(this.#transport, {
      endpoint: this.name,
      input: await carriedInput(input),
      options: sending(options),
      async: needsRunFirst(options) ? true : options.async,
    });
    if (run?.deduplicated === true) throw new DeduplicatedError(runId);
    if (run?.done !== true) return new Run(this.#transport, runId).result<Output>(options);
    options.onProgress?.(run);
    return fetchResult(this.#transport, run, options.signal) as Promise<Output>;
  }

  /**
   * Starts a run and answers its handle as soon as the server has written it down. The input is as
   * for `invoke`, or a table of any kind; the handle answers rows for all of them, since it may be
   * made again where nobody knows what was sent.
   */
  async submit(input: unknown, options: SubmitOptions = {}): Promise<Run> {
    const { run, runId } = await startRun(this.#transport, {
      endpoint: this.name,
      input: await carriedInput(input),
      options: sending(options),
      async: true,
    });
    return new Run(this.#transport, runId, run?.deduplicated);
  }

  /** The endpoint, its replicas and its queue, as they stand now. */
  async describe(options: Pick<WaitOptions, 'signal'> = {}): Promise<EndpointBody> {
    if (this.name !== null) {
      const path = `/endpoints/${encodeURIComponent(this.name)}`;
      return jsonOf<EndpointBody>(
        await this.#transport.send({ method: 'GET', path, signal: options.signal, limitSeconds: DESCRIBE_SECONDS }),
        path,
      );
    }
    const endpoints = await listEndpoints(this.#transport, options.signal);
    // The server takes the only endpoint for the default one, too.
    const found = endpoints.find((endpoint) => endpoint.default) ?? (endpoints.length === 1 ? endpoints[0] : undefined);
    if (found === undefined)
      throw new TypeError('The server has no default endpoint. Name one: client.endpoint(name).');
    return found;
  }

  /**
   * How many replicas are ready, how many the work that is there asks for, and between which
   * bounds: `current` and `desired`, `min` and `max`.
   */
  async instanceCounts(options: Pick<WaitOptions, 'signal'> = {}): Promise<EndpointBody['replicas']> {
    return (await this.describe(options)).replicas;
  }

  /**
   * Has replicas started without any work, so that the next run need not wait for a start. Answers
   * at once with the endpoint as it then stands, `trouble` included; calling it again does no harm.
   * Replicas without work are stopped when they have been idle.
   */
  async warm({ replicas, signal }: WarmOptions = {}): Promise<EndpointBody> {
    return this.#change('POST', '/warm', { replicas }, signal);
  }

  /**
   * Deploys the endpoint, given as a configuration file has it; paths are relative to the server's
   * own configuration. Answers it as it then stands: where there was one of that name, the new
   * version is tried first, and `rollout` says how that goes.
   *
   * @throws InvalidRequestError that names every mistake and its place
   */
  deploy(written: object, { signal }: Pick<WaitOptions, 'signal'> = {}): Promise<EndpointBody> {
    return this.#change('PUT', '', written, signal);
  }

  /**
   * Deploys a version of before again, under its own number; without one, the version that was
   * active last. Answers as `deploy` does.
   */
  rollBack(version?: number, { signal }: Pick<WaitOptions, 'signal'> = {}): Promise<EndpointBody> {
    return this.#change('POST', '/rollback', { version }, signal);
  }

  /**
   * Takes the endpoint away; its runs and their outputs stay. `force` cancels the runs that have
   * not ended.
   *
   * @throws EndpointInUseError where there are such runs, or the server's configuration names it
   */
  async remove({ force, signal }: RemoveOptions = {}): Promise<void> {
    const path = await this.#path(signal);
    await this.#transport.send({ method: 'DELETE', path, query: { force }, signal, limitSeconds: CHANGE_SECONDS });
  }

  /** Every version that was ever deployed, oldest first. */
  async versions({ signal }: Pick<WaitOptions, 'signal'> = {}): Promise<VersionBody[]> {
    const path = `${await this.#path(signal)}/versions`;
    const request = { method: 'GET', path, signal, limitSeconds: DESCRIBE_SECONDS } as const;
    return jsonOf<VersionList>(await this.#transport.send(request), path).versions;
  }

  /**
   * Cancels the runs that wait in the endpoint's queue, and answers how many; those that are
   * running go on, and those that arrive meanwhile stay. With `dryRun`, answers how many there are.
   */
  async purgeQueue({ olderThan, runName, dryRun, signal }: PurgeOptions = {}): Promise<{ readonly cancelled: number }> {
    const path = `${await this.#path(signal)}/queue`;
    const query = { older_than: olderThan, run_name: runName, dry_run: dryRun };
    const request = { method: 'DELETE', path, query, signal, limitSeconds: PURGE_SECONDS } as const;
    const { cancelled } = jsonOf<PurgeBody>(await this.#transport.send(request), path);
    return { cancelled };
  }

  async #change(
    method: 'PUT' | 'POST',
    what: string,
    value: object,
    signal: AbortSignal | undefined,
  ): Promise<EndpointBody> {
    const path = `${await this.#path(signal)}${what}`;
    const body = new TextEncoder().encode(JSON.stringify(value));
    const headers = { 'content-type': CONTENT_TYPES.json };
    const request = { method, path, headers, body, signal, limitSeconds: CHANGE_SECONDS } as const;
    return jsonOf<EndpointBody>(await this.#transport.send(request), path);
  }

  /** A run of this very input: a caller that waits for an output is never given another's. */
  async #ownRun(input: unknown, options: SubmitOptions): Promise<Run> {
    const run = await this.submit(input, options);
    if (run.deduplicated) throw new DeduplicatedError(run.id);
    return run;
  }

  /**
   * Asks for captures of the name that the predictions shall have: one that cannot be is refused
   * before anything is computed.
   */
  async #checkCapture({ capture, signal }: InferenceOptions): Promise<void> {
    if (capture === undefined) return;
    await this.captures({ name: typeof capture === 'string' ? capture : capture.name, limit: 1, signal });
  }

  /** The output, once it is captured where that is asked for. */
  async #captured<Output>(run: Run, output: Output, { capture, signal }: InferenceOptions): Promise<Output> {
    if (capture !== undefined) await this.captureRun(run.id, capture, { signal });
    return output;
  }

  async #path(signal: AbortSignal | undefined): Promise<string> {
    const name = this.name ?? (await this.describe({ signal })).name;
    return `/endpoints/${encodeURIComponent(name)}`;
  }
}

/** Rows of a smoke test: as many as show that it answers, and as few as cost nothing. */
const AUTO_ROWS = 10;
const DESCRIBE_SECONDS = 30;
/** A model file that is deployed is imported first, which may take a minute. */
const CHANGE_SECONDS = 90;
/** A purge goes through the queue a thousand runs at a time. */
const PURGE_SECONDS = 300;

/** Every endpoint of the server. */
export async function listEndpoints(transport: Transport, signal?: AbortSignal): Promise<EndpointBody[]> {
  const path = '/endpoints';
  return jsonOf<EndpointList>(
    await transport.send({ method: 'GET', path, signal, limitSeconds: DESCRIBE_SECONDS }),
    path,
  ).endpoints;
}

/** A wait for a table is shown on a terminal, unless somebody shows it himself. */
const watched = <Options extends WaitOptions>(options: Options): Options => ({
  ...options,
  progress: options.progress ?? (options.onProgress === undefined ? 'auto' : false),
});

function needsRunFirst({ onProgress, progress, cancelOnAbort, ...options }: InvokeOptions): boolean {
  const isWatched = onProgress !== undefined || progress === true;
  const isNamed = [options.jobKey, options.concurrencyKey, options.accept].some((said) => said !== undefined);
  return isWatched || cancelOnAbort === true || isNamed;
}

/**
 * Rows travel as JSON Lines; only with metadata, for which a raw body has no place, as JSON records
 * in an envelope.
 */
export function carried(lines: Uint8Array, { metadata }: InferenceOptions): Content {
  if (metadata === undefined) return { bytes: lines, contentType: CONTENT_TYPES.jsonl };
  // A line end stands between two rows and nowhere else: in strings it is escaped.
  const records = `[${new TextDecoder().decode(lines).trimEnd().replaceAll('\n', ',')}]`;
  return { bytes: new TextEncoder().encode(records), contentType: CONTENT_TYPES.json };
}

/**
 * With `cancelOnAbort`, the request that starts the run is not interrupted: it might have started a
 * run whose id nobody learns, and which nobody could cancel. The wait that follows sees the signal,
 * and cancels.
 */
function sending<Options extends SubmitOptions & WaitOptions>(options: Options): Options {
  options.signal?.throwIfAborted();
  return options.cancelOnAbort === true ? { ...options, signal: undefined } : options;
}
