// A power cut, played on a recording of what a working ledger did to its disk. A cut keeps what was
// synced; of everything else each sector, and each change of a name, is kept or lost by the throw
// of a coin. Everything that was acknowledged before it must be there afterwards.

import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join, relative } from 'node:path';
import { openBlobDirectory } from '../../src/stores/blobs/directory.ts';
import { systemClock } from '../../src/system/clock.ts';
import { examine } from '../../src/stores/doctor/examination.ts';
import type { RunId } from '../../src/domain/ids.ts';
import type { Ledger } from '../../src/stores/ledger/ledger.ts';
import { openSqliteLedger } from '../../src/stores/ledger/sqlite/driver.ts';

/** What a disk loses or keeps at once. */
const SECTOR = 512;

/** What happened to the bytes of a file. */
type Change =
  | { readonly kind: 'write'; readonly at: number; readonly offset: number; readonly bytes: Buffer }
  | { readonly kind: 'truncate'; readonly at: number; readonly length: number };

/** What happened to a name in a folder: it came to stand for something, or for nothing. */
interface NameChange {
  readonly at: number;
  readonly name: string;
  readonly entry: RecordedFile | RecordedFolder | null;
}

/** When a sync began and when it had succeeded. */
interface Sync {
  readonly began: number;
  readonly ended: number;
}

interface RecordedFile {
  readonly kind: 'file';
  readonly changes: Change[];
  readonly syncs: Sync[];
}

interface RecordedFolder {
  readonly kind: 'folder';
  readonly changes: NameChange[];
  readonly syncs: Sync[];
}

/** What one cut came to; `lost` is empty when the promises hold. */
export interface CutReport {
  readonly acknowledged: number;
  readonly lost: readonly string[];
}

/** Everything that a process did to a folder; `at` counts what happened, in its order. */
export interface Recording {
  readonly length: number;
  /** The folder, which was there before. */
  readonly folder: RecordedFolder;
  /** What the process has acknowledged. */
  readonly said: readonly { readonly at: number; readonly what: string; readonly runId: RunId }[];
}

