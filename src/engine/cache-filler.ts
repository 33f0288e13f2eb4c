// Fills the cache from runs as they go: a client that has claimed rows names the run that computes
// them, and from then on their answers are kept as the parts of that run end. A client that is
// killed loses nothing by it, and nobody computes its rows again.
//
// What a part was given and what it answered is taken from where the run is stored. The client
// keeps the same answers once more when it has them all, which changes nothing. Which runs are
// followed is known in memory alone: a client that lives names its run with every renewal, so a
// server that starts again follows it again.

import { hash } from 'node:crypto';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { Rounds } from '../system/loops.ts';
import type { RunId } from '../domain/ids.ts';
import { type Duration, milliseconds, minutes } from '../domain/time.ts';
import type { PartExchange, Runs } from './runs.ts';
import type { ChunkRecord, RunRecord } from '../stores/ledger/ledger.ts';
import type { Log } from '../system/log.ts';
import type { DiskRoom } from '../stores/disk/disk-room.ts';
import { convertTable } from '../table/convert.ts';
import { borderFormatOf, TableError, type TableFormat } from '../table/format.ts';
import { indexTable, sliceTable } from '../table/split.ts';
import { textRowsIn } from '../table/text-rows.ts';
import { type AnswerRules, entriesOf, outcomesOf } from '../cache/answers.ts';
import { Columns, type Owner } from '../cache/columns.ts';
import { keepAll } from '../cache/keep-all.ts';
import { keysOf } from '../cache/keys.ts';
import type { Answered, CachePlace, CacheStore } from '../cache/port.ts';

/**
 * Runs that are followed at once. Of any more, their clients alone keep the answers, at the end.
 */
const RUNS_MAX = 1_000;
/** Rows that are looked at before others have their turn: a few milliseconds. */
const ROWS_AT_ONCE = 500;
/** Claims are renewed so many times before they would lapse. */
const RENEWALS = 3;
/** Nobody is told that nothing has happened. */
const SILENCE: Duration = minutes(10);

/** What the filler works with. */
export interface CacheFillerDeps {
  readonly cache: CacheStore;
  readonly runs: Pick<Runs, 'followParts' | 'partExchange'>;
  readonly room: Pick<DiskRoom, 'assertRoom'>;
  readonly log: Log;
}

/** What a client says of the run that computes the rows it has claimed. */
export interface Filling {
  readonly place: CachePlace;
  readonly caller: string;
  /** How long its claims stand unless they are renewed. */
  readonly lease: Duration;
  readonly keyColumns: readonly string[];
  /** The column of the output that must have the key as it was sent; null for none. */
  readonly outputKeyColumn: string | null;
}

/** See the head of this file. */
export class CacheFiller {
  readonly #deps: CacheFillerDeps;
  readonly #following = new Map<RunId, Promise<void>>();
  readonly #closed = new AbortController();
  #turn: Promise<unknown> = Promise.resolve();

  constructor(parts: CacheFillerDeps) {
    this.#deps = parts;
  }

  /** Whether the answers of a run belong there, and can be told row by row. */
  static takes({ kind, tenant, endpoint, accept, input }: RunRecord, place: CachePlace): boolean {
    return (
      kind === 'batch' &&
      tenant === place.tenant &&
      endpoint === place.endpoint &&
      borderFormatOf(accept ?? input?.contentType ?? '') === 'jsonl'
    );
  }

