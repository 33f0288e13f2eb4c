// From what a caller hands in to the request that carries it.

import type { CallbackEvent, InvokeEnvelope, InvokeQuery } from '../wire/invoke.ts';
import { isContent, isJsonType, jsonBytes } from './content.ts';
import { newIdempotencyKey } from './environment.ts';
import type { ServerRequest } from './transport.ts';

/** A number of seconds; fractions allowed. */
export type Seconds = number;

/** How a table is run. All of it is sizing and changes no answer, but `onRowError`. */
export interface BatchOptions {
  /** Rows per chunk (the endpoint's, else 10). */
  readonly batchSize?: number | undefined;
  /** Chunks outstanding at once (the endpoint's, else 64). */
  readonly maxInFlight?: number | undefined;
  /**
   * Rows that fail alone are named in an `inference_error` column (`mark`), left out (`drop`), or
   * end the run (`fail`).
   */
  readonly onRowError?: 'mark' | 'drop' | 'fail' | undefined;
}

/** What may be said about a run when it is started. */
export interface RunOptions {
  /** A label to find the run by; not unique. */
  readonly runName?: string | undefined;
  /** Limit of one attempt. */
  readonly timeout?: Seconds | undefined;
  /** Longest wait in the queue. */
  readonly queueTtl?: Seconds | undefined;
  /** -100 to 100; higher starts first (0). */
  readonly priority?: number | undefined;
  /**
   * While a run of the endpoint with the same key has not ended, no other is made: `submit` answers
   * that run, and a call that waits for an output throws DeduplicatedError.
   */
  readonly concurrencyKey?: string | undefined;
  /** Where the end of the run is told, by a signed webhook that is sent until it has arrived. */
  readonly callbackUrl?: string | undefined;
  /** Which ends are told (all). */
  readonly callbackEvents?: readonly CallbackEvent[] | undefined;
  /** ComputedAnswers with the run and shown with it. */
  readonly metadata?: Readonly<Record<string, unknown>> | undefined;
  /**
   * Makes the call resumable: the same key with the same input finds the run that it started
   * before, from any process, for at least 24 hours. A run that failed or was cancelled is not
   * found again but started anew, twenty times under one key.
   */
  readonly jobKey?: string | undefined;
  /** Stops sending and waiting. A run that was started goes on. */
  readonly signal?: AbortSignal | undefined;
}

/** What `submit` takes beside the input. */
export interface SubmitOptions extends RunOptions, BatchOptions {
  /**
   * Whether a table runs as a batch; unset, the endpoint decides, unless a batch option is given.
   */
  readonly batch?: boolean | undefined;
  /** Content type wanted for the output (the input's). */
  readonly accept?: string | undefined;
}

/**
 * One invocation: the input, and what is said about it. `async` undefined leaves it to the
 * endpoint.
 */
export interface Submission {
  /** null for the server's default endpoint. */
  readonly endpoint: string | null;
  readonly input: unknown;
  readonly options: SubmitOptions;
  readonly async: boolean | undefined;
}

/** The request of an invocation, without its idempotency key. */
export function requestOf({ endpoint, input, options, async }: Submission): ServerRequest {
  const target = endpoint === null ? '/invoke' : `/endpoints/${encodeURIComponent(endpoint)}/invoke`;
  const accept: Record<string, string> = options.accept === undefined ? {} : { accept: options.accept };
  const base = { method: 'POST', path: target, signal: options.signal } as const;
  if (isContent(input) && !isJsonType(input.contentType)) {
    return {
      ...base,
      query: queryOf(options, async),
      headers: { ...accept, 'content-type': input.contentType },
      body: input.bytes,
    };
  }
  const json = isContent(input) ? input.bytes : jsonBytes(input);
  return {
    ...base,
    headers: { ...accept, 'content-type': 'application/json' },
    body: envelopeAround(json, membersOf(options, async)),
  };
}

/**
 * A key for each time that a job may have to be started: first as it is, then numbered, since a
 * failed run keeps its key.
 */
export function idempotencyKey({ endpoint, options }: Submission, start: number): string {
  if (options.jobKey === undefined) return newIdempotencyKey();
  const key = `job:${endpoint ?? ''}:${encodeURIComponent(options.jobKey)}${start === 1 ? '' : `:${start}`}`;
  if (key.length <= IDEMPOTENCY_KEY_LENGTH_MAX) return key;
  throw new TypeError(
    `jobKey is too long: with the endpoint's name it takes ${key.length} characters, ${IDEMPOTENCY_KEY_LENGTH_MAX} at most. Use a hash of it.`,
  );
}

const IDEMPOTENCY_KEY_LENGTH_MAX = 255;

function membersOf(options: SubmitOptions, async: boolean | undefined): Omit<InvokeEnvelope, 'input' | 'parameters'> {
  const { metadata, batchSize, maxInFlight, onRowError, callbackEvents } = options;
  const sizing = defined({ size: batchSize, max_in_flight: maxInFlight, on_row_error: onRowError });
  const batch = wantsBatch(options) && Object.keys(sizing).length > 0 ? sizing : wantsBatch(options);
  const callback = { callback_events: callbackEvents === undefined ? undefined : [...callbackEvents] };
  return defined({ async, ...sharedMembers(options), ...callback, metadata, batch });
}

function queryOf(options: SubmitOptions, async: boolean | undefined): InvokeQuery {
  const { metadata, batchSize, maxInFlight, onRowError, callbackEvents } = options;
  if (metadata !== undefined)
    throw new TypeError('metadata travels only with a JSON input. Leave it out, or send the input as JSON.');
  const sizing = { batch_size: batchSize, max_in_flight: maxInFlight, on_row_error: onRowError };
  const callback = { callback_events: callbackEvents?.join(',') };
  return defined({ async, ...sharedMembers(options), ...callback, batch: wantsBatch(options), ...sizing });
}

/** What an envelope and a query name alike. */
function sharedMembers({ runName, timeout, queueTtl, priority, concurrencyKey, callbackUrl }: SubmitOptions) {
  const named = { run_name: runName, queue_ttl: queueTtl, concurrency_key: concurrencyKey, callback_url: callbackUrl };
  return { ...named, timeout, priority };
}

function wantsBatch({ batch, batchSize, maxInFlight, onRowError }: SubmitOptions): boolean | undefined {
  const sized = batchSize !== undefined || maxInFlight !== undefined || onRowError !== undefined;
  return batch ?? (sized ? true : undefined);
}

/**
 * The input goes in as the text it is: parsed and written again, 2^53+1 would become another
 * number.
 */
function envelopeAround(input: Uint8Array | Blob, members: object): Uint8Array | Blob {
  const rest = JSON.stringify(members).slice(1);
  const [open, close] = ['{"input":', Object.keys(members).length === 0 ? rest : `,${rest}`];
  if (input instanceof Blob) return new Blob([open, input, close]);
  const [head, tail] = [open, close].map((text) => new TextEncoder().encode(text)) as [Uint8Array, Uint8Array];
  const body = new Uint8Array(head.length + input.length + tail.length);
  body.set(head);
  body.set(input, head.length);
  body.set(tail, head.length + input.length);
  return body;
}

type Defined<Members> = { [Name in keyof Members]?: Exclude<Members[Name], undefined> };

function defined<Members extends object>(members: Members): Defined<Members> {
  return Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined)) as Defined<Members>;
}