/** Lets a process work for some rounds and records what it does to its disk. */
export function recordWork(rounds: number): Recording {
  const scratch = mkdtempSync(join(tmpdir(), 'cc-cut-'));
  try {
    const library = join(scratch, 'recorded-disk.so');
    const source = new URL('recorded-disk.c', import.meta.url).pathname;
    const compiled = spawnSync('cc', ['-shared', '-fPIC', '-O1', '-Wall', '-Werror', '-o', library, source, '-ldl'], {
      encoding: 'utf8',
    });
    if (compiled.status !== 0) throw new Error(`recorded-disk.c does not compile: ${compiled.stderr}`);
    const [data, log] = [join(scratch, 'data'), join(scratch, 'log')];
    const worker = new URL('../fixtures/work-durably.ts', import.meta.url).pathname;
    const worked = spawnSync(process.execPath, [worker, data, String(rounds)], {
      env: { ...process.env, LD_PRELOAD: library, RECORDED_FOLDER: data, RECORDED_TO: log },
      encoding: 'utf8',
    });
    if (worked.signal !== 'SIGKILL') throw new Error(`The process did not work to its end: ${worked.stderr}`);
    return new Reader(data).read(readFileSync(log));
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

/** Reads a log of recorded-disk.c. */
class Reader {
  readonly #data: string;
  /** By their paths within the data folder, whose own is empty. */
  readonly #folders = new Map<string, RecordedFolder>();
  /**
   * Files and folders by the inode that they have at the moment; an inode is used again after its
   * file is gone.
   */
  readonly #byInode = new Map<string, RecordedFile | RecordedFolder>();
  readonly #syncing = new Map<string, number[]>();
  readonly #said: { at: number; what: string; runId: RunId }[] = [];

  constructor(data: string) {
    this.#data = data;
  }

  read(log: Buffer): Recording {
    let at = 0;
    for (let start = 0; start < log.length; at += 1) {
      const end = log.indexOf(0x0a, start);
      const [kind, inode, number, length, ...paths] = log.toString('utf8', start, end).split(' ');
      start = end + 1 + Number(length);
      this.#happened(at, kind!, inode!, Number(number), log.subarray(end + 1, start), paths);
    }
    return { length: at, folder: this.#folders.get('')!, said: this.#said };
  }

  #happened(at: number, kind: string, inode: string, number: number, bytes: Buffer, paths: readonly string[]): void {
    switch (kind) {
      case 'say': {
        const [what, runId] = bytes.toString().trim().split(' ');
        this.#said.push({ at, what: what!, runId: runId as RunId });
        return;
      }
      case 'create': {
        const file: RecordedFile = { kind: 'file', changes: [], syncs: [] };
        this.#byInode.set(inode, file);
        this.#name(at, paths[0]!, file);
        return;
      }
      case 'mkdir': {
        const folder: RecordedFolder = { kind: 'folder', changes: [], syncs: [] };
        this.#byInode.set(inode, folder);
        this.#folders.set(relative(this.#data, paths[0]!), folder);
        if (paths[0] !== this.#data) this.#name(at, paths[0]!, folder);
        return;
      }
      case 'rename':
        this.#name(at, paths[0]!, null);
        this.#name(at, paths[1]!, this.#file(inode));
        return;
      case 'unlink':
        this.#name(at, paths[0]!, null);
        return;
      case 'write':
        this.#file(inode).changes.push({ kind, at, offset: number, bytes });
        return;
      case 'truncate':
        this.#file(inode).changes.push({ kind, at, length: number });
        return;
      case 'sync-begins':
        this.#syncing.set(inode, [...(this.#syncing.get(inode) ?? []), at]);
        return;
      case 'sync-ends': {
        // Of two at once nobody knows which has ended: the one that covers less.
        const began = this.#syncing.get(inode)!.shift()!;
        this.#byInode.get(inode)!.syncs.push({ began, ended: at });
        return;
      }
      default:
        throw new Error(`The log says "${kind}", which means nothing.`);
    }
  }

  #file(inode: string): RecordedFile {
    return this.#byInode.get(inode) as RecordedFile;
  }

  #name(at: number, path: string, entry: NameChange['entry']): void {
    const within = relative(this.#data, path);
    const folder = dirname(within) === '.' ? '' : dirname(within);
    this.#folders.get(folder)!.changes.push({ at, name: basename(within), entry });
  }
}

/** A disk; one that lies keeps nothing for having been told to. */
export type Disk = 'honest' | 'lying';

/** When the power goes, on which disk, and for what was not synced by then: kept, or lost. */
interface Cut {
  readonly at: number;
  readonly disk: Disk;
  readonly coin: () => boolean;
}

/** Cuts the power when so much has happened, starts again, and looks. */
export async function playCut(recording: Recording, at: number, disk: Disk, coin: () => boolean): Promise<CutReport> {
  const data = mkdtempSync(join(tmpdir(), 'cc-cut-'));
  try {
    putBack(recording.folder, data, { at, disk, coin });
    const said = recording.said.filter((saying) => saying.at < at);
    return { acknowledged: said.length, lost: await look(data, said) };
  } finally {
    rmSync(data, { recursive: true, force: true });
  }
}

/** Writes what is left of a folder, and of all that is in it. */
function putBack(folder: RecordedFolder, path: string, cut: Cut): void {
  for (const [name, entry] of namesAfter(folder, cut)) {
    const place = join(path, name);
    if (entry.kind === 'file') writeFileSync(place, bytesAfter(entry, cut));
    else {
      mkdirSync(place);
      putBack(entry, place, cut);
    }
  }
}

/** Everything that happened before this was kept for certain. */
function syncedUntil({ syncs }: RecordedFile | RecordedFolder, { at, disk }: Cut): number {
  if (disk === 'lying') return 0;
  return Math.max(0, ...syncs.filter(({ ended }) => ended < at).map(({ began }) => began));
}

function namesAfter(folder: RecordedFolder, cut: Cut): Map<string, RecordedFile | RecordedFolder> {
  const synced = syncedUntil(folder, cut);
  const names = new Map<string, RecordedFile | RecordedFolder>();
  for (const change of folder.changes) {
    if (change.at >= cut.at || (change.at >= synced && !cut.coin())) continue;
    if (change.entry === null) names.delete(change.name);
    else names.set(change.name, change.entry);
  }
  return names;
}

function bytesAfter(file: RecordedFile, cut: Cut): Buffer {
  const synced = syncedUntil(file, cut);
  const changes = file.changes.filter((change) => change.at < cut.at);
  const ends = changes.map((change) => (change.kind === 'write' ? change.offset + change.bytes.length : change.length));
  const bytes = Buffer.alloc(Math.max(0, ...ends));
  let length = 0;
  const put = (part: Buffer, offset: number): void => {
    part.copy(bytes, offset);
    length = Math.max(length, offset + part.length);
  };
  for (const change of changes) {
    const isKept = change.at < synced;
    if (change.kind === 'write') {
      const sectors = isKept ? [{ part: change.bytes, offset: change.offset }] : sectorsOf(change).filter(cut.coin);
      for (const { part, offset } of sectors) put(part, offset);
    } else if (isKept || cut.coin()) {
      bytes.fill(0, change.length);
      length = change.length;
    }
  }
  return bytes.subarray(0, length);
}

/** A write as the disk takes it. */
function sectorsOf({ bytes, offset }: Change & { kind: 'write' }): { part: Buffer; offset: number }[] {
  const starts = Array.from({ length: Math.ceil(bytes.length / SECTOR) }, (_, number) => number * SECTOR);
  return starts.map((start) => ({ part: bytes.subarray(start, start + SECTOR), offset: offset + start }));
}

/** What was said and is not so, and every promise that is broken. */
async function look(data: string, said: Recording['said']): Promise<string[]> {
  let ledger: Ledger;
  try {
    ledger = await openSqliteLedger(join(data, 'ledger.sqlite'), systemClock);
  } catch (error) {
    return [`The ledger cannot be opened: ${(error as Error).message}`];
  }
  try {
    const runs = await Promise.all(said.map(({ runId }) => ledger.run(runId)));
    const wrong = said.filter(({ what }, place) =>
      what === 'queued' ? runs[place] === null : runs[place]?.status !== what,
    );
    const blobs = await openBlobDirectory(join(data, 'blobs'));
    const { findings } = await examine(
      { ledger, blobs, promises: [], captures: null, captureBlobs: null, strangers: async () => [] },
      systemClock.now(),
      () => {},
    );
    return [
      ...wrong.map(({ what, runId }) => `${what} ${runId}`),
      ...findings.flatMap(({ promise, places }) => places.map((place) => `${promise} ${place}`)),
    ];
  } catch (error) {
    return [`The store cannot be read: ${(error as Error).message}`];
  } finally {
    await ledger.close();
  }
}
