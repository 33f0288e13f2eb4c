// Blobs as files of one folder, durable before anyone is told: temporary file, fsync, rename, fsync
// of the folder.
//
// A failed fsync of a file fails its blob alone: Linux may take the file's pages for written, but
// nobody will ever look at them, since the next try writes a new file. A failed fsync of a
// folder is another matter: its names are shared with every blob that was put there before and
// after, and the next fsync succeeds without having written them. Then only a new process can tell
// what is there.

import { createHash, randomUUID } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { access, type FileHandle, mkdir, open, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { PassThrough, pipeline, type Readable } from 'node:stream';
import { sha256 } from '../../domain/digest.ts';
import { isStorageTrouble, StorageBroken, StorageFull, StorageUnavailable } from '../../domain/errors.ts';
import type { BlobKey, ByteRange, PayloadFacts } from '../../domain/payload.ts';
import { isSystemError, reasonOf } from '../../domain/system-error.ts';
import { type Instant, instant } from '../../domain/time.ts';
import { makeFolder, syncFolder } from '../../system/folders.ts';
import { BlobDamaged, type BlobStore, type UntilRoom, type StoredBlob, type StoredBytes } from './blobs.ts';
import { Verifier } from './verifier.ts';

/** The folder for files that are not finished. */
const UNFINISHED = 'unfinished';
/** Files are spread over 256 folders by the last two digits of the run id, which are random. */
const SHARDS = Array.from({ length: 256 }, (_, index) => index.toString(16).padStart(2, '0'));
const shardOf = (key: BlobKey): string => key.slice(34, 36);
/**
 * A stream is synced whenever so much of it was written, in bytes: a gigabyte that is synced at
 * once keeps every commit of the ledger on the same disk waiting until it is there.
 */
const SYNC_EVERY_BYTES = 32 * 1_024 * 1_024;
/** How much of a file is read at a time, in bytes. */
const READ_BYTES = 256 * 1_024;
/** How many blobs are remembered as verified. */
const VERIFIED_MAX = 1_000;

/** What a blob directory is opened with beside its folder. */
export interface BlobDirectoryOptions {
  /**
   * What was left unfinished before this instant belongs to nobody. Unset where no other server has
   * the folder: then all of it does.
   */
  readonly abandonedBefore?: Instant;
  /** Called when the folder can no longer be trusted. The process must end. */
  readonly onBroken?: (error: StorageBroken) => void;
}

/** Opens a blob store in a folder, which is made where it is not there. */
export async function openBlobDirectory(folder: string, options: BlobDirectoryOptions = {}): Promise<BlobStore> {
  makeFolder(join(folder, UNFINISHED));
  const existing = await readdir(folder);
  // After the look: the server that made a folder, perhaps another one, need not have made its name
  // durable yet.
  syncFolder(folder);
  await removeAbandoned(join(folder, UNFINISHED), options.abandonedBefore ?? null);
  return new BlobDirectory(folder, options.onBroken ?? (() => {}), existing);
}

/** A blob store in a folder that is only read, and in which nothing is made or tidied up. */
export function readBlobDirectory(folder: string): Pick<BlobStore, 'verify' | 'list'> {
  return new BlobDirectory(folder, () => {}, []);
}

class BlobDirectory implements BlobStore {
  readonly #folder: string;
  readonly #onBroken: (error: StorageBroken) => void;
  /**
   * Folders whose names are durable, or soon are. They are made as blobs come: most stores have
   * few, and a new one is there at once.
   */
  readonly #shards: Map<string, Promise<void>>;
  /**
   * Blobs that ranges were read of, and when they had been touched last when they were verified;
   * the oldest first.
   */
  readonly #verified = new Map<BlobKey, { readonly touchedMs: number; readonly done: Promise<void> }>();

  /** @param durable names in the folder that are durable */
  constructor(folder: string, onBroken: (error: StorageBroken) => void, durable: readonly string[]) {
    this.#folder = folder;
    this.#onBroken = onBroken;
    this.#shards = new Map(durable.map((name) => [name, Promise.resolve()]));
  }

  put(key: BlobKey, bytes: Uint8Array): Promise<void> {
    return this.#put(key, (file) => storing(key, () => file.writeFile(bytes)));
  }

  async putStream(key: BlobKey, chunks: AsyncIterable<Uint8Array>, untilRoom: UntilRoom = once): Promise<StoredBytes> {
    const digest = createHash('sha256');
    let bytes = 0;
    let synced = 0;
    await this.#put(key, async (file) => {
      for await (const chunk of chunks) {
        await untilRoom(() => storing(key, () => writeAt(file, chunk, bytes)));
        digest.update(chunk);
        bytes += chunk.length;
        if (bytes - synced < SYNC_EVERY_BYTES) continue;
        await storing(key, () => file.datasync());
        synced = bytes;
      }
    });
    return { bytes, sha256: digest.digest('hex') };
  }

  async #put(key: BlobKey, write: (file: FileHandle) => Promise<void>): Promise<void> {
    const unfinished = join(this.#folder, UNFINISHED, randomUUID());
    try {
      await storing(key, () => this.#shardIsThere(shardOf(key)));
      await this.#writeDurably(key, unfinished, write);
      await storing(key, () => rename(unfinished, this.#fileOf(key)));
    } catch (error) {
      // Its folder may be what is not there, or could not be made: the next blob makes sure of it.
      this.#shards.delete(shardOf(key));
      // What is left of it, should it stay, is removed by the next start.
      await rm(unfinished, { force: true }).catch(() => {});
      throw error;
    }
    await storing(key, () => this.#sync(join(this.#folder, shardOf(key))));
  }

  /** Errors of the chunks that `write` takes are theirs, and thrown as they are. */
  async #writeDurably(key: BlobKey, path: string, write: (file: FileHandle) => Promise<void>): Promise<void> {
    const file = await storing(key, () => open(path, 'wx', 0o600));
    try {
      await write(file);
      await storing(key, () => file.datasync());
    } finally {
      await file.close();
    }
  }

  /** Blobs that come together share one making. */
  #shardIsThere(shard: string): Promise<void> {
    const making = this.#shards.get(shard) ?? this.#makeShard(shard);
    this.#shards.set(shard, making);
    return making;
  }

  async #makeShard(shard: string): Promise<void> {
    // In the folder that is there: where its disk is not mounted, none is made in its place.
    await mkdir(join(this.#folder, shard), { mode: 0o700 }).catch((error: unknown) => {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    });
    await this.#sync(this.#folder);
  }

  async get(key: BlobKey, facts: PayloadFacts, range?: ByteRange): Promise<Uint8Array> {
    if (range !== undefined) return this.#getSome(key, facts, range);
    const bytes = await readFile(this.#fileOf(key)).catch((cause: unknown) => this.#notRead(key, cause));
    check(key, facts, bytes.length, sha256(bytes));
    return bytes;
  }

  async #getSome(key: BlobKey, facts: PayloadFacts, range: ByteRange): Promise<Uint8Array> {
    const { file } = await this.#open(key, facts, range);
    try {
      return await readAll(key, file, range);
    } catch (cause) {
      return await this.#notRead(key, cause);
    } finally {
      await file.close();
    }
  }

  async stream(key: BlobKey, facts: PayloadFacts, range?: ByteRange): Promise<Readable> {
    const { file, touchedMs } = await this.#open(key, facts, range);
    const { from, to } = range ?? { from: 0, to: Infinity };
    const bytes = file.createReadStream({ highWaterMark: READ_BYTES, start: from, end: to - 1 });
    const passOn = range === undefined ? this.#verifierOf(key, facts, touchedMs) : new PassThrough();
    // Before the pipeline hears of it, so that the reader is told what the error means.
    bytes.once('error', (cause) => passOn.destroy(unavailable(key, cause)));
    // The reader hears of errors from what is passed on; the file is closed in every case.
    return pipeline(bytes, passOn, () => {});
  }

  #verifierOf(key: BlobKey, facts: PayloadFacts, touchedMs: number): Verifier {
    return new Verifier((length, digest) => {
      check(key, facts, length, digest);
      this.#isVerified(key, touchedMs, Promise.resolve());
    });
  }

  /**
   * The file of a blob, which has the right length, and the right bytes where a range of them is to
   * be read.
   */
  async #open(
    key: BlobKey,
    facts: PayloadFacts,
    range: ByteRange | undefined,
  ): Promise<{ readonly file: FileHandle; readonly touchedMs: number }> {
    const file = await open(this.#fileOf(key)).catch((cause: unknown) => this.#notRead(key, cause));
    try {
      const { size, mtimeMs } = await file.stat();
      checkLength(key, facts, size);
      if (range !== undefined) await this.#verifyOnce(key, facts, mtimeMs);
      return { file, touchedMs: mtimeMs };
    } catch (error) {
      await file.close();
      return this.#notRead(key, error);
    }
  }

  /** Ranges that are asked for together share one reading. */
  #verifyOnce(key: BlobKey, facts: PayloadFacts, touchedMs: number): Promise<void> {
    const before = this.#verified.get(key);
    if (before?.touchedMs === touchedMs) return before.done;
    const done = this.verify(key, facts);
    this.#isVerified(key, touchedMs, done);
    done.catch(() => this.#verified.delete(key));
    return done;
  }

  #isVerified(key: BlobKey, touchedMs: number, done: Promise<void>): void {
    this.#verified.set(key, { touchedMs, done });
    const [oldest] = this.#verified.keys();
    if (this.#verified.size > VERIFIED_MAX) this.#verified.delete(oldest!);
  }

  async verify(key: BlobKey, facts: PayloadFacts): Promise<void> {
    const digest = createHash('sha256');
    let length = 0;
    try {
      for await (const part of createReadStream(this.#fileOf(key)) as AsyncIterable<Uint8Array>) {
        digest.update(part);
        length += part.length;
      }
    } catch (cause) {
      await this.#notRead(key, cause);
    }
    check(key, facts, length, digest.digest('hex'));
  }

  async delete(key: BlobKey): Promise<void> {
    await rm(this.#fileOf(key), { force: true }).catch((cause: unknown) => {
      throw unavailable(key, cause);
    });
  }

  async *list(): AsyncIterable<StoredBlob> {
    await access(this.#folder);
    for (const shard of SHARDS) {
      const names = await readdir(join(this.#folder, shard)).catch(noneWhereMissing);
      for (const name of names) {
        const found = await stat(join(this.#folder, shard, name)).catch(nullWhereMissing);
        if (found !== null) yield { key: name as BlobKey, bytes: found.size, storedAt: instant(found.mtimeMs) };
      }
    }
  }

  /**
   * Says why a blob could not be read. It is missing where its file is and the store is there:
   * without the folder that opening a store makes, the disk is not the one that the blobs are on,
   * as when it is not mounted.
   */
  async #notRead(key: BlobKey, cause: unknown): Promise<never> {
    if (!isMissing(cause)) throw unavailable(key, cause);
    await access(join(this.#folder, UNFINISHED)).catch((gone: unknown) => {
      throw new StorageUnavailable(`Blob ${key} cannot be read: the folder ${this.#folder} is not there.`, {
        cause: gone,
      });
    });
    throw new BlobDamaged(`Blob ${key} is missing.`, { cause });
  }

  #fileOf(key: BlobKey): string {
    return join(this.#folder, shardOf(key), key);
  }

  /**
   * Makes the names in a folder durable: without it a power cut can take a file's name though its
   * bytes are on the disk.
   */
  async #sync(folder: string): Promise<void> {
    const handle = await open(folder, 'r');
    try {
      await handle.sync();
    } catch (cause) {
      const error = new StorageBroken(
        `The names of the blobs in ${folder} may be lost in a power cut: ${(cause as Error).message}. Start the server again: it reads what is on the disk.`,
        { cause },
      );
      this.#onBroken(error);
      throw error;
    } finally {
      await handle.close();
    }
  }
}

async function removeAbandoned(unfinished: string, before: Instant | null): Promise<void> {
  for (const name of await readdir(unfinished)) {
    const file = join(unfinished, name);
    const found = await stat(file).catch(nullWhereMissing);
    if (found !== null && (before === null || found.mtimeMs < before)) await rm(file, { force: true });
  }
}

/** The bytes of a range, which the file had when it was opened. */
async function readAll(key: BlobKey, file: FileHandle, { from, to }: ByteRange): Promise<Uint8Array> {
  const bytes = new Uint8Array(to - from);
  for (let read = 0; read < bytes.length;) {
    const { bytesRead } = await file.read(bytes, read, bytes.length - read, from + read);
    if (bytesRead === 0) throw new BlobDamaged(`Blob ${key} ends at ${from + read} bytes, while it is read.`);
    read += bytesRead;
  }
  return bytes;
}

/**
 * Writes all of a chunk at its place, so that it may be written again where only some of it found
 * room.
 */
async function writeAt(file: FileHandle, chunk: Uint8Array, position: number): Promise<void> {
  for (let written = 0; written < chunk.length;) {
    written += (await file.write(chunk, written, chunk.length - written, position + written)).bytesWritten;
  }
}

const once: UntilRoom = (work) => work();

/** No room on the disk, or none left of this user's share. */
const isFull = (error: unknown): boolean => ['ENOSPC', 'EDQUOT'].includes((error as NodeJS.ErrnoException).code ?? '');
const isMissing = (error: unknown): boolean => (error as NodeJS.ErrnoException).code === 'ENOENT';

/** A step of storing a blob: what goes wrong with it is the store's trouble. */
async function storing<Result>(key: BlobKey, step: () => Promise<Result>): Promise<Result> {
  try {
    return await step();
  } catch (cause) {
    if (isFull(cause)) throw new StorageFull(`The disk has no room for blob ${key}.`, { cause });
    if (isStorageTrouble(cause) || !isSystemError(cause)) throw cause;
    throw new StorageUnavailable(`Blob ${key} cannot be stored: ${reasonOf(cause)}.`, { cause });
  }
}

/** What is known of a blob that could not be read: nothing. */
function unavailable(key: BlobKey, cause: unknown): Error {
  if (isStorageTrouble(cause) || !isSystemError(cause)) return cause as Error;
  return new StorageUnavailable(`Blob ${key} cannot be read: ${reasonOf(cause)}.`, { cause });
}

function noneWhereMissing(error: unknown): string[] {
  if (isMissing(error)) return [];
  throw error;
}

/** A file may be gone between the listing and the look at it. */
function nullWhereMissing(error: unknown): null {
  if (isMissing(error)) return null;
  throw error;
}

function check(key: BlobKey, facts: PayloadFacts, bytes: number, digest: string): void {
  checkLength(key, facts, bytes);
  if (digest !== facts.sha256)
    throw new BlobDamaged(`Blob ${key} has other bytes than were stored (its sha-256 differs).`);
}

function checkLength(key: BlobKey, facts: PayloadFacts, bytes: number): void {
  if (bytes !== facts.bytes) throw new BlobDamaged(`Blob ${key} has ${bytes} bytes; ${facts.bytes} were stored.`);
}
