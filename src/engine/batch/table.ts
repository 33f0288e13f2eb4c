// The table of a batch, from which its chunks are cut. One that is small, or JSON records, is held,
// and so is Arrow, as the JSON Lines that its chunks are; a longer one stays where it is stored: it
// is read through once for where its rows stand, and a few bytes of it again for each chunk.

import type { RowRange } from '../../domain/batch.ts';
import type { Payload } from '../../domain/payload.ts';
import type { Likeness } from '../../table/arrow/from-lines.ts';
import type { BorderFormat, TableFormat } from '../../table/format.ts';
import { namesInstances } from '../../table/json/json.ts';
import { sliceTable, type TableIndex } from '../../table/split.ts';
import {
  indexPiece,
  isByLines,
  pieceWith,
  slicePiece,
  surveyTable,
  type TablePiece,
  type TableSurvey,
} from '../../table/survey.ts';
import { isHeld, type Payloads } from '../payloads.ts';
import type { ArrowConverter } from './arrow-converter.ts';

/**
 * Pieces of a stored table that are kept, since small chunks are cut one after the other from the
 * same. Each is about 64 KiB.
 */
const KEPT_PIECES = 8;
/** What a mark takes in memory, in bytes: an object with two numbers. */
const MARK_BYTES = 40;

/** A table that is well formed. */
export interface BatchTable {
  /** The format that it came in. */
  readonly given: BorderFormat;
  /** The format of what is cut from it: JSON Lines where it came as Arrow. */
  readonly format: TableFormat;
  /**
   * The types of an Arrow table's columns, for an output that is to be like it; null for text,
   * which has none.
   */
  readonly likeness: Likeness | null;
  readonly rows: number;
  /** The names in the header, in JSON in all rows; null for JSON without any. */
  readonly columns: readonly string[] | null;
  /** Whether it came as {"instances": […]}. */
  readonly isInstances: boolean;
  /** About how much memory it takes, in bytes. */
  readonly heldBytes: number;
  /** Some of its rows as a table of their own, byte for byte as they came. */
  slice(rows: RowRange): Promise<Uint8Array>;
}

/** What tables are opened with. */
export interface TableDeps {
  readonly payloads: Payloads;
  readonly arrow: ArrowConverter;
}

/**
 * The table in a payload.
 *
 * @throws TableError for one that is not well formed, BlobDamaged
 */
export async function openTable(deps: TableDeps, payload: Payload, format: BorderFormat): Promise<BatchTable> {
  const { payloads, arrow } = deps;
  if (!isByLines(format) || isHeld(payload)) return holdTable(await payloads.read(payload), format, arrow);
  return new StoredTable(payloads, payload, await surveyTable(await payloads.stream(payload), format));
}

/** A table in hand. Throws as `openTable` does. */
export async function holdTable(bytes: Uint8Array, format: BorderFormat, arrow: ArrowConverter): Promise<BatchTable> {
  if (format !== 'arrow') return new HeldTable(bytes, await arrow.index(bytes, format), null);
  const { lines, index, likeness } = await arrow.read(bytes);
  return new HeldTable(lines, index, likeness);
}

class HeldTable implements BatchTable {
  readonly given: BorderFormat;
  readonly format: TableFormat;
  readonly likeness: Likeness | null;
  readonly rows: number;
  readonly heldBytes: number;
  readonly #bytes: Uint8Array;
  readonly #index: TableIndex;

  constructor(bytes: Uint8Array, index: TableIndex, likeness: Likeness | null) {
    this.given = likeness === null ? index.format : 'arrow';
    this.format = index.format;
    this.likeness = likeness;
    this.rows = index.rows;
    this.heldBytes = bytes.length + index.spans.byteLength;
    this.#bytes = bytes;
    this.#index = index;
  }

  get isInstances(): boolean {
    return this.format === 'json' && namesInstances(this.#bytes);
  }

  get columns(): readonly string[] | null {
    return this.#index.columns;
  }

  async slice({ from, to }: RowRange): Promise<Uint8Array> {
    return sliceTable(this.#bytes, this.#index, from, to);
  }
}

interface ReadPiece {
  readonly bytes: Uint8Array;
  readonly spans: Uint32Array;
  readonly firstRow: number;
}

class StoredTable implements BatchTable {
  readonly given: TableFormat;
  readonly format: TableFormat;
  readonly likeness = null;
  readonly rows: number;
  readonly columns: readonly string[] | null;
  readonly isInstances = false;
  readonly heldBytes: number;
  readonly #payloads: Payloads;
  readonly #payload: Payload;
  readonly #survey: TableSurvey;
  /** Pieces by their first row; the one that was cut from last is the last. */
  readonly #kept = new Map<number, Promise<ReadPiece>>();

  constructor(payloads: Payloads, payload: Payload, survey: TableSurvey) {
    this.given = survey.format;
    this.format = survey.format;
    this.rows = survey.rows;
    this.columns = survey.columns;
    this.heldBytes = survey.marks.length * MARK_BYTES;
    this.#payloads = payloads;
    this.#payload = payload;
    this.#survey = survey;
  }

  async slice({ from, to }: RowRange): Promise<Uint8Array> {
    if (from === to) return this.#survey.header;
    const piece = pieceWith(this.#survey, from, to);
    return slicePiece(this.#survey, await (piece.isSmallest ? this.#keep(piece) : this.#read(piece)), from, to);
  }

  #keep(piece: TablePiece): Promise<ReadPiece> {
    const { row } = piece.first;
    const read = this.#kept.get(row) ?? this.#read(piece);
    this.#kept.delete(row);
    this.#kept.set(row, read);
    read.catch(() => this.#kept.delete(row));
    const [oldest] = this.#kept.keys();
    if (this.#kept.size > KEPT_PIECES) this.#kept.delete(oldest!);
    return read;
  }

  async #read(piece: TablePiece): Promise<ReadPiece> {
    const range = { from: piece.first.offset, to: piece.last.offset };
    const bytes = await this.#payloads.read(this.#payload, range);
    return { bytes, spans: indexPiece(this.#survey, bytes, piece), firstRow: piece.first.row };
  }
}
