// The tables of the batches that run here: read once, cut into chunks as replicas take them. Chunks
// of a batch that another server puts together are executed here too, so the last few of those
// tables are kept as well.

import type { RowRange } from '../../domain/batch.ts';
import type { RunId } from '../../domain/ids.ts';
import { type Duration, minutes } from '../../domain/time.ts';
import type { RunReader } from '../../stores/ledger/ledger.ts';
import { borderFormatOf, CONTENT_TYPES } from '../../table/format.ts';
import { type BatchTable, openTable, type TableDeps } from './table.ts';

/**
 * Bytes of tables that are kept for batches of other servers: as many as the largest body has by
 * default. The last one stays however large it is.
 */
const KEPT_BYTES_MAX = 256 * 1_024 * 1_024;
/** They are released when none was cut from for this long. */
const KEPT_FOR: Duration = minutes(1);

interface KeptInput {
  readonly input: Promise<BatchTable>;
  /** 0 until it has been read. */
  bytes: number;
}

/** Some rows of a table. */
export interface Slice {
  readonly bytes: Uint8Array;
  readonly contentType: string;
  /** Those of the whole table. */
  readonly columns: readonly string[];
}

/**
 * Holds the inputs of active batches. A chunk's input is never stored: it is a part of what is
 * stored already.
 */
export class BatchInputs {
  readonly #ledger: RunReader;
  readonly #deps: TableDeps;
  readonly #keptBytesMax: number;
  readonly #open = new Map<RunId, Promise<BatchTable>>();
  /** Tables of other servers' batches; the one that was cut from last is the last. */
  readonly #kept = new Map<RunId, KeptInput>();
  #forgetting: NodeJS.Timeout | undefined;

  constructor(ledger: RunReader, deps: TableDeps, keptBytesMax = KEPT_BYTES_MAX) {
    this.#ledger = ledger;
    this.#keptBytesMax = keptBytesMax;
    this.#deps = deps;
  }

  /** Opens a batch's table; held until `close`. */
  open(parentId: RunId): Promise<BatchTable> {
    const there = this.#open.get(parentId);
    if (there !== undefined) return there;
    const opened = this.#read(parentId);
    this.#open.set(parentId, opened);
    // The next caller may find the store in a better state.
    opened.catch(() => this.close(parentId));
    return opened;
  }

  /** The given rows as a table of their own, byte for byte as they came. */
  async slice(parentId: RunId, rows: RowRange): Promise<Slice> {
    const table = await (this.#open.get(parentId) ?? this.#keep(parentId));
    const contentType = CONTENT_TYPES[table.format];
    return { bytes: await table.slice(rows), contentType, columns: table.columns ?? [] };
  }

  close(parentId: RunId): void {
    this.#open.delete(parentId);
  }

  /** The input of a batch that is not open here; chunks that come together share one reading. */
  #keep(parentId: RunId): Promise<BatchTable> {
    const kept = this.#kept.get(parentId) ?? { input: this.#readToKeep(parentId), bytes: 0 };
    this.#kept.delete(parentId);
    this.#kept.set(parentId, kept);
    this.#forgetting ??= setTimeout(() => this.#kept.clear(), KEPT_FOR).unref();
    this.#forgetting.refresh();
    return kept.input;
  }

  async #readToKeep(parentId: RunId): Promise<BatchTable> {
    try {
      const input = await this.#read(parentId);
      const kept = this.#kept.get(parentId);
      if (kept !== undefined) kept.bytes = input.heldBytes;
      this.#dropOldest();
      return input;
    } catch (error) {
      this.#kept.delete(parentId);
      throw error;
    }
  }

  #dropOldest(): void {
    let total = [...this.#kept.values()].reduce((sum, { bytes }) => sum + bytes, 0);
    for (const [parentId, { bytes }] of [...this.#kept].slice(0, -1)) {
      if (total <= this.#keptBytesMax) return;
      // One that is still being read has no size yet, and is wanted.
      if (bytes > 0) this.#kept.delete(parentId);
      total -= bytes;
    }
  }

  async #read(parentId: RunId): Promise<BatchTable> {
    const payload = await this.#ledger.payload(parentId, 'input');
    const format = payload === null ? null : borderFormatOf(payload.contentType);
    if (payload === null || format === null) throw new Error(`Run ${parentId} has no table for input.`);
    return openTable(this.#deps, payload, format);
  }
}
