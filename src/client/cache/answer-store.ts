// Where an InferenceCache keeps answers: on the server, or in a file. Both are the port of
// src/cache, for one endpoint.

import type { AnswerStore, CacheInfo, CachePlace, Found, Question } from '../../cache/port.ts';
import { type Duration, inSeconds } from '../../domain/time.ts';
import type { CacheClaims, CacheCompacted, CacheDeleted, CacheInfoBody, CacheKept } from '../../wire/cache.ts';
import { CONTENT_TYPES } from '../../table/format.ts';
import { jsonOf, type Query, type ServerRequest, type Transport } from '../transport.ts';

/** Keys of one question: what a server does for one of them takes well under a second. */
const PAGE_KEYS = 10_000;
/** Answers of one look that are held, in bytes; the server has a bound of its own. */
const LOOK_BYTES = 16 * 2 ** 20;
/** What is known of every key, in their order. */
export async function lookUpAll(
  store: AnswerStore,
  question: Omit<Question, 'bytesMax'>,
  signal: AbortSignal | undefined,
): Promise<Found[]> {
  const found: Found[] = [];
  while (found.length < question.keys.length) {
    signal?.throwIfAborted();
    const keys = question.keys.slice(found.length, found.length + PAGE_KEYS);
    for (const one of await store.lookUp({ ...question, keys, bytesMax: LOOK_BYTES })) found.push(one);
  }
  return found;
}

/** The run that computes rows which are claimed, and what they are known by there. */
export interface Computing {
  readonly runId: string;
  readonly keyColumns: readonly string[];
  readonly outputKeyColumn: string | undefined;
}

/** The answers of one endpoint, wherever they are. */
export interface EndpointAnswers extends AnswerStore {
  /**
   * Has the store keep the answers of a run itself as its parts end, and renew the claims until it
   * has ended; renews them now, too. null where the store knows of no runs.
   */
  readonly fillFrom: ((caller: string, lease: Duration, computing: Computing) => Promise<void>) | null;
}

const CALL_SECONDS = 60;
/** Many answers are forgotten a few thousand at a time. */
const CLEAR_SECONDS = 600;

/** The answers that the server keeps for the tenant of the client's key. */
export function serverAnswers(transport: Transport, endpoint: string): EndpointAnswers {
  const cache = `/endpoints/${encodeURIComponent(endpoint)}/cache`;
  const ask = (method: ServerRequest['method'], what: string, limitSeconds = CALL_SECONDS) =>
    transport.send({ method, path: `${cache}${what}`, limitSeconds });
  const tell = (method: ServerRequest['method'], what: string, body: object) =>
    carry(method, what, CONTENT_TYPES.json, JSON.stringify(body));
  const carry = (method: ServerRequest['method'], what: string, type: string, text: string, query: Query = {}) => {
    const [path, body] = [`${cache}${what}`, new TextEncoder().encode(text)];
    return transport.send({ method, path, query, headers: { 'content-type': type }, body, limitSeconds: CALL_SECONDS });
  };
  return {
    async lookUp({ version, anyVersion, caller, lease, keys }) {
      const question = { version, any_version: anyVersion, caller, lease: inSeconds(lease), keys };
      return linesOf((await tell('POST', '/lookup', question)).bytes).map(foundIn);
    },
    async keep({ version, caller, entries }) {
      const lines = entries.map(({ key, answer }) => `{"key":"${key}","answer":${answer}}\n`).join('');
      const sent = await carry('POST', '/entries', CONTENT_TYPES.jsonl, lines, { version, caller });
      return jsonOf<CacheKept>(sent, cache).kept;
    },
    async renew(caller, lease) {
      const answer = await tell('PUT', `/claims/${caller}`, { lease: inSeconds(lease) });
      return jsonOf<CacheClaims>(answer, cache).claims;
    },
    async fillFrom(caller, lease, { runId, keyColumns, outputKeyColumn }) {
      const run = { id: runId, key_columns: keyColumns, output_key_column: outputKeyColumn };
      await tell('PUT', `/claims/${caller}`, { lease: inSeconds(lease), run });
    },
    async release(caller) {
      await ask('DELETE', `/claims/${caller}`);
    },
    async info(): Promise<CacheInfo> {
      return jsonOf<CacheInfoBody>(await ask('GET', ''), cache);
    },
    async clear() {
      return jsonOf<CacheDeleted>(await ask('DELETE', '', CLEAR_SECONDS), cache).deleted;
    },
    async deleteEntries(keys) {
      return jsonOf<CacheDeleted>(await tell('POST', '/entries/delete', { keys }), cache).deleted;
    },
    async compact() {
      return jsonOf<CacheCompacted>(await ask('POST', '/compact', CLEAR_SECONDS), cache).freed_bytes;
    },
    close: async () => {},
  };
}

function linesOf(bytes: Uint8Array): string[] {
  return new TextDecoder().decode(bytes).split('\n').slice(0, -1);
}

const foundIn = (line: string): Found =>
  line === '"mine"' ? 'mine' : line === '"others"' ? 'others' : { answer: line };

/** What `src/stores/cache/local.ts` has. */
interface LocalCache {
  openLocalCache(file: string, place: CachePlace): AnswerStore;
}

/**
 * The answers in a file, of one endpoint of one server.
 *
 * @throws Error where there are no files, as in a browser, and where the file is something else
 */
export async function fileAnswers(file: string, place: CachePlace): Promise<EndpointAnswers> {
  // Not a name that a bundler could follow: it would bring SQLite, and with it Node, into a page.
  const module = `../../stores/cache/local.${import.meta.url.endsWith('.ts') ? 'ts' : 'js'}`;
  let local: LocalCache;
  try {
    local = (await import(new URL(module, import.meta.url).href)) as LocalCache;
  } catch (cause) {
    throw new Error(
      'A cache in a file needs Node 24 and claimcheck as it is installed, not a bundle of it. Leave `store` out to keep answers on the server.',
      { cause },
    );
  }
  return { ...local.openLocalCache(file, place), fillFrom: null };
}
