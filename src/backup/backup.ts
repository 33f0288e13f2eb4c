// A backup: a folder that is as the data folder was at one moment, made while servers work.
//
// The order is what makes it one. A store that names what is in another one is copied before it: the cache and the captures before the ledger, whose
// versions they speak of, and every store before the blobs that it names. Servers delete no blob meanwhile (attendant.ts).

import { randomUUID } from 'node:crypto';
import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { join, resolve, sep } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { type FolderIdentity, readIdentity, writeIdentity } from '../belonging.ts';
import { blobsOf, type CaptureRecord, everyCapture } from '../captures/captures.ts';
import { readSqliteCaptures } from '../captures/sqlite.ts';
import { systemClock } from '../clock.ts';
import {
  blobFolder,
  cacheFile,
  capturesFile,
  capturesFolder,
  type Config,
  ledgerFile,
  logFolder,
  vaultFile,
} from '../config/config.ts';
import { type Instant, seconds, toRfc3339 } from '../domain/time.ts';
import { makeFolder, syncFolder } from '../folders.ts';
import { copyHeldLedger, copyIdleLedger, copyStoreFile } from '../ledger/sqlite/copy.ts';
import { openSqliteLedger } from '../ledger/sqlite/driver.ts';
import { type Copied, copyAll, filesIn, makeDurable } from './files.ts';
import { dump } from './postgres-tools.ts';
import { BEAT, LOOK_EVERY, readAnswer, readRequest, removeRequest, writeRequest } from './request.ts';

/** What is to be backed up, and where to. */
export interface BackupOrder {
  readonly place: Pick<Config, 'data' | 'database'>;
  readonly to: string;
  /** Whether the database is left to its owner. */
  readonly withoutDatabase: boolean;
  readonly environment: NodeJS.ProcessEnv;
}

/** What a backup says of itself; there is none before it is whole. */
export interface Manifest {
  readonly about: string;
  readonly madeAt: string;
  readonly kind: FolderIdentity['kind'];
  /** Whether the database is in it; null where there is none. */
  readonly database: boolean | null;
  readonly blobs: Copied;
  readonly captureBlobs: Copied;
}

const MANIFEST = 'backup-manifest.json';
const DUMP = 'database.dump';
/** How long a server may take to answer: a look, and the writing of its log. */
const ANSWER_WITHIN = seconds(60);
/** Names asked of a ledger at a time. */
const NAMES = 100_000;
/** How often the captures are copied anew where some were deleted meanwhile. */
const CAPTURE_TRIES = 5;

/** Where a dump lies in a backup. */
export const dumpFile = (folder: string): string => join(folder, DUMP);
/** Where a backup says what it is. */
export const manifestFile = (folder: string): string => join(folder, MANIFEST);

/**
 * Makes a backup.
 *
 * @throws Error when it cannot be made; what is in the folder then is none
 */
export async function backUp(order: BackupOrder): Promise<Manifest> {
  const { data, database } = order.place;
  const to = resolve(order.to);
  const identity = readIdentity(data);
  if (identity === null)
    throw new Error(`${data} has nothing to back up yet: no server of this version has worked in it.`);
  assertEmpty(to, data);
  makeFolder(to);
  const startedAt = systemClock.now();
  const request = new Request(data);
  try {
    const parts = database === null ? await fromFiles(data, to, request) : await fromDatabase(order, to);
    await copyAll(logFolder(data), logFolder(to), await filesIn(logFolder(data)), true);
    writeIdentity(to, { ...identity, ...parts.belongs, next: null, complete: true });
    return writeManifest(to, { madeAt: toRfc3339(startedAt), kind: identity.kind, ...parts.manifest });
  } finally {
    request.end();
  }
}

function assertEmpty(to: string, data: string): void {
  if (to === resolve(data) || to.startsWith(`${resolve(data)}${sep}`))
    throw new Error(`${to} lies in the data folder itself. Name a folder elsewhere, best on another disk.`);
  if (existsSync(to) && readdirSync(to).length > 0)
    throw new Error(`${to} is not empty. Name a folder that is, or one that is not there yet.`);
}

interface Parts {
  readonly manifest: Pick<Manifest, 'database' | 'blobs' | 'captureBlobs'>;
  /** What the ledger's copy says it belongs to. */
  readonly belongs: Partial<Pick<FolderIdentity, 'folder' | 'mark'>>;
}

