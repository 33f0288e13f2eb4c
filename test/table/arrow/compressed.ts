// Compressed Arrow for tests, written by apache-arrow with any codec, so that what it says of its
// buffers can be anything.

import { zstdCompressSync } from 'node:zlib';
import * as apache from 'apache-arrow';

/** What compresses a buffer, and how long it says that the buffer is. */
export interface Compression {
  readonly codec: 'lz4' | 'zstd';
  encode(bytes: Uint8Array): Uint8Array;
  /** Left out: as long as it is. */
  declared?(bytes: Uint8Array): bigint;
}

/** As it should be. */
export const ZSTD: Compression = { codec: 'zstd', encode: (bytes) => zstdCompressSync(bytes) };

/** What apache-arrow takes for a sign that a codec is one. */
const EXAMPLES = {
  lz4: Uint8Array.of(0x04, 0x22, 0x4d, 0x18, 0x40, 0x40, 0),
  zstd: zstdCompressSync(new Uint8Array()),
} as const;
const TYPES = { lz4: apache.CompressionType.LZ4_FRAME, zstd: apache.CompressionType.ZSTD } as const;

/** A table as a stream. Buffers that would not become shorter are stored as they are. */
export function compressedStream(table: apache.Table, { codec, encode, declared = lengthOf }: Compression): Buffer {
  const frames: { readonly bytes: Uint8Array; readonly length: bigint }[] = [];
  let isTaken = false;
  apache.compressionRegistry.set(TYPES[codec], {
    encode(bytes) {
      if (!isTaken) return EXAMPLES[codec];
      const frame = encode(bytes);
      if (frame.length < bytes.length) frames.push({ bytes: frame, length: declared(bytes) });
      return frame;
    },
    decode: () => {
      throw new Error('Nothing is read with it.');
    },
  });
  isTaken = true;
  const writer = new apache.RecordBatchStreamWriter({ compressionType: TYPES[codec] });
  for (const batch of table.batches) writer.write(batch);
  const stream = Buffer.from(writer.finish().toUint8Array(true));
  // It writes how long the compressed bytes are, where the format has how long they become.
  let at = 0;
  for (const { bytes, length } of frames) {
    at = stream.indexOf(bytes, at);
    stream.writeBigInt64LE(length, at - 8);
    at += bytes.length;
  }
  return stream;
}

const lengthOf = (bytes: Uint8Array): bigint => BigInt(bytes.length);
