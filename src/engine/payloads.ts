// Small payloads stay with their run in the ledger, larger ones go to the blob store: one place
// that knows which.

import { Readable } from 'node:stream';
import type { BlobStore, UntilRoom } from '../stores/blobs/blobs.ts';
import { formatBytes } from '../domain/bytes.ts';
import { gather } from '../domain/chunks.ts';
import { sha256 } from '../domain/digest.ts';
import {
  type BlobKey,
  type ByteRange,
  HELD_PAYLOAD_BYTES_MAX,
  INLINE_PAYLOAD_BYTES_MAX,
  type Payload,
  type PayloadFacts,
} from '../domain/payload.ts';

/** More bytes came than are taken; nothing of them is kept. */
export class PayloadTooLong extends Error {
  override readonly name = 'PayloadTooLong';
  readonly bytesMax: number;

  constructor(bytesMax: number) {
    super(`The payload is longer than ${formatBytes(bytesMax)}.`);
    this.bytesMax = bytesMax;
  }
}

/** Whether a payload is held in memory on its way. */
export const isHeld = ({ bytes }: PayloadFacts): boolean => bytes <= HELD_PAYLOAD_BYTES_MAX;

/** Writes and reads payloads wherever they belong. */
export class Payloads {
  readonly #blobs: BlobStore;

  constructor(blobs: BlobStore) {
    this.#blobs = blobs;
  }

  /**
   * Makes bytes ready for the ledger; those that do not fit there are durable in the blob store
   * when this resolves.
   */
  async store(bytes: Uint8Array, contentType: string, key: BlobKey): Promise<Payload> {
    const facts = { contentType, bytes: bytes.length, sha256: sha256(bytes) };
    // A copy of its own: bytes of a request share the memory of a larger buffer, and all of that
    // would travel to the ledger's thread.
    if (bytes.length <= INLINE_PAYLOAD_BYTES_MAX) return { ...facts, body: { inline: new Uint8Array(bytes) } };
    await this.#blobs.put(key, bytes);
    return { ...facts, body: { blob: key } };
  }

  /**
   * As `store`, of bytes that come in chunks and are never held all at once; where the chunks end
   * in an error, nothing of them is kept.
   *
   * @param untilRoom as `BlobStore.putStream` has it
   * @throws PayloadTooLong once there are more than `bytesMax`, StorageFull, and what the
   *   chunks throw
   */
  async storeStream(
    chunks: AsyncIterable<Uint8Array>,
    contentType: string,
    key: BlobKey,
    bytesMax: number,
    untilRoom?: UntilRoom,
  ): Promise<Payload> {
    const gathered = await gather(atMost(chunks, bytesMax), INLINE_PAYLOAD_BYTES_MAX);
    if (gathered instanceof Uint8Array) return this.store(gathered, contentType, key);
    const stored = await this.#blobs.putStream(key, gathered, untilRoom);
    return { contentType, ...stored, body: { blob: key } };
  }

  /**
   * The bytes of a payload, or a range of them; checked against their sha-256 when they come from
   * the blob store.
   */
  async read(payload: Payload, range?: ByteRange): Promise<Uint8Array> {
    if ('blob' in payload.body) return this.#blobs.get(payload.body.blob, payload, range);
    const { inline } = payload.body;
    return range === undefined ? inline : inline.subarray(range.from, range.to);
  }

  /**
   * The bytes of a payload, or a range of them: held where they are few (then checked already),
   * else as they are read from the disk (then as `BlobStore.stream` checks them). A stream that is
   * not read to its end must be destroyed.
   *
   * @throws BlobDamaged when it is plain already that they are not what was stored
   */
  async open(payload: Payload, range?: ByteRange): Promise<Uint8Array | Readable> {
    if ('blob' in payload.body && !isHeld(payload)) return this.#blobs.stream(payload.body.blob, payload, range);
    return this.read(payload, range);
  }

  /** As `open`, as a stream however few they are. */
  async stream(payload: Payload): Promise<Readable> {
    return 'inline' in payload.body
      ? Readable.from([payload.body.inline])
      : this.#blobs.stream(payload.body.blob, payload);
  }

  /** Deletes a payload that no run refers to: its run was refused, or its attempt lost. */
  async discard(payload: Payload): Promise<void> {
    if ('blob' in payload.body) await this.#blobs.delete(payload.body.blob);
  }
}

/** The same chunks, which end in PayloadTooLong once there are more than `bytesMax` bytes. */
export async function* atMost(chunks: AsyncIterable<Uint8Array>, bytesMax: number): AsyncGenerator<Uint8Array, void> {
  let bytes = 0;
  for await (const chunk of chunks) {
    bytes += chunk.length;
    if (bytes > bytesMax) throw new PayloadTooLong(bytesMax);
    yield chunk;
  }
}
