// Reads what a replica answers, up to a limit: the memory of the server is not a model's to fill,
// and its disk neither.

import type { Dispatcher } from 'undici';
import { gather } from '../domain/chunks.ts';
import { HELD_PAYLOAD_BYTES_MAX, type Payload } from '../domain/payload.ts';

type Response = Pick<Dispatcher.ResponseData, 'headers' | 'body'>;

/** Stores an output that is too long to be held while it comes. */
export type KeepOutput = (chunks: AsyncIterable<Uint8Array>, contentType: string) => Promise<Payload>;

/** An answer was too long, and the rest of it was never read. */
export class TooLong extends Error {
  override readonly name = 'TooLong';
}

/**
 * What failed was neither the model nor its process: its input could not be read here, or its
 * output not be stored.
 */
export class OwnFault extends Error {
  override readonly name = 'OwnFault';
  readonly of: 'input' | 'output';

  constructor(of: 'input' | 'output', cause: unknown) {
    super(`The ${of} of an invocation could not be ${of === 'input' ? 'read' : 'stored'}.`, { cause });
    this.of = of;
  }
}

/**
 * The bytes of an answer.
 *
 * @throws TooLong where they are more than `bytesMax`: then the connection is closed, and the rest
 *   is never read
 */
export async function readAnswer({ headers, body }: Response, bytesMax: number): Promise<Uint8Array> {
  if ((announced(headers) ?? 0) > bytesMax) throw refused(body);
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of body as AsyncIterable<Uint8Array>) {
    length += chunk.length;
    // Leaving the loop closes the connection.
    if (length > bytesMax) throw new TooLong();
    chunks.push(chunk);
  }
  return Buffer.concat(chunks, length);
}

/**
 * As `readAnswer` where the bytes are few; else what `keep` has made of them.
 *
 * @throws TooLong, OwnFault where `keep` fails although the answer comes as it should
 */
export async function keepAnswer(
  response: Response,
  bytesMax: number,
  keep: (chunks: AsyncIterable<Uint8Array>) => Promise<Payload>,
): Promise<Uint8Array | Payload> {
  const { headers, body } = response;
  // Most say how few they are: those need no more than a buffer.
  const length = announced(headers);
  if (length !== null && length <= HELD_PAYLOAD_BYTES_MAX) return readAnswer(response, bytesMax);
  if (length !== null && length > bytesMax) throw refused(body);
  const gathered = await gather(atMost(bytesMax, body), HELD_PAYLOAD_BYTES_MAX);
  if (gathered instanceof Uint8Array) return gathered;
  let broken: Error | null = null;
  async function* watched(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void> {
    try {
      yield* chunks;
    } catch (error) {
      broken = error as Error;
      throw error;
    }
  }
  try {
    return await keep(watched(gathered));
  } catch (cause) {
    release(body);
    throw broken ?? new OwnFault('output', cause);
  }
}

/** How long the answer says that it is, or null where it does not. */
function announced(headers: Response['headers']): number | null {
  const length = headers['content-length'];
  return length === undefined ? null : Number(length);
}

/** Ending the iteration early closes the connection. */
async function* atMost(bytesMax: number, body: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void> {
  let length = 0;
  for await (const chunk of body) {
    length += chunk.length;
    if (length > bytesMax) throw new TooLong();
    yield chunk;
  }
}

function refused(body: Response['body']): TooLong {
  release(body);
  return new TooLong();
}

function release(body: Response['body']): void {
  // Its own complaint about being cut off is no news.
  body.on('error', () => {}).destroy();
}
