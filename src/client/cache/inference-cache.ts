// An endpoint that remembers: rows that were computed before are not sent again.

import type { CacheInfo, CacheKey } from '../../cache/port.ts';
import { ERROR_COLUMN } from '../../table/codec.ts';
import { TableError } from '../../table/format.ts';
import type { Row } from '../../table/rows.ts';
import { answeredRow, type KeyCheck, withReasons } from '../../cache/answers.ts';
import { keysOf } from '../../cache/keys.ts';
import { type EndpointAnswers, fileAnswers, serverAnswers } from './answer-store.ts';
import { CachedTable, type CachedTableDeps, type Computed } from './cached-table.ts';
import { Columns } from '../../cache/columns.ts';
import { type TextRow, textRowsFrom } from '../../table/text-rows.ts';
import { sha256Hex } from '../environment.ts';
import type { Content, InputContent } from '../content.ts';
import { Endpoint, type InferenceOptions } from '../endpoint.ts';
import type { Seconds } from '../submission.ts';
import { type AnyTable, type LibraryTable, openTable } from '../tables.ts';

/** How an endpoint's answers are kept. */
export interface InferenceCacheOptions {
  /**
   * The columns that an answer depends on: rows with the same values there have the same answer. A
   * column that the model reads and that is not among them brings wrong answers.
   */
  readonly keyColumns: readonly string[];
  /**
   * On the server, shared by everybody of the same tenant (`'server'`, the default), or in a file
   * of this machine, shared by its processes.
   */
  readonly store?: 'server' | { readonly file: string } | undefined;
  /**
   * Whether a new version of the endpoint starts empty (`'version'`, the default), or goes on with
   * the answers of those before it.
   */
  readonly invalidate?: 'version' | 'never' | undefined;
  /**
   * For a model that writes its key column anew, as one that standardises SMILES: the column of its
   * output that has the key as it was sent. Every answer is held against it before it is kept.
   * Takes a single key column.
   */
  readonly outputKeyColumn?: string | undefined;
  /**
   * How long others wait for rows that this program has begun to compute, and left when it died
   * (30). From 1 to 300.
   */
  readonly claimSeconds?: Seconds | undefined;
  /**
   * Called where answers were computed and could not be kept; the table is answered all the same.
   * Unset, the call is rejected, and what was computed is still the output of its run.
   */
  readonly onStoreError?: ((error: Error) => void) | undefined;
}

/**
 * What `inference` takes beside the table: what an endpoint's does, but for `jobKey` and
 * `concurrencyKey`, which would find a run of other rows, and `capture`, which would keep some rows
 * as if they were all.
 * None of it changes an answer: sizes and labels do not, and a table's metadata is not shown to the
 * model.
 */
export type CachedInferenceOptions = Omit<InferenceOptions, 'jobKey' | 'concurrencyKey' | 'accept' | 'capture'>;

/** How much is kept of an endpoint, by everybody who shares the store, and of what use it was. */
export type InferenceCacheInfo = CacheInfo;

const CLAIM_SECONDS = 30;
const CLAIM_SECONDS_MAX = 300;

/**
 * An endpoint with a memory.
 *
 * @example
 * const cache = new InferenceCache(endpoint, { keyColumns: ['smiles'] });
 * const rows = await cache.inference(molecules);
 */
export class InferenceCache {
  readonly #endpoint: Endpoint;
  readonly #options: InferenceCacheOptions;
  /** What answers have shown of the columns of a version, or of any version. */
  readonly #columns = new Map<number | 'any', Columns>();
  #store: Promise<EndpointAnswers> | null = null;

  /**
   * Making one sends nothing and opens nothing.
   *
   * @throws TypeError for an option that is not what it must be, with what it is
   */
  constructor(endpoint: Endpoint, options: InferenceCacheOptions) {
    this.#endpoint = endpoint;
    this.#options = checked(options);
  }

