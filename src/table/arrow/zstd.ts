// ZSTD is the runtime's own. It is asked for and not imported: browsers load what reads Arrow as
// well, and have none.

import { plainBytes } from '../bytes.ts';

/** Bytes that are no ZSTD, or that become more or fewer bytes than they should. */
export class BadZstd extends Error {
  override readonly name = 'BadZstd';
}

/** A runtime that has no ZSTD. */
export class NoZstd extends Error {
  override readonly name = 'NoZstd';
}

/**
 * Most bytes that may be looked back on, as powers of 2: a frame names how many, and as much memory
 * is taken. Every frame may have 8 MiB (RFC 8878), and no frame needs more than it becomes.
 */
const WINDOW_LOG = { min: 23, max: 30 } as const;
/** Node takes no shorter one. */
const CHUNK_BYTES_MIN = 64;

/**
 * Decompresses frames.
 *
 * @param length bytes that they become, for which memory is taken
 * @throws BadZstd, NoZstd where there is neither Node from 22.15 on nor what stands in for it
 */
export function decompressZstd(frames: Uint8Array, length: number): Uint8Array {
  const { process } = globalThis as { readonly process?: Partial<NodeJS.Process> };
  const zlib = process?.getBuiltinModule?.('node:zlib');
  if (zlib?.zstdDecompressSync === undefined) throw new NoZstd('This runtime has no ZSTD.');
  const windowLog = Math.min(Math.max(Math.ceil(Math.log2(length)), WINDOW_LOG.min), WINDOW_LOG.max);
  let bytes: Uint8Array;
  try {
    bytes = zlib.zstdDecompressSync(frames, {
      maxOutputLength: Math.max(length, 1),
      // One piece, and a byte to see that nothing comes after it.
      chunkSize: Math.max(length + 1, CHUNK_BYTES_MIN),
      params: { [zlib.constants.ZSTD_d_windowLogMax]: windowLog },
    });
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    throw new BadZstd(code === 'ERR_BUFFER_TOO_LARGE' ? 'they become more' : message, { cause });
  }
  if (bytes.length !== length) throw new BadZstd(`they become ${bytes.length}`);
  return plainBytes(bytes);
}
