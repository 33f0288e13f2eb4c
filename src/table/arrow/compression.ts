// Batches whose buffers are compressed, each by itself. How many bytes a buffer becomes stands in
// front of it, and can say anything.

import { BadFlatbuffer, type FlatTable } from './flatbuffer.ts';
import { BadLz4, decompressFrame } from './lz4.ts';
import { BadZstd, decompressZstd, NoZstd } from './zstd.ts';

/** How buffers are compressed. */
export type Codec = 'lz4' | 'zstd';

/** Codecs by their number in the format (`CompressionType` in Message.fbs). */
const CODECS: Readonly<Record<number, Codec>> = { 0: 'lz4', 1: 'zstd' };
const DECOMPRESS = { lz4: decompressFrame, zstd: decompressZstd } as const;

const LENGTH_BYTES = 8;
/** The length of a buffer that is not compressed after all. */
const STORED = -1n;

/**
 * How the buffers of a batch are compressed; null where they are not.
 *
 * @throws BadFlatbuffer for a way that is not known here
 */
export function codecOf(batch: FlatTable): Codec | null {
  const compression = batch.table(3);
  if (compression === null) return null;
  const codec = CODECS[compression.uint8(0)];
  if (codec === undefined || compression.uint8(1) !== 0)
    throw new BadFlatbuffer('it is compressed in a way that is not known here; write it with lz4, zstd or none');
  return codec;
}

/** Some bytes of a body. Throws a BadFlatbuffer where they are not there. */
export function regionOf(body: Uint8Array, [offset, length]: readonly number[]): Uint8Array {
  if (offset === undefined || length === undefined || offset + length > body.length)
    throw new BadFlatbuffer('it refers to bytes that are not there');
  return body.subarray(offset, offset + length);
}

/** How much there is to be read of a batch. */
export interface BodySize {
  /** Without compression, by what its buffers say: nothing is decompressed. */
  readonly bytes: number;
  /** How many buffers are compressed. */
  readonly compressed: number;
}

/**
 * The size of a batch's body.
 *
 * @throws BadFlatbuffer for a buffer that does not say how long it is
 */
export function bodySize(batch: FlatTable, body: Uint8Array): BodySize {
  if (codecOf(batch) === null) return { bytes: body.length, compressed: 0 };
  const lengths = batch.sizes(2, 2).map((region) => lengthOf(regionOf(body, region)).length);
  return { bytes: lengths.reduce((sum, length) => sum + length, 0), compressed: lengths.length };
}

/** How many bytes a buffer becomes, and whether it has these as they are. */
function lengthOf(buffer: Uint8Array): { readonly length: number; readonly isStored: boolean } {
  // Buffers without bytes need no length.
  if (buffer.length === 0) return { length: 0, isStored: true };
  if (buffer.length < LENGTH_BYTES) throw new BadFlatbuffer('a compressed part of it is cut short');
  const length = new DataView(buffer.buffer, buffer.byteOffset).getBigInt64(0, true);
  if (length === STORED) return { length: buffer.length - LENGTH_BYTES, isStored: true };
  if (length < 0n || length > BigInt(Number.MAX_SAFE_INTEGER))
    throw new BadFlatbuffer('a compressed part of it has a length that none has');
  return { length: Number(length), isStored: false };
}

/**
 * Decompresses a buffer. It takes as much memory as the buffer says: the caller has bounded the
 * sizes of all bodies.
 *
 * @throws BadFlatbuffer for one that does not become the bytes it says, or that cannot be
 *   decompressed here
 */
export function decompressed(buffer: Uint8Array, codec: Codec): Uint8Array {
  const { length, isStored } = lengthOf(buffer);
  const bytes = buffer.subarray(LENGTH_BYTES);
  if (isStored || (length === 0 && bytes.length === 0)) return bytes;
  try {
    return DECOMPRESS[codec](bytes, length);
  } catch (error) {
    if (error instanceof NoZstd)
      throw new BadFlatbuffer(
        'it is compressed with zstd, which Node 22.15 has, and browsers do not; write it with lz4 or without compression',
        { cause: error },
      );
    if (!(error instanceof BadLz4 || error instanceof BadZstd)) throw error;
    throw new BadFlatbuffer(`the ${length} bytes that it has as ${codec} cannot be read: ${error.message}`, {
      cause: error,
    });
  }
}
