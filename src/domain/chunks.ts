// Bytes that come in chunks.

/**
 * All of the bytes where there are at most `bytesMax`; else all of them as chunks, those that were
 * read already first. Chunks that are never asked for do not end their source: that is for its
 * owner.
 */
export async function gather(
  chunks: AsyncIterable<Uint8Array>,
  bytesMax: number,
): Promise<Uint8Array | AsyncGenerator<Uint8Array, void>> {
  const iterator = chunks[Symbol.asyncIterator]();
  const first: Uint8Array[] = [];
  for (let bytes = 0; bytes <= bytesMax; bytes += first.at(-1)!.length) {
    const next = await iterator.next();
    if (next.done === true) return Buffer.concat(first, bytes);
    first.push(next.value);
  }
  return joined(first, iterator);
}

async function* joined(first: Uint8Array[], iterator: AsyncIterator<Uint8Array>): AsyncGenerator<Uint8Array, void> {
  try {
    // Each is released once it was handed on.
    for (let chunk = first.shift(); chunk !== undefined; chunk = first.shift()) yield chunk;
    for (let next = await iterator.next(); next.done !== true; next = await iterator.next()) yield next.value;
  } finally {
    await iterator.return?.();
  }
}
