// Reads what a replica answers, up to a limit: the memory of the server is not a model's to fill.

import type { Dispatcher } from 'undici';

/** The bytes of an answer, or null where they are more than `bytesMax`: then the connection is closed, and the rest is never read. */
export async function readAtMost(
  bytesMax: number,
  { headers, body }: Dispatcher.ResponseData,
): Promise<Uint8Array | null> {
  if (Number(headers['content-length'] ?? 0) > bytesMax) return refuse(body);
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of body as AsyncIterable<Uint8Array>) {
    length += chunk.length;
    // Leaving the loop closes the connection.
    if (length > bytesMax) return null;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks, length);
}

function refuse(body: Dispatcher.ResponseData['body']): null {
  // Its own complaint about being cut off is no news.
  body.on('error', () => {}).destroy();
  return null;
}
