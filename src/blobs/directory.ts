// Blobs as files of one folder, durable before anyone is told: temporary file, fsync, rename, fsync of the folder.

import { randomUUID } from 'node:crypto';
import { mkdir, open, readdir, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { sha256 } from '../domain/digest.ts';
import type { BlobKey, PayloadFacts } from '../domain/payload.ts';
import { BlobDamaged, type BlobStore } from './blobs.ts';

/** The folder for files that are not finished; whatever is found in it at the start belongs to nobody. */
const UNFINISHED = 'unfinished';

/** Opens a blob store in a folder, which is made where it is not there. */
export async function openBlobDirectory(folder: string): Promise<BlobStore> {
  const shards = Array.from({ length: 256 }, (_, index) => index.toString(16).padStart(2, '0'));
  const existing = new Set(await readdir(folder).catch(() => []));
  await Promise.all(
    [...shards, UNFINISHED]
      .filter((name) => !existing.has(name))
      .map((name) => mkdir(join(folder, name), { recursive: true, mode: 0o700 })),
  );
  await syncFolder(folder);
  for (const left of await readdir(join(folder, UNFINISHED))) await rm(join(folder, UNFINISHED, left));
  return { put, get, delete: remove };

  async function put(key: BlobKey, bytes: Uint8Array): Promise<void> {
    const unfinished = join(folder, UNFINISHED, randomUUID());
    const file = await open(unfinished, 'wx', 0o600);
    try {
      await file.writeFile(bytes);
      await file.datasync();
    } finally {
      await file.close();
    }
    await rename(unfinished, join(folder, shardOf(key), key));
    await syncFolder(join(folder, shardOf(key)));
  }

  async function get(key: BlobKey, facts: PayloadFacts): Promise<Uint8Array> {
    const bytes = await readFile(join(folder, shardOf(key), key)).catch((cause: NodeJS.ErrnoException) => {
      if (cause.code === 'ENOENT') throw new BlobDamaged(`Blob ${key} is missing.`, { cause });
      throw cause;
    });
    if (bytes.length !== facts.bytes)
      throw new BlobDamaged(`Blob ${key} has ${bytes.length} bytes; ${facts.bytes} were stored.`);
    if (sha256(bytes) !== facts.sha256)
      throw new BlobDamaged(`Blob ${key} has other bytes than were stored (its sha-256 differs).`);
    return bytes;
  }

  async function remove(key: BlobKey): Promise<void> {
    await rm(join(folder, shardOf(key), key), { force: true });
  }
}

/** Spreads files over 256 folders by the last two digits of the run id, which are random. */
function shardOf(key: BlobKey): string {
  return key.slice(34, 36);
}

/** Makes names durable: without it a power cut can take a file's name though its bytes are on the disk. */
async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
