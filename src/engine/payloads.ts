// Small payloads stay with their run in the ledger, larger ones go to the blob store: one place that knows which.

import type { BlobStore } from '../blobs/blobs.ts';
import { sha256 } from '../domain/digest.ts';
import { type BlobKey, INLINE_PAYLOAD_BYTES_MAX, type Payload } from '../domain/payload.ts';

/** Writes and reads payloads wherever they belong. */
export class Payloads {
  readonly #blobs: BlobStore;

  constructor(blobs: BlobStore) {
    this.#blobs = blobs;
  }

  /** Makes bytes ready for the ledger; those that do not fit there are durable in the blob store when this resolves. */
  async store(bytes: Uint8Array, contentType: string, key: BlobKey): Promise<Payload> {
    const facts = { contentType, bytes: bytes.length, sha256: sha256(bytes) };
    // A copy of its own: bytes of a request share the memory of a larger buffer, and all of that would travel to the ledger's thread.
    if (bytes.length <= INLINE_PAYLOAD_BYTES_MAX) return { ...facts, body: { inline: new Uint8Array(bytes) } };
    await this.#blobs.put(key, bytes);
    return { ...facts, body: { blob: key } };
  }

  /** The bytes of a payload, checked against their sha-256 when they come from the blob store. */
  async read(payload: Payload): Promise<Uint8Array> {
    return 'inline' in payload.body ? payload.body.inline : this.#blobs.get(payload.body.blob, payload);
  }

  /** Lets go of a payload that no run refers to: its run was refused, or its attempt lost. */
  async discard(payload: Payload): Promise<void> {
    if ('blob' in payload.body) await this.#blobs.delete(payload.body.blob);
  }
}
