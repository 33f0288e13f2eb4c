// A data folder and its ledger: each knows the other by an id, so that no server works with the one
// and another's other. The blobs in a folder are what the runs of one ledger name; a server that
// has them beside another ledger finds none of them named, and deletes them.
//
// Both keep a mark as well, which is another one after every start and every stop. A folder or a
// ledger that was put back from an older copy has an older mark than the other one, and is told
// apart by that. The folder says the next mark before the ledger takes it: if a server is cut off
// in between, the ledger has one of the two.

import { randomUUID } from 'node:crypto';
import {
  closeSync,
  existsSync,
  fsyncSync,
  linkSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statfsSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { sha256 } from '../domain/digest.ts';
import { StorageFull } from '../domain/errors.ts';
import { type Instant, instant } from '../domain/time.ts';
import { syncFolder } from '../system/folders.ts';
import type { Identity, Ledger } from './ledger/ledger.ts';

/** The file in a data folder that says whose it is. */
const FILE = 'identity.json';
/** Programs behind it may number files as they like, anew at every start. Source: linux/magic.h. */
const FUSE = 0x65_73_55_46;
/** What file systems say that know no second names for a file. */
const NO_LINKS: ReadonlySet<string | undefined> = new Set(['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS']);
/** Blobs that are looked for in a folder that says nothing, of those that the ledger names. */
const SAMPLE = 200;

/**
 * A folder or a store that does not belong to the ledger: the message says what was found, and what
 * to do.
 */
export class Stranger extends Error {
  override readonly name = 'Stranger';
}

/** What a data folder says of itself. */
export interface FolderIdentity {
  readonly about: string;
  readonly folder: string;
  readonly ledger: string;
  /** Where that ledger was seen last, for people. */
  readonly place: string;
  readonly kind: 'sqlite' | 'postgres';
  readonly mark: string;
  /** The mark that the ledger is about to take; null where it is not. */
  readonly next: string | null;
  /**
   * Since when it belongs to this ledger, in milliseconds; 0 where nothing was in it. What was may
   * be somebody else's, and is deleted by nobody.
   */
  readonly since: number;
  /** Whether a server has made every store in it, so that one which is missing was there. */
  readonly complete: boolean;
}

/** A data folder, and what is known of the ledger that a configuration names for it. */
export interface FolderPlace {
  readonly data: string;
  readonly kind: 'sqlite' | 'postgres';
  /** Where the ledger is, for people. */
  readonly place: string;
  /** Files that a server makes at its first start, and no other one makes again. */
  readonly stores: readonly string[];
  readonly ledgerFile: string;
  /** Folders with blobs. */
  readonly blobFolders: readonly string[];
}

const ADOPT =
  'If this folder and this ledger are to be one from now on all the same: claimcheck migrate --adopt (nothing is deleted, but the answers of the cache).';
const ABOUT =
  'Which ledger the runs of this folder are in. It goes with the folder wherever that is moved, and is written by claimcheck alone.';

/**
 * What a data folder says of itself; null where it says nothing.
 *
 * @throws Stranger when that cannot be read
 */
export function readIdentity(data: string): FolderIdentity | null {
  const file = join(data, FILE);
  if (!existsSync(file)) return null;
  try {
    const said = JSON.parse(readFileSync(file, 'utf8')) as FolderIdentity;
    const { folder, ledger, mark, since } = said;
    if ([folder, ledger, mark].every((text) => typeof text === 'string') && typeof since === 'number') return said;
  } catch (cause) {
    throw new Stranger(`${file} cannot be read: ${(cause as Error).message}. ${ADOPT}`, { cause });
  }
  throw new Stranger(`${file} does not say which ledger the folder belongs to. ${ADOPT}`);
}

/**
 * Refuses what can be told before the ledger is opened, which would make its file where it is not
 * there.
 *
 * @throws Stranger
 */
export function assertMayOpen(place: FolderPlace): void {
  const { data, kind, ledgerFile } = place;
  const said = readIdentity(data);
  const isThere = existsSync(ledgerFile);
  if (said === null) {
    if (kind === 'postgres' && isThere) throw hasLedgerOfItsOwn(place);
    return;
  }
  if (said.kind !== kind) throw notItsLedger(place, said);
  if (kind === 'sqlite' && !isThere)
    throw new Stranger(
      `${ledgerFile} is gone: ${data} was used before, and every run that it keeps is in that file. Put it back from a backup of the same time, or name an empty folder with --data. ${ADOPT}`,
    );
}

const hasLedgerOfItsOwn = ({ data, place, ledgerFile }: FolderPlace): Stranger =>
  new Stranger(
    `${data} has a ledger of its own, ${ledgerFile}, and this server is to keep its runs in ${place}. Name an empty folder with --data: payloads of two ledgers in one folder get lost.`,
  );

const notItsLedger = ({ data, place }: FolderPlace, said: FolderIdentity): Stranger =>
  new Stranger(
    `${data} belongs to another ledger than ${place}: its payloads are those of ${said.place}. Name the folder of this ledger with --data, or an empty one for a new ledger. ${ADOPT}`,
  );

/**
 * What is wrong between a folder and its ledger, as sentences that say what to do; nothing where
 * they belong together.
 */
export function mistakesBetween(place: FolderPlace, said: FolderIdentity | null, known: Identity): string[] {
  const { data, place: ledger, stores } = place;
  if (known.isElsewhere)
    return [
      `Another server works on ${ledger} with another data folder than ${data}, or with a copy of it. Servers of one database share one folder: name that one with --data, or stop the other server first.`,
    ];
  if (said === null)
    return known.folder === null
      ? []
      : [
          `${data} is not the folder that ${ledger} has worked with: the payloads and everything beside them are in another one. Name that one with --data, or put it back from a backup. ${ADOPT}`,
        ];
  if (said.ledger !== known.ledger) return [notItsLedger(place, said).message];
  if (known.folder !== null && said.folder !== known.folder)
    return [
      `${ledger} belongs to another folder than ${data} by now: this one is a copy that was left behind. Name the other one with --data. ${ADOPT}`,
    ];
  if (known.mark !== null && known.mark !== said.mark && known.mark !== said.next)
    return [
      `${ledger} and ${data} are not of the same time: one of them was put back from an older copy. Put both back from the same backup (claimcheck restore). ${ADOPT}`,
    ];
  if (!said.complete) return [];
  return stores
    .filter((store) => !existsSync(store))
    .map((store) => `${store} is gone, which was there before. Put it back from a backup. ${ADOPT}`);
}

/**
 * What tells a data folder from any other one and from its copies, for as long as it is not moved:
 * the numbers of two of its files, as hexadecimal digits; null where the file system has none that
 * last.
 */
export function folderMark(data: string, blobs: string): string | null {
  if (statfsSync(data).type === FUSE) return null;
  const numbers = [data, blobs].map((path) => statSync(path, { bigint: true }).ino);
  return sha256(Buffer.from(numbers.join(' '))).slice(0, 32);
}

/** A data folder that belongs to the ledger of this server. */
export class Belonging {
  readonly #place: FolderPlace;
  readonly #ledger: Ledger;
  #said: FolderIdentity;

  private constructor(place: FolderPlace, ledger: Ledger, said: FolderIdentity) {
    this.#place = place;
    this.#ledger = ledger;
    this.#said = said;
  }

  /**
   * Holds a folder and a ledger against each other. Those that nobody has used before belong
   * together from now on; so do those which an older claimcheck has used, where the folder has
   * payloads that the ledger names.
   *
   * @throws Stranger when they do not belong together: the message says what to do
   */
  static async found(place: FolderPlace, ledger: Ledger, now: Instant): Promise<Belonging> {
    return ledger.exclusively(async () => {
      const known = await ledger.identity();
      const said = readIdentity(place.data);
      const [mistake] = mistakesBetween(place, said, known);
      if (mistake !== undefined) throw new Stranger(mistake);
      const standing = said ?? (await firstUse(place, ledger, known, now));
      const belonging = new Belonging(place, ledger, standing);
      await unlessFull(() => belonging.#takeMark(standing));
      return belonging;
    });
  }

  /**
   * Makes a folder and a ledger belong to each other, regardless of what they belonged to. Blobs
   * that are there by now and that no run names are kept.
   */
  static async adopt(place: FolderPlace, ledger: Ledger, now: Instant): Promise<void> {
    if (place.kind === 'postgres' && existsSync(place.ledgerFile)) throw hasLedgerOfItsOwn(place);
    await Belonging.#join(place, ledger, (known) => newIdentity(place, known, now));
  }

  /**
   * As `adopt`, of a folder and a ledger that were put back from one backup: all that is in it is
   * the ledger's.
   */
  static async restored(place: FolderPlace, ledger: Ledger, now: Instant): Promise<void> {
    await Belonging.#join(place, ledger, (known) => ({ ...newIdentity(place, known, now), since: 0, complete: true }));
  }

  static async #join(place: FolderPlace, ledger: Ledger, make: (known: Identity) => FolderIdentity): Promise<void> {
    await ledger.exclusively(async () => {
      const known = await ledger.identity();
      if (known.isElsewhere) throw new Stranger(mistakesBetween(place, null, known)[0]);
      const said = make(known);
      const next = newMark();
      writeIdentity(place.data, { ...said, next });
      await ledger.belongTo(said.folder, next);
      writeIdentity(place.data, { ...said, mark: next });
    });
  }

  /** The id of the ledger. */
  get ledger(): string {
    return this.#said.ledger;
  }

  /**
   * Since when what is in the folder is this ledger's; null where the folder is another ledger's by
   * now, so that nothing in it may be deleted.
   */
  since(): Instant | null {
    const said = readIdentity(this.#place.data);
    return said?.ledger === this.#said.ledger && said.folder === this.#said.folder ? instant(said.since) : null;
  }

  /** Every store is there from now on: one that is missing later is missed. */
  async complete(): Promise<void> {
    if (this.#said.complete) return;
    await this.#ledger.exclusively(async () => {
      const said = { ...(readIdentity(this.#place.data) ?? this.#said), complete: true };
      await unlessFull(() => writeIdentity(this.#place.data, said));
    });
  }

  /** Takes another mark, so that an older copy of the ledger is told from it. */
  async leave(): Promise<void> {
    await this.#ledger.exclusively(async () => {
      const said = readIdentity(this.#place.data);
      if (said?.folder === this.#said.folder) await unlessFull(() => this.#takeMark(said));
    });
  }

  async #takeMark(said: FolderIdentity): Promise<void> {
    const { data, kind, place } = this.#place;
    const { mark } = await this.#ledger.identity();
    const next = newMark();
    const standing = { ...said, kind, place, mark: mark ?? said.mark };
    writeIdentity(data, { ...standing, next });
    await this.#ledger.belongTo(said.folder, next);
    this.#said = { ...standing, mark: next, next: null };
    writeIdentity(data, this.#said);
  }
}

/**
 * A mark that there is no room for is not needed: the folder and the ledger have one in common
 * also where something was left undone.
 */
async function unlessFull(work: () => Promise<void> | void): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (!(error instanceof StorageFull)) throw error;
  }
}

const newMark = (): string => randomUUID().replaceAll('-', '');

const newIdentity = (
  { kind, place, blobFolders }: FolderPlace,
  { ledger }: Identity,
  now: Instant,
): FolderIdentity => ({
  about: ABOUT,
  folder: newMark(),
  ledger,
  place,
  kind,
  mark: newMark(),
  next: null,
  since: blobFolders.some(hasBlobs) ? now : instant(0),
  complete: false,
});

async function firstUse(place: FolderPlace, ledger: Ledger, known: Identity, now: Instant): Promise<FolderIdentity> {
  await assertSame(place, ledger);
  const said = newIdentity(place, known, now);
  if (writeFirst(place.data, said)) return said;
  // Another server was faster; it is ours all the same where it has the same ledger.
  const first = readIdentity(place.data)!;
  const [mistake] = mistakesBetween(place, first, known);
  if (mistake !== undefined) throw new Stranger(mistake);
  return first;
}

/**
 * A folder and a ledger that say nothing yet: nobody has used them, or an older claimcheck has, and
 * there is no telling but by what they hold.
 */
async function assertSame({ data, place, blobFolders }: FolderPlace, ledger: Ledger): Promise<void> {
  const named = await ledger.blobs('', SAMPLE);
  const isThere = ({ key }: { readonly key: string }): boolean =>
    existsSync(join(blobFolders[0]!, key.slice(34, 36), key));
  const holds = blobFolders.some(hasBlobs);
  if (named.some(isThere) || (named.length === 0 && !holds)) return;
  throw new Stranger(
    named.length === 0
      ? `${data} holds payloads, and ${place} names none of them: they belong to another ledger, or to an older copy of this one. Name the folder of this ledger with --data, or an empty one. ${ADOPT}`
      : `${place} names payloads that are not in ${data}: they are in another folder. Name that one with --data. ${ADOPT}`,
  );
}

const hasBlobs = (folder: string): boolean =>
  existsSync(folder) &&
  readdirSync(folder, { withFileTypes: true }).some(
    (shard) =>
      shard.isDirectory() && /^[0-9a-f]{2}$/.test(shard.name) && readdirSync(join(folder, shard.name)).length > 0,
  );

/** Writes the identity where there is none; false where another server was faster. */
function writeFirst(data: string, said: FolderIdentity): boolean {
  const unfinished = writeUnfinished(data, said);
  try {
    linkSync(unfinished, join(data, FILE));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    if (!NO_LINKS.has((error as NodeJS.ErrnoException).code)) throw asFull(error);
    if (existsSync(join(data, FILE))) return false;
    renameSync(unfinished, join(data, FILE));
  } finally {
    rmSync(unfinished, { force: true });
  }
  syncFolder(data);
  return true;
}

/** Writes what a folder says of itself, whole or not at all. */
export function writeIdentity(data: string, said: FolderIdentity): void {
  const unfinished = writeUnfinished(data, said);
  renameSync(unfinished, join(data, FILE));
  syncFolder(data);
}

function writeUnfinished(data: string, said: FolderIdentity): string {
  const file = join(data, `${FILE}.${randomUUID()}`);
  try {
    const handle = openSync(file, 'wx', 0o600);
    try {
      writeFileSync(handle, `${JSON.stringify({ ...said, host: hostname() }, null, 2)}\n`);
      fsyncSync(handle);
    } finally {
      closeSync(handle);
    }
  } catch (error) {
    rmSync(file, { force: true });
    throw asFull(error);
  }
  return file;
}

function asFull(error: unknown): unknown {
  const { code } = error as NodeJS.ErrnoException;
  return code === 'ENOSPC' || code === 'EDQUOT'
    ? new StorageFull('There is no room on the disk to say whose the data folder is. Free some space on it.', {
        cause: error,
      })
    : error;
}
