// The tables of the batches that run here: read and indexed once, cut into chunks as replicas take them. Chunks of a batch that another
// server puts together are executed here too, so the last few of those tables are kept as well.

import type { RowRange } from '../domain/batch.ts';
import type { RunId } from '../domain/ids.ts';
import { type Duration, minutes } from '../domain/time.ts';
import type { Ledger } from '../ledger/ledger.ts';
import { CONTENT_TYPES, tableFormatOf } from '../table/format.ts';
import { indexTable, sliceTable, type TableIndex } from '../table/split.ts';
import type { Payloads } from './payloads.ts';

/** Bytes of tables, with their indexes, that are kept for batches of other servers: as many as the largest body has by default. The last one stays however large it is. */
const KEPT_BYTES_MAX = 256 * 1_024 * 1_024;
/** They are let go of when none was cut from for this long. */
const KEPT_FOR: Duration = minutes(1);

/** A batch's input, and where its rows lie. */
export interface BatchInput {
  readonly bytes: Uint8Array;
  readonly index: TableIndex;
  /** Content type of the chunks that are cut from it. */
  readonly contentType: string;
}

interface KeptInput {
  readonly input: Promise<BatchInput>;
  /** 0 until it has been read. */
  bytes: number;
}

/** Holds the inputs of active batches. A chunk's input is never stored: it is a part of what is stored already. */
export class BatchInputs {
  readonly #ledger: Ledger;
  readonly #payloads: Payloads;
  readonly #keptBytesMax: number;
  readonly #open = new Map<RunId, Promise<BatchInput>>();
  /** Tables of other servers' batches; the one that was cut from last is the last. */
  readonly #kept = new Map<RunId, KeptInput>();
  #forgetting: NodeJS.Timeout | undefined;

  constructor(ledger: Ledger, payloads: Payloads, keptBytesMax = KEPT_BYTES_MAX) {
    this.#ledger = ledger;
    this.#keptBytesMax = keptBytesMax;
    this.#payloads = payloads;
  }

  /** Reads and indexes a batch's input; held until `close`. */
  open(parentId: RunId): Promise<BatchInput> {
    const opened = this.#open.get(parentId) ?? this.#read(parentId);
    this.#open.set(parentId, opened);
    return opened;
  }

  /** The given rows as a table of their own, byte for byte as they came. */
  async slice(parentId: RunId, { from, to }: RowRange): Promise<{ bytes: Uint8Array; contentType: string }> {
    const { bytes, index, contentType } = await (this.#open.get(parentId) ?? this.#keep(parentId));
    return { bytes: sliceTable(bytes, index, from, to), contentType };
  }

  close(parentId: RunId): void {
    this.#open.delete(parentId);
  }

  /** The input of a batch that is not open here; chunks that come together share one reading. */
  #keep(parentId: RunId): Promise<BatchInput> {
    const kept = this.#kept.get(parentId) ?? { input: this.#readToKeep(parentId), bytes: 0 };
    this.#kept.delete(parentId);
    this.#kept.set(parentId, kept);
    this.#forgetting ??= setTimeout(() => this.#kept.clear(), KEPT_FOR).unref();
    this.#forgetting.refresh();
    return kept.input;
  }

  async #readToKeep(parentId: RunId): Promise<BatchInput> {
    try {
      const input = await this.#read(parentId);
      const kept = this.#kept.get(parentId);
      if (kept !== undefined) kept.bytes = input.bytes.length + input.index.spans.byteLength;
      this.#letGoOfOldest();
      return input;
    } catch (error) {
      this.#kept.delete(parentId);
      throw error;
    }
  }

  #letGoOfOldest(): void {
    let total = [...this.#kept.values()].reduce((sum, { bytes }) => sum + bytes, 0);
    for (const [parentId, { bytes }] of [...this.#kept].slice(0, -1)) {
      if (total <= this.#keptBytesMax) return;
      // One that is still being read has no size yet, and is wanted.
      if (bytes > 0) this.#kept.delete(parentId);
      total -= bytes;
    }
  }

  async #read(parentId: RunId): Promise<BatchInput> {
    const payload = await this.#ledger.payload(parentId, 'input');
    const format = payload === null ? null : tableFormatOf(payload.contentType);
    if (payload === null || format === null) throw new Error(`Run ${parentId} has no table for input.`);
    const bytes = await this.#payloads.read(payload);
    return { bytes, index: indexTable(bytes, format), contentType: CONTENT_TYPES[format] };
  }
}
