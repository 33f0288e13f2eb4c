// One table on its way through a cache: what is known is taken, what nobody computes is computed,
// what others compute is waited for.

import type { CacheKey, Found } from '../../cache/port.ts';
import { FAILED_ROW } from '../../domain/errors.ts';
import { type Duration, seconds } from '../../domain/time.ts';
import { CONTENT_TYPES } from '../../table/format.ts';
import { entriesOf, isUnclear, type KeyCheck, type Outcome, outcomesOf } from '../../cache/answers.ts';
import { keepAll } from '../../cache/keep-all.ts';
import { type Computing, type EndpointAnswers, lookUpAll } from './answer-store.ts';
import { type Answer, Columns } from '../../cache/columns.ts';
import { carried, Endpoint, type InferenceOptions } from '../endpoint.ts';
import type { RunBody } from '../../wire/runs.ts';
import { newIdempotencyKey, sleep } from '../environment.ts';
import { ModelError } from '../errors.ts';
import { fetchOutput } from '../output.ts';
import { Run } from '../run.ts';
import type { Seconds } from '../submission.ts';
import { linesOf, type TextRow } from '../../table/text-rows.ts';

/** Keys of others that are looked at again and again until something has become of them. */
const WATCHED_KEYS_MAX = 1_000;
/** Pauses between two looks at what others compute, in milliseconds: the first, and the longest. */
const PAUSE_MIN_MS = 50;
const PAUSE_MAX_MS = 1_000;
/**
 * A claim is renewed so many times before it would lapse, so that one lost request costs nothing.
 */
const RENEWALS = 3;

/** What a table needs on its way. */
export interface CachedTableDeps {
  readonly endpoint: Endpoint;
  readonly store: EndpointAnswers;
  readonly table: readonly TextRow[];
  /** The key of every row. */
  readonly keys: readonly CacheKey[];
  readonly keyColumns: readonly string[];
  readonly options: Omit<InferenceOptions, 'onRowError'>;
  /**
   * Whether the first row that fails ends the run. A row that is to be dropped is marked, or nobody
   * could tell which it was.
   */
  readonly onRowError: 'fail' | 'mark';
  readonly anyVersion: boolean;
  readonly claimSeconds: Seconds;
  readonly check: KeyCheck | null;
  /** What is known of the columns of a version. */
  readonly columnsOf: (version: number) => Columns;
  /**
   * Told where answers were computed and could not be kept; undefined where that is to reject the
   * call.
   */
  readonly onStoreError: ((error: Error) => void) | undefined;
}

/** The outcome of every key, and what is known of the columns. */
export interface Computed {
  readonly outcomes: ReadonlyMap<CacheKey, Outcome>;
  readonly columns: Columns;
}

/** The outcome for a table: all of it, or the version that its endpoint has moved to meanwhile. */
export type TableOutcome = Computed | { readonly movedTo: number };

/** See the head of this file. */
export class CachedTable {
  readonly #deps: CachedTableDeps;
  readonly #version: number;
  readonly #caller = newIdempotencyKey();
  readonly #lease: Duration;
  readonly #outcomes = new Map<CacheKey, Outcome>();
  #computing: Computing | null = null;

  constructor(parts: CachedTableDeps, version: number) {
    this.#deps = parts;
    this.#version = version;
    this.#lease = seconds(parts.claimSeconds);
  }

