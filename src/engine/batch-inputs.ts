// The tables of the batches that run here: read and indexed once, cut into chunks as replicas take them.

import type { RowRange } from '../domain/batch.ts';
import type { RunId } from '../domain/ids.ts';
import type { Ledger } from '../ledger/ledger.ts';
import { CONTENT_TYPES, tableFormatOf } from '../table/format.ts';
import { indexTable, sliceTable, type TableIndex } from '../table/split.ts';
import type { Payloads } from './payloads.ts';

/** A batch's input, and where its rows lie. */
export interface BatchInput {
  readonly bytes: Uint8Array;
  readonly index: TableIndex;
  /** Content type of the chunks that are cut from it. */
  readonly contentType: string;
}

/** Holds the inputs of active batches. A chunk's input is never stored: it is a part of what is stored already. */
export class BatchInputs {
  readonly #ledger: Ledger;
  readonly #payloads: Payloads;
  readonly #open = new Map<RunId, Promise<BatchInput>>();

  constructor(ledger: Ledger, payloads: Payloads) {
    this.#ledger = ledger;
    this.#payloads = payloads;
  }

  /** Reads and indexes a batch's input; held until `close`. */
  open(parentId: RunId): Promise<BatchInput> {
    const opened = this.#open.get(parentId) ?? this.#read(parentId);
    this.#open.set(parentId, opened);
    return opened;
  }

  /** The given rows as a table of their own, byte for byte as they came. Of a batch that is not open here it is read anew each time. */
  async slice(parentId: RunId, { from, to }: RowRange): Promise<{ bytes: Uint8Array; contentType: string }> {
    const { bytes, index, contentType } = await (this.#open.get(parentId) ?? this.#read(parentId));
    return { bytes: sliceTable(bytes, index, from, to), contentType };
  }

  close(parentId: RunId): void {
    this.#open.delete(parentId);
  }

  async #read(parentId: RunId): Promise<BatchInput> {
    const payload = await this.#ledger.payload(parentId, 'input');
    const format = payload === null ? null : tableFormatOf(payload.contentType);
    if (payload === null || format === null) throw new Error(`Run ${parentId} has no table for input.`);
    const bytes = await this.#payloads.read(payload);
    return { bytes, index: indexTable(bytes, format), contentType: CONTENT_TYPES[format] };
  }
}
