// One request to the server: sent again while that can help, and answered with all its bytes or
// with an error.

import type { ProblemBody } from '../wire/problems.ts';
import { isRetried, pauseAfter, type RetryLimits, retryAfterMs } from './backoff.ts';
import { monotonicNow, random, sleep, wallClockNow } from './environment.ts';
import type { Operator } from './operator.ts';
import { ConnectionError, errorOfProblem } from './errors.ts';

/** Where the server is, and how it is talked to. */
export interface TransportDeps {
  /** Without a slash at its end. */
  readonly url: string;
  readonly apiKey: string | null;
  readonly fetch: typeof globalThis.fetch;
  readonly retry: RetryLimits;
}

/** What a query may hold; members that are undefined are left out. */
export type Query = Readonly<Record<string, string | number | boolean | undefined>>;

/** A request. It may be sent more than once, so a POST carries an idempotency key. */
export interface ServerRequest {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  readonly path: string;
  readonly query?: Query | undefined;
  readonly headers?: Readonly<Record<string, string>> | undefined;
  readonly body?: Uint8Array | Blob | undefined;
  readonly signal?: AbortSignal | undefined;
  /**
   * Seconds after which one try without an answer is given up; unset where the answer may take as
   * long as it likes.
   */
  readonly limitSeconds?: number | undefined;
  /**
   * Waits for what goes on without anybody who waits, a run: it is kept trying for so much longer.
   */
  readonly isWait?: boolean | undefined;
  /** Called when a try brought no answer, and another follows. */
  readonly onUnanswered?: (() => void) | undefined;
}

/** A 2xx answer, read to its end. */
export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly contentType: string;
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/** A 2xx answer that has begun. */
export interface OpenAnswer {
  readonly status: number;
  readonly body: ReadableStream<Uint8Array> | null;
}

/** What is made of a 2xx answer. */
type Take<Taken> = (response: Response) => Promise<Taken>;

async function readWhole(response: Response): Promise<Answer> {
  return {
    status: response.status,
    headers: response.headers,
    contentType: response.headers.get('content-type') ?? '',
    bytes: new Uint8Array(await response.arrayBuffer()),
  };
}

/** A try that brought no 2xx answer. `again` says whether another may. */
interface Failure {
  readonly error: Error;
  readonly again: boolean;
  readonly askedMs: number | null;
  /** Where the token lies that the request asks for. */
  readonly tokenFile?: string | undefined;
}

/**
 * For a body that is read while it is sent. Where it might have to follow a redirect, Node's fetch
 * keeps a second copy of all that was sent: 100 MB of a file then cost 100 MB of memory. Nobody
 * redirects a POST but by mistake.
 */
const ONE_READER = { redirect: 'error', window: null } as const;

/** Sends requests to one server. */
export class Transport {
  readonly #deps: TransportDeps;
  /** Where and as whom requests are sent once a server without keys has asked who changes it. */
  #operator: Operator | null = null;
  #reached = false;

  constructor(parts: TransportDeps) {
    this.#deps = parts;
  }

  /** Where the server is. */
  get url(): string {
    return this.#deps.url;
  }

  /**
   * Sends a request, again after connection errors and "not now" answers, until it is answered or
   * the retry limits are reached.
   *
   * @throws ClaimcheckError for a problem, ConnectionError where no claimcheck server answers, and
   *   the signal's reason once it aborts
   */
  send(request: ServerRequest): Promise<Answer> {
    // Read within the try, so that a connection that breaks in the middle of an answer counts as a
    // failed one.
    return this.#send(request, readWhole);
  }

  /**
   * As `send`, but answers as soon as the answer begins; the rest of its body is the caller's to
   * read, or to cancel.
   */
  open(request: ServerRequest): Promise<OpenAnswer> {
    return this.#send(request, async ({ status, body }) => ({ status, body }));
  }

