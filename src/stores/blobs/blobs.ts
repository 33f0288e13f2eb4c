// The port to the store of payloads that are too large for the ledger. A driver is done when the
// conformance suite in test/stores/blobs/ passes for it.

import type { Readable } from 'node:stream';
import { parseRunId, type RunId } from '../../domain/ids.ts';
import type { BlobKey, ByteRange, PayloadFacts } from '../../domain/payload.ts';
import { type Duration, hours, type Instant } from '../../domain/time.ts';

/** The key of a run's input. */
export const inputKey = (runId: RunId): BlobKey => `${runId}.input` as BlobKey;

/**
 * The key of an attempt's output: each attempt has its own, so that a late one cannot overwrite the
 * one that was published.
 */
export const outputKey = (runId: RunId, attempt: number): BlobKey => `${runId}.output.${attempt}` as BlobKey;

/**
 * The key of an input that an attempt has fetched from where it lies; no run names it, and it goes
 * with the attempt.
 */
export const fetchedKey = (runId: RunId, attempt: number): BlobKey => `${runId}.fetched.${attempt}` as BlobKey;

/** The run whose blob a key names, or null for a text that is no key. */
export function runIdOf(key: string): RunId | null {
  const [, runId] = /^([^.]+)\.(?:input|output\.\d+|fetched\.\d+)$/.exec(key) ?? [];
  return runId === undefined ? null : parseRunId(runId);
}

/**
 * A blob is stored before it is named; one that is younger than this may be about to be, and is no
 * orphan.
 */
export const ORPHAN_AGE: Duration = hours(1);

/**
 * A blob that is not what was stored: certainly missing, cut short, or with other bytes. It is
 * never handed out. A blob that cannot be looked at may be whole: that is StorageUnavailable, which
 * every verb of a store may throw.
 */
export class BlobDamaged extends Error {
  override readonly name = 'BlobDamaged';
}

/** A blob that is in the store, of any run or capture. */
export interface StoredBlob {
  readonly key: BlobKey;
  readonly bytes: number;
  readonly storedAt: Instant;
}

/** What is known of bytes once the last of them was stored. */
export interface StoredBytes {
  readonly bytes: number;
  readonly sha256: string;
}

/** Does work that may find no room, once or until there is some; see `DiskRoom.insist`. */
export type UntilRoom = <Result>(work: () => Promise<Result>) => Promise<Result>;

/** See the head of this file. */
export interface BlobStore {
  /**
   * Stores bytes under a key; durable when the promise resolves. Storing again under the same key
   * replaces it whole.
   *
   * @throws StorageFull when there is no room; nothing is left of them then
   */
  put(key: BlobKey, bytes: Uint8Array): Promise<void>;
  /**
   * Stores bytes under a key as they come, holding no more than one chunk of them; durable when the
   * promise resolves. Until then nothing is under the key, or what was there before; where the
   * chunks end in an error nothing is left of them.
   *
   * @param untilRoom how a chunk is written; unset, once
   * @throws StorageFull as `put` does, and what the chunks throw
   */
  putStream(key: BlobKey, chunks: AsyncIterable<Uint8Array>, untilRoom?: UntilRoom): Promise<StoredBytes>;
  /**
   * The bytes under a key, or a range of them. For a range, all of them are verified first: once,
   * unless they are touched again.
   *
   * @throws BlobDamaged when they do not have the length and the sha-256 that the facts say
   */
  get(key: BlobKey, facts: PayloadFacts, range?: ByteRange): Promise<Uint8Array>;
  /**
   * As `get`, as they are read from the disk. A stream of all of them fails in place of its last
   * chunk where they have another sha-256 than the facts say; where it does not, they are verified
   * for ranges as well.
   *
   * @throws BlobDamaged when they do not have the length that the facts say, or (for a range) the
   *   sha-256
   */
  stream(key: BlobKey, facts: PayloadFacts, range?: ByteRange): Promise<Readable>;
  /**
   * Reads the bytes under a key without keeping them.
   *
   * @throws BlobDamaged as `get` does
   */
  verify(key: BlobKey, facts: PayloadFacts): Promise<void>;
  /**
   * Everything that is stored, in no order; what is stored or deleted meanwhile may be in it or
   * not.
   */
  list(): AsyncIterable<StoredBlob>;
  /** Deletes the bytes under a key; a key that holds none is fine. */
  delete(key: BlobKey): Promise<void>;
}