  async run(): Promise<TableOutcome> {
    const { keys, columnsOf } = this.#deps;
    const renewals = setInterval(() => void this.#renew(), this.#lease / RENEWALS);
    try {
      let asked = firstOfEach(keys);
      for (let found = await this.#lookUp(asked); ; found = await this.#watch(asked)) {
        const mine = asked.filter((_, at) => found[at] === 'mine');
        const version = await this.#compute(mine);
        if (this.#isOther(version)) return { movedTo: version };
        asked = asked.filter((_, at) => found[at] === 'others');
        if (asked.length === 0) break;
      }
      for (let unclear = this.#firstUnclear(); unclear !== null; unclear = this.#firstUnclear()) {
        const version = await this.#compute([unclear]);
        if (this.#isOther(version)) return { movedTo: version };
      }
      return { outcomes: this.#outcomes, columns: columnsOf(this.#version) };
    } finally {
      clearInterval(renewals);
      await this.#leave();
    }
  }

  /** A table is of one version: what was found is of the one before. */
  #isOther(version: number): boolean {
    return version !== this.#version && !this.#deps.anyVersion;
  }

  /**
   * A row whose answer was computed for one with a column that this one is without, where nobody
   * knows yet whether the model writes it. Computed once more, it shows that for all rows.
   */
  #firstUnclear(): number | null {
    const { table, keys, columnsOf } = this.#deps;
    const columns = columnsOf(this.#version);
    for (const [at, row] of table.entries()) {
      const outcome = this.#outcomes.get(keys[at]!)!;
      if ('answer' in outcome && isUnclear(row, outcome.answer, columns)) return at;
    }
    return null;
  }

  async #lookUp(places: readonly number[]): Promise<readonly Found[]> {
    const { store, anyVersion, options, columnsOf } = this.#deps;
    const keys = places.map((at) => this.#deps.keys[at]!);
    const question = { version: this.#version, anyVersion, caller: this.#caller, lease: this.#lease, keys };
    const found = await lookUpAll(store, question, options.signal);
    for (const [at, one] of found.entries()) {
      if (typeof one !== 'object') continue;
      const answer = JSON.parse(one.answer) as Answer;
      columnsOf(this.#version).learn(answer);
      this.#outcomes.set(keys[at]!, { answer });
    }
    return found;
  }

  /** Has rows computed, and keeps what is worth it. Answers which version did it. */
  async #compute(places: readonly number[]): Promise<number> {
    if (places.length === 0) return this.#version;
    const { endpoint, store, table, keys, options, onRowError, keyColumns, check, columnsOf, onStoreError } =
      this.#deps;
    const sent = places.map((at) => table[at]!);
    const run = await endpoint.submit(carried(linesOf(sent), options), {
      ...options,
      // Who writes no TypeScript may have given them all the same: they would find a run of other
      // rows.
      jobKey: undefined,
      concurrencyKey: undefined,
      onRowError,
      batch: true,
      accept: CONTENT_TYPES.jsonl,
    });
    const ended = await this.#whileKeeping(run, places, () => run.wait(options));
    const { version } = ended;
    const output = fetchOutput(Endpoint.transportOf(endpoint), ended, options.signal);
    const { bytes } = await output.catch((error: unknown) => {
      throw ofTable(error, places);
    });
    const outcomes = outcomesOf(sent, bytes, { places, keyColumns, check, columns: columnsOf(version) });
    const sentKeys = places.map((at) => keys[at]!);
    for (const [at, key] of sentKeys.entries()) this.#outcomes.set(key, outcomes[at]!);
    const entries = entriesOf(sentKeys, outcomes);
    // What was kept part by part may have been kept before a later row showed whose a column is.
    await keepAll(store, { version, caller: this.#caller, entries, replaces: store.fillFrom === null }).catch(
      onStoreError,
    );
    // What is left of the claims is on rows that failed: others that want them try for themselves.
    await store.release(this.#caller).catch(onStoreError);
    return version;
  }

  /**
   * Has what a run answers kept as its parts end, so that nothing is computed twice where this
   * program dies meanwhile.
   */
  async #whileKeeping(run: Run, places: readonly number[], wait: () => Promise<RunBody>): Promise<RunBody> {
    const { store, keyColumns, check } = this.#deps;
    const over = new AbortController();
    const following = store.fillFrom === null ? this.#keepParts(run, places, over.signal) : null;
    this.#computing = { runId: run.id, keyColumns, outputKeyColumn: check?.outputKeyColumn };
    try {
      await this.#renew();
      return await wait();
    } finally {
      this.#computing = null;
      over.abort();
      await following;
    }
  }

  /**
   * A renewal that fails leaves the claims to lapse: then somebody else may compute the same, and
   * both answers are right.
   */
  async #renew(): Promise<void> {
    const { store } = this.#deps;
    const computing = this.#computing;
    const renewed =
      computing === null || store.fillFrom === null
        ? store.renew(this.#caller, this.#lease)
        : store.fillFrom(this.#caller, this.#lease, computing);
    await renewed.catch(() => {});
  }

  /**
   * Keeps the answers of every part as it ends. What goes wrong here goes wrong once more with the
   * whole table, and is told then.
   */
  async #keepParts(run: Run, places: readonly number[], signal: AbortSignal): Promise<void> {
    const { endpoint, store, table, keys, onRowError, keyColumns, check } = this.#deps;
    // Nothing is kept of a run that one failed row ends.
    if (onRowError === 'fail') return;
    const columns = new Columns();
    try {
      for await (const { rows, runId, content } of run.parts({ signal })) {
        if (content === null) continue;
        // A run that waits may be handed to a newer version: only what has answered is of one for
        // good.
        const { version } = await new Run(Endpoint.transportOf(endpoint), runId).status({ signal });
        const of = places.slice(rows.from, rows.to);
        const sent = of.map((at) => table[at]!);
        const outcomes = outcomesOf(sent, content.bytes, { places: of, keyColumns, check, columns });
        const entries = entriesOf(
          of.map((at) => keys[at]!),
          outcomes,
        );
        await keepAll(store, { version, caller: this.#caller, entries });
      }
    } catch {
      // See above.
    }
  }

  /**
   * Claims that cannot be ended lapse; and a call that gives up does not wait for a server that may
   * not be there.
   */
  async #leave(): Promise<void> {
    const { store, options } = this.#deps;
    const released = store.release(this.#caller).catch(() => {});
    if (options.signal?.aborted !== true) await released;
  }

  /**
   * What is known of keys that others compute, once something has become of one. None is looked up
   * again that was answered: each look counts as a hit.
   */
  async #watch(places: readonly number[]): Promise<readonly Found[]> {
    for (let pauseMs = PAUSE_MIN_MS; ; pauseMs = Math.min(pauseMs * 2, PAUSE_MAX_MS)) {
      await sleep(pauseMs, this.#deps.options.signal);
      const found = await this.#lookUp(places.slice(0, WATCHED_KEYS_MAX));
      if (found.some((one) => one !== 'others')) return [...found, ...(await this.#lookUp(places.slice(found.length)))];
    }
  }
}

/** Where each key stands for the first time. */
function firstOfEach(keys: readonly CacheKey[]): number[] {
  const places = new Map<CacheKey, number>();
  for (const [at, key] of keys.entries()) if (!places.has(key)) places.set(key, at);
  return [...places.values()];
}

/**
 * What ended a run of some rows of a table: a row that it names is named by its place in the table.
 */
function ofTable(error: unknown, places: readonly number[]): unknown {
  if (!(error instanceof ModelError)) return error;
  const detail = error.detail.replace(FAILED_ROW, (_, row: string) => `Row ${places[Number(row) - 1]! + 1}`);
  const { status, retryable, runId } = error;
  return new ModelError({ detail, status, retryable, runId });
}
