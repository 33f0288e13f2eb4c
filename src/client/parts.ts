// The parts of a batch as they end, each with its rows.

import type { Row } from '../table/rows.ts';
import type { PartBody, PartEventData, PartEventName } from '../wire/parts.ts';
import { type Content, valueOf } from './content.ts';
import { type ClaimcheckError, errorOfRun } from './errors.ts';
import { fetchContent } from './output.ts';
import { followStream, type StreamEvent } from './streams.ts';
import type { Transport } from './transport.ts';

/**
 * Outputs that are on their way at once: enough to hide the way to the server, and few enough to
 * hold.
 */
const IN_FLIGHT = 8;

const NAMES: ReadonlySet<string> = new Set<PartEventName>(['part', 'end']);

/** Rows of a batch from `from` (counted from 0) up to, but not including, `to`. */
export interface PartRows {
  readonly from: number;
  readonly to: number;
}

/** Some rows of a batch that have their output, or never will. */
export type Part<Out extends Row = Row> = {
  /** Which rows of the table that was sent. */
  readonly rows: PartRows;
  /** The chunk that has them: a run of its own, with logs. */
  readonly runId: string;
} & (
  | {
      /** As many rows as were sent. Values of a CSV are strings. */
      readonly table: Out[];
      /** The same as bytes, in the format of the whole output, with no value touched. */
      readonly content: Content;
      readonly error: null;
    }
  | { readonly table: null; readonly content: null; readonly error: ClaimcheckError }
);

/** How parts are followed. */
export interface PartsOptions {
  /** Stops following: what waited rejects with the signal's reason. The run goes on. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * The parts of a batch, each once; the stream is opened again where it breaks off. Leaving the loop
 * closes the connection.
 */
export async function* followParts<Out extends Row>(
  transport: Transport,
  path: string,
  { signal }: PartsOptions,
): AsyncGenerator<Part<Out>, void> {
  const left = new AbortController();
  const until = signal === undefined ? left.signal : AbortSignal.any([signal, left.signal]);
  const events = followStream<PartEventData>(transport, path, NAMES, { after: undefined, signal: until });
  try {
    yield* fetched(newParts(events), (part) => fetchPart<Out>(transport, part, until));
  } finally {
    left.abort(new DOMException('Nobody follows the parts any more.', 'AbortError'));
  }
}

/** Every part once: after a break, the server tells all of them again. */
async function* newParts(events: AsyncIterable<StreamEvent<PartEventData>>): AsyncGenerator<PartBody, void> {
  const seen = new Set<number>();
  for await (const event of events) {
    if (event.type === 'end') {
      if (event.data.status !== 'succeeded') throw errorOfRun(event.data);
      return;
    }
    if (seen.has(event.data.rows.from)) continue;
    seen.add(event.data.rows.from);
    yield event.data;
  }
}

/**
 * What is fetched for each, in the order in which they came, a few ahead; where they end in an
 * error, that comes last.
 */
async function* fetched<Item, Got>(
  items: AsyncIterator<Item, void>,
  fetchOne: (item: Item) => Promise<Got>,
): AsyncGenerator<Got, void> {
  const underway: Promise<Got>[] = [];
  let coming: Promise<Coming<Item>> | null = null;
  let over: Exclude<Coming<Item>, { kind: 'item' }> | null = null;
  while (over === null || underway.length > 0) {
    if (over === null && underway.length < IN_FLIGHT) coming ??= next(items);
    const oldest = underway[0]?.then((got) => ({ kind: 'got', got }) as const);
    const first = await Promise.race([coming, oldest].filter((one) => one !== null && one !== undefined));
    if (first.kind === 'got') {
      void underway.shift();
      yield first.got;
      continue;
    }
    coming = null;
    if (first.kind === 'item') underway.push(fetchSoon(fetchOne, first.item));
    else over = first;
  }
  if (over.kind === 'failed') throw over.error;
}

type Coming<Item> =
  | { readonly kind: 'item'; readonly item: Item }
  | { readonly kind: 'done' }
  | { readonly kind: 'failed'; readonly error: unknown };

async function next<Item>(items: AsyncIterator<Item, void>): Promise<Coming<Item>> {
  try {
    const { done, value } = await items.next();
    return done === true ? { kind: 'done' } : { kind: 'item', item: value };
  } catch (error) {
    return { kind: 'failed', error };
  }
}

/** Its failure waits until somebody asks: nobody may, once the loop is left. */
function fetchSoon<Item, Got>(fetchOne: (item: Item) => Promise<Got>, item: Item): Promise<Got> {
  const fetching = fetchOne(item);
  fetching.catch(() => {});
  return fetching;
}

async function fetchPart<Out extends Row>(
  transport: Transport,
  { run_id: runId, rows, status, error }: PartBody,
  signal: AbortSignal,
): Promise<Part<Out>> {
  if (status !== 'succeeded')
    return { rows, runId, table: null, content: null, error: errorOfRun({ run_id: runId, status, error }) };
  const content = await fetchContent(transport, runId, signal);
  return { rows, runId, table: (await valueOf(content)) as Out[], content, error: null };
}