  /**
   * Answers as the endpoint's `inference` does, in the same order, and sends only rows whose key
   * nobody has asked for before: each key once, however often it is in the table, and however many
   * ask for it at the same time. Rows that fail are marked, left out or end the call as they are
   * without a cache, and are never kept.
   *
   * @throws what the endpoint's `inference` throws; TableError for bytes that are no table, for a
   *   row without a key column, and for one with a column `inference_error`
   */
  inference<Out extends Row = Row>(table: readonly Row[], options?: CachedInferenceOptions): Promise<Out[]>;
  inference(table: InputContent, options?: CachedInferenceOptions): Promise<Content>;
  inference<Table extends LibraryTable>(table: Table, options?: CachedInferenceOptions): Promise<Table>;
  async inference(table: AnyTable | InputContent, options: CachedInferenceOptions = {}): Promise<AnyTable> {
    const opened = await openTable(table);
    const rows = await this.#answer(opened.rows, options);
    // Which columns a table without rows has, the endpoint alone can tell.
    if (rows.length === 0)
      return this.#endpoint.inference((await opened.withoutRows()) as InputContent, { signal: options.signal });
    return opened.like(rows);
  }

  /**
   * How many keys it can answer now: those of the endpoint's version, or with `invalidate: 'never'`
   * those that any version has.
   */
  async size(): Promise<number> {
    const { keys, versions } = await this.info();
    if (this.#anyVersion) return keys;
    const current = (await this.#endpoint.describe()).version;
    return versions.find(({ version }) => version === current)?.rows ?? 0;
  }

  /** How much is kept of the endpoint, over all choices of key columns. */
  async info(): Promise<InferenceCacheInfo> {
    return (await this.#opened()).info();
  }

  /**
   * Forgets every answer of the endpoint, and answers how many there were. On the server this takes
   * a key with the scope `manage`.
   */
  async clear(): Promise<number> {
    return (await this.#opened()).clear();
  }

  /**
   * Forgets the answers of these keys in every version, and answers how many there were.
   *
   * @param keys rows with the key columns, or with a single key column its values
   */
  async deleteEntries(keys: readonly unknown[]): Promise<number> {
    const { keyColumns } = this.#options;
    const [only] = keyColumns as [string];
    const rows = keys.map((key) =>
      isRow(key) && keyColumns.every((column) => Object.hasOwn(key, column)) ? key : { [only]: key },
    );
    const store = await this.#opened();
    const digests = await keysOf(textRowsFrom(rows), keyColumns, sha256Hex);
    let deleted = 0;
    for (let from = 0; from < digests.length; from += DELETED_AT_ONCE)
      deleted += await store.deleteEntries(digests.slice(from, from + DELETED_AT_ONCE));
    return deleted;
  }

  /**
   * Gives room that forgotten answers had back to the disk, and answers how many bytes; 0 where the
   * store does not say.
   */
  async compact(): Promise<number> {
    return (await this.#opened()).compact();
  }

  /** Closes the file, where there is one; the next call opens it again. */
  async close(): Promise<void> {
    const opened = this.#store;
    this.#store = null;
    await (await opened)?.close();
  }

  async #answer(table: readonly TextRow[], options: CachedInferenceOptions): Promise<TextRow[]> {
    checkColumns(table);
    const keys = await keysOf(table, this.#options.keyColumns, sha256Hex);
    if (table.length === 0) return [];
    const { version, on_row_error: usual } = await this.#endpoint.describe({ signal: options.signal });
    const onRowError = options.onRowError ?? usual;
    const parts: CachedTableDeps = {
      endpoint: this.#endpoint,
      store: await this.#opened(),
      table,
      keys,
      keyColumns: this.#options.keyColumns,
      options,
      onRowError: onRowError === 'fail' ? onRowError : 'mark',
      anyVersion: this.#anyVersion,
      claimSeconds: this.#options.claimSeconds ?? CLAIM_SECONDS,
      check: this.#check,
      columnsOf: (of: number) => this.#columnsOf(of),
      onStoreError: this.#options.onStoreError,
    };
    let outcome = await new CachedTable(parts, version).run();
    while ('movedTo' in outcome) outcome = await new CachedTable(parts, outcome.movedTo).run();
    return assemble(table, keys, outcome, onRowError);
  }

  get #anyVersion(): boolean {
    return this.#options.invalidate === 'never';
  }

  #columnsOf(version: number): Columns {
    const of = this.#anyVersion ? 'any' : version;
    const columns = this.#columns.get(of) ?? new Columns();
    this.#columns.set(of, columns);
    return columns;
  }

  get #check(): KeyCheck | null {
    const { outputKeyColumn, keyColumns } = this.#options;
    return outputKeyColumn === undefined ? null : { outputKeyColumn, keyColumn: keyColumns[0]! };
  }

  /** Opened once; tried again where it failed. */
  #opened(): Promise<EndpointAnswers> {
    this.#store ??= this.#open().catch((error: unknown) => {
      this.#store = null;
      throw error;
    });
    return this.#store;
  }

  async #open(): Promise<EndpointAnswers> {
    const { store = 'server' } = this.#options;
    const transport = Endpoint.transportOf(this.#endpoint);
    const endpoint = this.#endpoint.name ?? (await this.#endpoint.describe()).name;
    if (store === 'server') return serverAnswers(transport, endpoint);
    return fileAnswers(store.file, { tenant: transport.url, endpoint });
  }
}

