// The way in: a client of one server.

import type { EndpointBody } from '../wire/endpoints.ts';
import type { RunLine, RunPage } from '../wire/runs.ts';
import { type RetryOptions, retryLimits } from './backoff.ts';
import { Endpoint, listEndpoints } from './endpoint.ts';
import { environmentVariable } from './environment.ts';
import { Run, type WaitOptions } from './run.ts';
import { jsonOf, Transport } from './transport.ts';

const DEFAULT_URL = 'http://127.0.0.1:4242';
const PAGE_RUNS_MAX = 100;
const PAGE_SECONDS = 30;

/** Where the server is and how it is talked to. */
export interface ConnectOptions {
  /**
   * CLAIMCHECK_URL, else http://127.0.0.1:4242. A path in it is kept, for servers behind a proxy.
   */
  readonly url?: string | undefined;
  /** CLAIMCHECK_API_KEY, else none. */
  readonly apiKey?: string | undefined;
  /** The global fetch. */
  readonly fetch?: typeof globalThis.fetch | undefined;
  /** How long it is kept trying to get an answer to a request. */
  readonly retry?: RetryOptions | undefined;
}

/** Which runs to list; without any of it all, newest first. */
export interface RunsFilter {
  readonly endpoint?: string | undefined;
  readonly status?: RunLine['status'] | undefined;
  readonly runName?: string | undefined;
  /** Only the chunks of this batch run. */
  readonly parentId?: string | undefined;
  readonly createdAfter?: Date | undefined;
  readonly createdBefore?: Date | undefined;
  /** At most so many runs in all; unset, every one there is. */
  readonly limit?: number | undefined;
}

/** A client of one server. Making one sends nothing. */
export class Claimcheck {
  /** Where the server is. */
  readonly url: string;
  readonly #transport: Transport;

  constructor(transport: Transport, url: string) {
    this.#transport = transport;
    this.url = url;
  }

  /** An endpoint by its name, or the server's default endpoint. Nothing is asked yet. */
  endpoint(name?: string): Endpoint {
    return new Endpoint(this.#transport, name ?? null);
  }

  /** The handle of a run, from its id alone. Nothing is asked yet. */
  run(id: string): Run {
    return new Run(this.#transport, id);
  }

  /** Runs, newest first, fetched by the page as they are iterated over. */
  async *runs(
    filter: RunsFilter = {},
    { signal }: Pick<WaitOptions, 'signal'> = {},
  ): AsyncGenerator<RunLine, void, undefined> {
    let left = filter.limit ?? Number.POSITIVE_INFINITY;
    let cursor: string | undefined;
    while (left > 0) {
      const query = { ...queryOf(filter), limit: Math.min(left, PAGE_RUNS_MAX), cursor };
      const answer = await this.#transport.send({
        method: 'GET',
        path: '/runs',
        query,
        signal,
        limitSeconds: PAGE_SECONDS,
      });
      const page = jsonOf<RunPage>(answer, '/runs');
      yield* page.runs;
      if (page.next_cursor === null) return;
      left -= page.runs.length;
      cursor = page.next_cursor;
    }
  }

  /** Every endpoint of the server. */
  endpoints({ signal }: Pick<WaitOptions, 'signal'> = {}): Promise<EndpointBody[]> {
    return listEndpoints(this.#transport, signal);
  }
}

/**
 * A client of the server at `url`.
 *
 * @example
 * const rows = await connect().endpoint('smiles-to-3d').inference(molecules);
 */
export function connect(options: ConnectOptions = {}): Claimcheck {
  const url = checkedUrl(options.url ?? environmentVariable('CLAIMCHECK_URL') ?? DEFAULT_URL);
  const apiKey = checkedKey(options.apiKey ?? environmentVariable('CLAIMCHECK_API_KEY') ?? null);
  // Browsers refuse a fetch that is called as a method of something else than the window.
  const fetch: typeof globalThis.fetch = options.fetch ?? ((input, init) => globalThis.fetch(input, init));
  return new Claimcheck(new Transport({ url, apiKey, fetch, retry: retryLimits(options.retry) }), url);
}

function checkedUrl(text: string): string {
  const url = URL.parse(text);
  if (url === null || (url.protocol !== 'http:' && url.protocol !== 'https:')) {
    throw new TypeError(
      `"${text.replace(/\/\/[^/]*@/, '//…@')}" is not the URL of a server. Write one like ${DEFAULT_URL}.`,
    );
  }
  if (url.username !== '' || url.password !== '')
    throw new TypeError('The URL of a server must not hold a user name or password. Use apiKey or CLAIMCHECK_API_KEY.');
  return `${url.origin}${url.pathname.replace(/\/+$/, '')}`;
}

/** What no header can carry is refused here: fetch would show the key in its error. */
function checkedKey(apiKey: string | null): string | null {
  const key = apiKey?.trim() ?? null;
  if (key === null || /^[\x21-\x7e]+$/.test(key)) return key;
  throw new TypeError(
    'The API key is none: it holds white space or other characters that no key has. Copy it again as `claimcheck keys create` printed it.',
  );
}

function queryOf({ endpoint, status, runName, parentId, createdAfter, createdBefore }: RunsFilter) {
  const times = { created_after: createdAfter?.toISOString(), created_before: createdBefore?.toISOString() };
  return { endpoint, status, run_name: runName, parent_id: parentId, ...times };
}