  /** Follows a run to its end; one that is followed already, or comes too many, is let be. */
  fill(run: RunRecord, filling: Filling): void {
    const { runId } = run;
    if (this.#following.has(runId) || this.#following.size >= RUNS_MAX || this.#closed.signal.aborted) return;
    const fill = new Fill(this.#deps, run, filling, (work) => this.#inTurn(work));
    const following = fill
      .run(this.#closed.signal)
      .catch((error: unknown) => this.#deps.log.warn({ err: error, run_id: runId }, 'the cache is not filled further'))
      .finally(() => this.#following.delete(runId));
    this.#following.set(runId, following);
  }

  /** Follows no run any further. */
  async close(): Promise<void> {
    this.#closed.abort();
    await Promise.all(this.#following.values());
  }

  /** One part at a time over all runs, since each is held. */
  #inTurn(work: () => Promise<void>): Promise<void> {
    const done = this.#turn.then(work);
    this.#turn = done.catch(() => {});
    return done;
  }
}

/** What the rows of one version have shown. */
interface Learned {
  readonly columns: Columns;
  /** Whose each column was taken for when it was first met. */
  readonly owners: Map<string, Owner>;
}

/** One run that fills a cache. */
class Fill {
  readonly #deps: CacheFillerDeps;
  readonly #run: RunRecord;
  readonly #filling: Filling;
  readonly #inTurn: (work: () => Promise<void>) => Promise<void>;
  readonly #learned = new Map<number, Learned>();
  readonly #renewals: Rounds;

  constructor(
    parts: CacheFillerDeps,
    run: RunRecord,
    filling: Filling,
    inTurn: (work: () => Promise<void>) => Promise<void>,
  ) {
    this.#deps = parts;
    this.#run = run;
    this.#filling = filling;
    this.#inTurn = inTurn;
    this.#renewals = new Rounds(() => this.#renew(), milliseconds(filling.lease / RENEWALS));
  }

  async run(signal: AbortSignal): Promise<void> {
    const { runs } = this.#deps;
    // Nothing is kept of a run that one failed row ends.
    const keepsAtEnd = this.#run.batch?.onRowError === 'fail';
    const chunks: ChunkRecord[] = [];
    let kept = 0;
    this.#renewals.start();
    try {
      for await (const told of runs.followParts(this.#run, { silence: SILENCE, signal })) {
        if (told.kind === 'part' && told.chunk.status === 'succeeded') chunks.push(told.chunk);
        if (keepsAtEnd && !(told.kind === 'end' && told.run.status === 'succeeded')) continue;
        await this.#keepEach(chunks.slice(kept), false);
        kept = chunks.length;
      }
      // What later rows have shown of a column holds for those before them as well.
      if (!signal.aborted && this.#knowsBetter()) await this.#keepEach(chunks, true);
    } finally {
      await this.#renewals.stop();
    }
  }

  async #keepEach(chunks: readonly ChunkRecord[], replaces: boolean): Promise<void> {
    for (const chunk of chunks) await this.#keep(chunk, replaces);
  }

  #keep(chunk: ChunkRecord, replaces: boolean): Promise<void> {
    return this.#inTurn(async () => {
      const exchange = await this.#deps.runs.partExchange(this.#run, chunk);
      if (exchange === null) return;
      for await (const entries of this.#answersOf(exchange, chunk.rows.from)) {
        const { cache, room } = this.#deps;
        const { place, caller } = this.#filling;
        room.assertRoom();
        const kept = { version: exchange.version, caller, entries, replaces };
        await keepAll({ keep: (some) => cache.keep(place, some) }, kept);
        await nextTurn();
      }
    });
  }

  async *#answersOf({ input, output, version }: PartExchange, firstRow: number): AsyncGenerator<Answered[], void> {
    const sent = linesOf(input.bytes, input.contentType);
    const [sentIndex, cameIndex] = [indexTable(sent, 'jsonl'), indexTable(output.content, 'jsonl')];
    if (sentIndex.rows !== cameIndex.rows)
      throw new TableError(`${sentIndex.rows} rows were sent, and ${cameIndex.rows} came back.`);
    const learned = this.#learnedOf(version);
    for (let from = 0; from < sentIndex.rows; from += ROWS_AT_ONCE) {
      const to = Math.min(from + ROWS_AT_ONCE, sentIndex.rows);
      const rows = textRowsIn(sliceTable(sent, sentIndex, from, to));
      const keys = await keysOf(rows, this.#filling.keyColumns, sha256Of);
      const places = rows.map((_, at) => firstRow + from + at);
      const outcomes = outcomesOf(rows, sliceTable(output.content, cameIndex, from, to), this.#rules(places, learned));
      for (const column of rows.flatMap((row) => [...row.keys()]))
        if (!learned.owners.has(column)) learned.owners.set(column, learned.columns.ownerOf(column));
      yield entriesOf(keys, outcomes);
    }
  }

  #rules(places: readonly number[], { columns }: Learned): AnswerRules {
    const { keyColumns, outputKeyColumn } = this.#filling;
    const check = outputKeyColumn === null ? null : { outputKeyColumn, keyColumn: keyColumns[0]! };
    return { places, keyColumns, check, columns };
  }

  #learnedOf(version: number): Learned {
    const learned = this.#learned.get(version) ?? { columns: new Columns(), owners: new Map<string, Owner>() };
    this.#learned.set(version, learned);
    return learned;
  }

  /**
   * Whether a column turned out to be another's than it was taken for, so that an answer may have
   * been kept otherwise than it would be now.
   */
  #knowsBetter(): boolean {
    return [...this.#learned.values()].some(({ columns, owners }) =>
      [...owners].some(([column, owner]) => columns.ownerOf(column) !== owner),
    );
  }

  async #renew(): Promise<void> {
    const { cache, log } = this.#deps;
    const { place, caller, lease } = this.#filling;
    // Claims that lapse cost work and nothing else, and the next round renews what is left of them.
    await cache
      .renew(place, caller, lease)
      .catch((error: unknown) => log.debug({ err: error, run_id: this.#run.runId }, 'claims were not renewed'));
  }
}

/** A table as JSON Lines. */
function linesOf(bytes: Uint8Array, contentType: string): Uint8Array {
  const format = borderFormatOf(contentType) as TableFormat;
  return format === 'jsonl' ? bytes : convertTable(bytes, format, 'jsonl');
}

const sha256Of = (texts: readonly string[]): string[] => texts.map((text) => hash('sha256', text, 'hex'));