async function fromFiles(data: string, to: string, request: Request): Promise<Parts> {
  const stores = [
    [cacheFile(data), cacheFile(to)],
    [vaultFile(data), vaultFile(to)],
  ] as const;
  for (const [from, copy] of stores) if (existsSync(from)) await copyStoreFile(from, copy);
  const captureBlobs = await copyCaptures(data, to);
  if (!(await copyIdleLedger(ledgerFile(data), ledgerFile(to)))) {
    await request.answered();
    await copyHeldLedger(ledgerFile(data), ledgerFile(to));
  }
  const { names, belongs } = await readLedger(ledgerFile(to));
  const blobs = await copyAll(blobFolder(data), blobFolder(to), names, false);
  for (const file of [cacheFile, vaultFile, capturesFile, ledgerFile].map((of) => of(to)))
    if (existsSync(file)) await makeDurable(file);
  return { manifest: { database: null, blobs, captureBlobs }, belongs };
}

/** A capture that is deleted meanwhile takes its blobs with it: then they are copied anew. */
async function copyCaptures(data: string, to: string): Promise<Copied> {
  for (let tries = 1; existsSync(capturesFile(data)); tries += 1) {
    await copyStoreFile(capturesFile(data), capturesFile(to));
    try {
      return await copyAll(capturesFolder(data), capturesFolder(to), await captureBlobs(capturesFile(to)), false);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT' || tries >= CAPTURE_TRIES) throw error;
    }
  }
  return { files: 0, bytes: 0 };
}

async function captureBlobs(file: string): Promise<string[]> {
  const captures = await readSqliteCaptures(file);
  const paths: string[] = [];
  if (captures === null) return paths;
  for await (const capture of everyCapture(captures)) paths.push(...blobPaths(capture));
  await captures.close();
  return paths;
}

const pathOf = (key: string): string => join(key.slice(34, 36), key);
const blobPaths = (capture: CaptureRecord): string[] => blobsOf(capture).map(({ key }) => pathOf(key));

async function readLedger(file: string): Promise<{ names: string[]; belongs: Parts['belongs'] }> {
  const ledger = await openSqliteLedger(file, systemClock, { access: 'read' });
  try {
    const names: string[] = [];
    for (let after = ''; ;) {
      const page = await ledger.blobs(after, NAMES);
      names.push(...page.map(({ key }) => pathOf(key)));
      if (page.length < NAMES) break;
      after = page.at(-1)!.key;
    }
    const { folder, mark } = await ledger.identity();
    return { names, belongs: folder === null || mark === null ? {} : { folder, mark } };
  } finally {
    await ledger.close();
  }
}

async function fromDatabase({ place, withoutDatabase, environment }: BackupOrder, to: string): Promise<Parts> {
  const { data, database } = place;
  if (!withoutDatabase) {
    await dump(database!, dumpFile(to), environment);
    await makeDurable(dumpFile(to));
  }
  // All there are: those that the dump names are among them, since none is deleted meanwhile.
  const blobs = await copyAll(blobFolder(data), blobFolder(to), await filesIn(blobFolder(data)), true);
  const kept = await copyAll(capturesFolder(data), capturesFolder(to), await filesIn(capturesFolder(data)), true);
  return { manifest: { database: !withoutDatabase, blobs, captureBlobs: kept }, belongs: {} };
}

function writeManifest(to: string, said: Omit<Manifest, 'about'>): Manifest {
  const about = 'A backup of a claimcheck data folder. It is put back with: claimcheck restore';
  const manifest = { about, ...said };
  writeFileSync(manifestFile(to), `${JSON.stringify(manifest, null, 2)}\n`, { mode: 0o600, flush: true });
  syncFolder(to);
  return manifest;
}

/** What asks the servers of a data folder to keep still, for as long as it is not ended. */
class Request {
  readonly #data: string;
  readonly #id = randomUUID();
  readonly #timer: NodeJS.Timeout;
  #beat = 0;

  /** @throws Error when another backup is being made */
  constructor(data: string) {
    this.#data = data;
    if (readRequest(data) !== null)
      throw new Error(
        `Another backup of ${data} is being made, or was cut off less than half a minute ago; with no server running, remove ${join(data, 'backup.json')}.`,
      );
    this.#say();
    this.#timer = setInterval(() => this.#say(), BEAT);
  }

  /**
   * Waits until the server of a ledger in a file keeps it as it is.
   *
   * @throws Error when it cannot, or nobody answers
   */
  async answered(): Promise<void> {
    const until: Instant = systemClock.now();
    for (const startedMs = performance.now(); performance.now() - startedMs < ANSWER_WITHIN;) {
      const answer = readAnswer(this.#data);
      if (answer?.id === this.#id) {
        if (answer.trouble === null) return;
        throw new Error(`The server cannot keep its ledger still: ${answer.trouble}`);
      }
      await pause(LOOK_EVERY);
    }
    throw new Error(
      `Another process has the ledger in ${this.#data}, and has not answered since ${toRfc3339(until)}: it is no server of this version. Stop it and try again.`,
    );
  }

  end(): void {
    clearInterval(this.#timer);
    removeRequest(this.#data);
  }

  #say(): void {
    this.#beat += 1;
    writeRequest(this.#data, { id: this.#id, beat: this.#beat });
  }
}