  async #send<Taken extends object>(request: ServerRequest, take: Take<Taken>): Promise<Taken> {
    const limits = request.isWait === true ? this.#deps.retry.wait : this.#deps.retry.once;
    let spentMs = 0;
    for (let tries = 1; ; tries += 1) {
      const started = monotonicNow();
      const sentAs = this.#operator;
      const outcome = await this.#try(request, take);
      if (!('error' in outcome)) return outcome.taken;
      const { error, again, askedMs, tokenFile } = outcome;
      if (tokenFile !== undefined && (await this.#becomeOperator(tokenFile, sentAs))) continue;
      // A laptop that slept has not tried meanwhile, though its clock went on; and what has no
      // limit was no wait for an answer.
      spentMs += Math.min(monotonicNow() - started, (request.limitSeconds ?? 0) * 1_000);
      const pause = again ? pauseAfter({ tries, spentMs, askedMs, reached: this.#reached }, limits, random()) : null;
      if (pause === null) throw error;
      request.onUnanswered?.();
      await sleep(pause, request.signal);
      spentMs += pause;
    }
  }

  /**
   * Reads the token of the server on this machine, where there is no key; false where there is none
   * that is new.
   */
  async #becomeOperator(tokenFile: string, sentAs: Operator | null): Promise<boolean> {
    if (this.#deps.apiKey !== null) return false;
    // Loaded only where it is needed, which in a browser is never.
    const { readOperator } = await import('./operator.ts');
    const operator = readOperator(tokenFile);
    if (operator === null || operator.token === sentAs?.token) return false;
    this.#operator = operator;
    return true;
  }

  async #try<Taken>(request: ServerRequest, take: Take<Taken>): Promise<{ readonly taken: Taken } | Failure> {
    const { apiKey } = this.#deps;
    const { url: base, token } = this.#operator ?? { url: this.#deps.url, token: apiKey };
    const url = `${base}${request.path}${queryText(request.query)}`;
    const headers = new Headers(request.headers);
    if (token !== null) headers.set('authorization', `Bearer ${token}`);
    const { method, body, signal, limitSeconds } = request;
    signal?.throwIfAborted();
    const late = new AbortController();
    const timer =
      limitSeconds === undefined
        ? undefined
        : setTimeout(
            () => late.abort(new DOMException('No answer in time.', 'TimeoutError')),
            Math.min(limitSeconds * 1_000, 2 ** 31 - 1),
          );
    try {
      const response = await this.#deps.fetch(url, {
        method,
        headers,
        body: body ?? null,
        ...(body instanceof Blob && ONE_READER),
        signal: signal === undefined ? late.signal : AbortSignal.any([signal, late.signal]),
      });
      if (!response.ok) return this.#failure(request, url, await readWhole(response));
      const taken = await take(response);
      this.#reached = true;
      return { taken };
    } catch (cause) {
      signal?.throwIfAborted();
      if (isUnreadable(cause))
        throw new Error('The input cannot be read any more: its file was changed or removed while it was sent.', {
          cause,
        });
      return { error: unreachable(this.#deps.url, cause), again: true, askedMs: null };
    } finally {
      clearTimeout(timer);
    }
  }

  #failure({ method }: ServerRequest, url: string, answer: Answer): Failure {
    const askedMs = retryAfterMs(answer.headers, wallClockNow());
    const problem = problemOf(answer);
    if (problem === null) {
      const error = new ConnectionError(
        `${method} ${url} was answered with status ${answer.status} and no problem, so by something else than a claimcheck server. Check the URL.`,
        url,
      );
      return { error, again: isRetried(answer.status), askedMs };
    }
    this.#reached = true;
    // A problem with a run is the answer that was asked for: the same request would bring the same
    // answer.
    const again = problem.run_id === undefined && isRetried(answer.status);
    return { error: errorOfProblem(problem), again, askedMs, tokenFile: problem.token_file };
  }
}

/** The JSON of an answer. */
export function jsonOf<Body>(answer: Answer, url: string): Body {
  try {
    return JSON.parse(new TextDecoder().decode(answer.bytes)) as Body;
  } catch (cause) {
    throw new ConnectionError(
      `${url} was answered with ${answer.contentType || 'no content type'} where JSON was expected, so by something else than a claimcheck server. Check the URL.`,
      url,
      cause,
    );
  }
}

function queryText(query: Query = {}): string {
  const parameters = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) if (value !== undefined) parameters.set(name, String(value));
  return parameters.size === 0 ? '' : `?${parameters.toString()}`;
}

function problemOf({ contentType, bytes }: Answer): ProblemBody | null {
  if (!contentType.toLowerCase().startsWith('application/problem+json')) return null;
  try {
    const body = JSON.parse(new TextDecoder().decode(bytes)) as Partial<ProblemBody>;
    return typeof body.type === 'string' && typeof body.detail === 'string' ? (body as ProblemBody) : null;
  } catch {
    // Cut short or garbled on its way: then it is no problem, and the caller hears of the
    // status.
    return null;
  }
}

function unreachable(url: string, cause: unknown): ConnectionError {
  return new ConnectionError(
    `No answer from ${url}: ${reasonOf(cause)}. Is the server running there? Start one with "claimcheck serve", or say where it is (CLAIMCHECK_URL).`,
    url,
    cause,
  );
}

/**
 * Whether it is the body of the request that failed: a Blob of a file that is no longer what it
 * was.
 */
function isUnreadable(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  return error.name === 'NotReadableError' || isUnreadable(error.cause);
}

/**
 * What lies beneath fetch's "fetch failed": an error code where there is one, else the innermost
 * message.
 */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { code, cause } = error as { code?: unknown; cause?: unknown };
  if (cause instanceof Error) return reasonOf(cause);
  if (error.name === 'TimeoutError') return 'it took too long to answer';
  return typeof code === 'string' ? code : error.message;
}
