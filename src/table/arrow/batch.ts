// A batch of rows: where the bytes of each column lie, handed out in the order of the format, and
// never more than there are.

import { type Codec, codecOf, decompressed, regionOf } from './compression.ts';
import { BadFlatbuffer, type FlatTable } from './flatbuffer.ts';
import { wellFormed } from './stream.ts';

/** How many values a column of a batch has, and how many of them are null. */
export interface BatchNode {
  readonly length: number;
  readonly nulls: number;
}

/** Typed arrays whose elements columns are made of. */
export type NumberArray =
  | Int8Array
  | Uint8Array
  | Int16Array
  | Uint16Array
  | Int32Array
  | Uint32Array
  | BigInt64Array
  | BigUint64Array
  | Float32Array
  | Float64Array;

interface ArrayMaker<Result extends NumberArray> {
  readonly BYTES_PER_ELEMENT: number;
  new (buffer: ArrayBufferLike, byteOffset: number, length: number): Result;
}

/** The parts of one record batch, each taken once and in order. */
export class BatchPieces {
  readonly length: number;
  readonly #codec: Codec | null;
  readonly #nodes: number[][];
  readonly #regions: number[][];
  readonly #viewBuffers: number[][];
  readonly #body: Uint8Array;
  #node = 0;
  #region = 0;
  #view = 0;

  /**
   * @throws BadFlatbuffer for a batch whose description lies outside of it, or that is compressed
   *   in a way that is not known here
   */
  constructor(header: FlatTable, body: Uint8Array) {
    this.length = header.size(0);
    this.#codec = codecOf(header);
    this.#nodes = header.sizes(1, 2);
    this.#regions = header.sizes(2, 2);
    this.#viewBuffers = header.sizes(4, 1);
    this.#body = body;
  }

  /**
   * The next column is one of the batch's own, and no part of another: one with values beyond its
   * rows would lose them unsaid.
   */
  beginColumn(): void {
    const [length] = this.#nodes[this.#node] ?? [];
    if (length !== undefined && length > this.length) throw new BadFlatbuffer('it has more values than there are rows');
  }

  /** The next column's counts; it must have at least so many values. */
  node(lengthMin: number): BatchNode {
    const [length, nulls] = this.#nodes[this.#node] ?? [];
    this.#node += 1;
    if (length === undefined || nulls === undefined || length < lengthMin)
      throw new BadFlatbuffer('it has fewer values than it says');
    return { length, nulls };
  }

  /** Which of the values are there, as bits; null where all are. */
  validity({ length, nulls }: BatchNode): Uint8Array | null {
    const region = this.#next();
    if (nulls === 0) return null;
    const bits = this.#plain(region);
    if (bits.length * 8 < length) throw new BadFlatbuffer('it does not say which of its values are null');
    return bits;
  }

  /** The next buffer as numbers, of which there must be so many. */
  numbers<Result extends NumberArray>(Maker: ArrayMaker<Result>, count: number): Result {
    const bytes = this.bytes();
    const size = count * Maker.BYTES_PER_ELEMENT;
    if (bytes.length < size) throw new BadFlatbuffer('it has fewer values than it says');
    // Typed arrays stand at multiples of their elements' size, and a body may lie anywhere in what
    // came.
    const aligned = bytes.byteOffset % Maker.BYTES_PER_ELEMENT === 0 ? bytes : bytes.slice(0, size);
    return new Maker(aligned.buffer, aligned.byteOffset, count);
  }

  /** The next buffer, without compression. */
  bytes(): Uint8Array {
    return this.#plain(this.#next());
  }

  /** The buffers that views of the next column point into. */
  viewed(): Uint8Array[] {
    const [count] = this.#viewBuffers[this.#view] ?? [];
    this.#view += 1;
    if (count === undefined || count > this.#regions.length)
      throw new BadFlatbuffer('it does not say where its texts are');
    return Array.from({ length: count }, () => this.bytes());
  }

  #next(): Uint8Array {
    const region = regionOf(this.#body, this.#regions[this.#region] ?? []);
    this.#region += 1;
    return region;
  }

  #plain(region: Uint8Array): Uint8Array {
    return this.#codec === null ? region : decompressed(region, this.#codec);
  }
}

/** A batch by its description. Throws a TableError where that makes no sense. */
export function openBatch(header: FlatTable, body: Uint8Array): BatchPieces {
  return wellFormed(() => new BatchPieces(header, body), 'a batch of its rows cannot be read');
}