/** Keys that are forgotten with one request. */
const DELETED_AT_ONCE = 10_000;

/** Held against what they must be also for those who write no TypeScript. */
function checked(options: InferenceCacheOptions): InferenceCacheOptions {
  const {
    keyColumns,
    outputKeyColumn,
    store = 'server',
    invalidate = 'version',
    claimSeconds = CLAIM_SECONDS,
  } = options;
  if (!isNames(keyColumns))
    throw wrong('keyColumns', keyColumns, "the columns that an answer depends on: ['smiles'], for instance");
  if (new Set(keyColumns).size < keyColumns.length)
    throw new TypeError(`keyColumns names a column twice: ${keyColumns.join(', ')}.`);
  if (outputKeyColumn !== undefined && keyColumns.length > 1)
    throw new TypeError('outputKeyColumn goes with a single key column.');
  if (store !== 'server' && typeof (store as { readonly file?: unknown } | null)?.file !== 'string')
    throw wrong('store', store, "'server' or { file: './answers.sqlite' }");
  if (invalidate !== 'version' && invalidate !== 'never') throw wrong('invalidate', invalidate, "'version' or 'never'");
  if (!(claimSeconds >= 1 && claimSeconds <= CLAIM_SECONDS_MAX))
    throw new TypeError(`claimSeconds is ${claimSeconds}; it must be from 1 to ${CLAIM_SECONDS_MAX}.`);
  return options;
}

const isNames = (names: unknown): boolean =>
  Array.isArray(names) && names.length > 0 && names.every((name) => typeof name === 'string');

const wrong = (option: string, value: unknown, must: string): TypeError =>
  new TypeError(`${option} is ${JSON.stringify(value)}; it must be ${must}.`);

const isRow = (key: unknown): key is Row => typeof key === 'object' && key !== null && !Array.isArray(key);

/** The endpoint would refuse such a row, and a cache may have nothing to send it. */
function checkColumns(table: readonly TextRow[]): void {
  const at = table.findIndex((row) => row.has(ERROR_COLUMN));
  if (at !== -1)
    throw new TableError(`Row ${at + 1} has a column "${ERROR_COLUMN}", which marks failed rows; rename or drop it.`, {
      row: at + 1,
      column: ERROR_COLUMN,
    });
}

/** The table that the endpoint would have answered. */
function assemble(
  table: readonly TextRow[],
  keys: readonly CacheKey[],
  { outcomes, columns }: Computed,
  onRowError: 'mark' | 'drop' | 'fail',
): TextRow[] {
  const reasons = new Map<number, string>();
  const rows = table.map((row, at) => {
    const outcome = outcomes.get(keys[at]!)!;
    if ('answer' in outcome) return answeredRow(row, outcome.answer, columns);
    reasons.set(at, outcome.reason);
    return row;
  });
  if (reasons.size === 0) return rows;
  return onRowError === 'drop' ? rows.filter((_, at) => !reasons.has(at)) : withReasons(rows, table, reasons);
}
