// Looks at everything that a store holds, and says which of its promises it breaks and where.

import { BlobDamaged, type BlobStore, ORPHAN_AGE, type StoredBlob } from '../blobs/blobs.ts';
import { blobsOf, type CaptureReader, type CaptureRecord, everyCapture } from '../captures/captures.ts';
import { orphansIn } from '../captures/orphans.ts';
import { StorageBroken, StorageUnavailable } from '../../domain/errors.ts';
import type { BlobKey, PayloadFacts } from '../../domain/payload.ts';
import { between, type Instant } from '../../domain/time.ts';
import type { LedgerStore, RetentionLedger, Violation } from '../ledger/ledger.ts';
import { FILE_PROMISE, PLACES_MAX } from '../ledger/promises.ts';
import type { ExaminedStore } from './store.ts';

/** What the ledger and the blobs promise together. */
const BLOB_PROMISE =
  'Every payload that is kept can be had; one in the blob store has the length and the sha-256 that its run says.';

/** What the folder, the ledger and the stores beside it promise. */
const BELONGING_PROMISE =
  'The data folder, its ledger and the stores beside it belong together, none is missing, and what they hold can be read.';

/** What the captures' file promises. */
const CAPTURES_FILE_PROMISE = 'The pages, rows and indexes of the captures’ file agree with each other.';

/** What the captures and their blobs promise together. */
const CAPTURES_PROMISE =
  'The predictions and the ids of every capture can be had, with the length and the sha-256 that it says.';

/** Blobs that the ledger is asked about at a time. */
const PAGE = 250;
/** Names asked for at a time: for each page of them the ledger reads its runs once. */
const NAMES = 20_000;
/** Blobs read at a time, so that a disk always has something to do and memory is no question. */
const BLOBS_AT_ONCE = 4;

/**
 * The state of a promise: `kept` is null where a file could not be read to its end, so that
 * nobody knows.
 */
export interface Finding {
  readonly promise: string;
  readonly kept: boolean | null;
  /** The first places that break it, PLACES_MAX at the most. */
  readonly places: readonly string[];
}

/** How far an examination has come. */
export interface Examined {
  readonly runs: number;
  readonly captures: number;
  /** Of runs and of captures. */
  readonly blobs: number;
  readonly blobBytes: number;
}

/** What an examination has found. */
export interface Report {
  readonly healthy: boolean;
  readonly findings: readonly Finding[];
  readonly examined: Examined;
  /**
   * Blobs that no run names, older than an hour: what a server that died left behind. They break no
   * promise.
   */
  readonly leftovers: readonly StoredBlob[];
  /** As `leftovers`, of captures. */
  readonly captureLeftovers: readonly StoredBlob[];
}

/** The state of some promises, and what no run or no capture names. */
interface Part {
  readonly findings: readonly Finding[];
  readonly leftovers: readonly StoredBlob[];
}

/** Examines a store. `onProgress` is called often. */
export async function examine(
  store: ExaminedStore,
  now: Instant,
  onProgress: (examined: Examined) => void,
): Promise<Report> {
  const examination = new Examination(store, onProgress);
  const belonging = finding(BELONGING_PROMISE, await store.strangers(PLACES_MAX).catch(unreadable));
  const runs = await examineRuns(store, examination, now);
  const captures = await examineCaptures(store, examination, now);
  const findings = [...runs.findings, ...captures.findings, belonging];
  return {
    healthy: findings.every(({ kept }) => kept),
    findings,
    examined: examination.examined,
    leftovers: runs.leftovers,
    captureLeftovers: captures.leftovers,
  };
}

/** Where the ledger cannot even say which one it is, the runs are a finding of their own. */
function unreadable(error: unknown): string[] {
  if (!(error instanceof StorageBroken)) throw error;
  return [error.message];
}

async function examineRuns(store: ExaminedStore, examination: Examination, now: Instant): Promise<Part> {
  try {
    const violations = [...(await store.ledger.audit()), ...(await store.ledger.auditRecords())];
    const damaged = await examination.damagedPayloads();
    const findings = [...findingsOf(store.promises, violations), finding(BLOB_PROMISE, damaged)];
    return { findings, leftovers: await examination.leftovers(now) };
  } catch (error) {
    return brokenOff(error, FILE_PROMISE, [...store.promises, BLOB_PROMISE]);
  }
}

async function examineCaptures(
  { captures, captureBlobs }: ExaminedStore,
  examination: Examination,
  now: Instant,
): Promise<Part> {
  try {
    const findings = captures === null ? [] : await capturesFindings(captures, examination);
    const leftovers = captureBlobs === null ? [] : await orphansIn(captureBlobs, captures ?? NO_CAPTURES, now);
    return { findings, leftovers };
  } catch (error) {
    return brokenOff(error, CAPTURES_FILE_PROMISE, [CAPTURES_FILE_PROMISE, CAPTURES_PROMISE]);
  }
}

const NO_CAPTURES = { all: async () => [] };

async function capturesFindings(captures: CaptureReader, examination: Examination): Promise<Finding[]> {
  const damages = await captures.damages(PLACES_MAX);
  const ofFile = damages === null ? [] : [finding(CAPTURES_FILE_PROMISE, damages)];
  return [
    ...ofFile,
    finding(CAPTURES_PROMISE, [
      ...(await captures.mistakes(PLACES_MAX)),
      ...(await examination.damagedCaptures(captures)),
    ]),
  ];
}

/** A file that SQLite cannot read on is a finding, too, and the last one of its store. */
function brokenOff(error: unknown, filePromise: string, promises: readonly string[]): Part {
  if (!(error instanceof StorageBroken)) throw error;
  const findings = promises.map((promise): Finding =>
    promise === filePromise
      ? { promise, kept: false, places: [(error.cause as Error).message] }
      : { promise, kept: null, places: [] },
  );
  return { findings, leftovers: [] };
}

/** Every promise in its order, and after them what a driver found beside. */
function findingsOf(promises: readonly string[], violations: readonly Violation[]): Finding[] {
  const all = new Set([...promises, ...violations.map(({ promise }) => promise)]);
  return [...all].map((promise) =>
    finding(
      promise,
      violations.filter((violation) => violation.promise === promise).map(({ where }) => where),
    ),
  );
}

const finding = (promise: string, places: readonly string[]): Finding => ({
  promise,
  kept: places.length === 0,
  places: places.slice(0, PLACES_MAX),
});

class Examination {
  readonly #ledger: LedgerStore & RetentionLedger;
  readonly #blobs: ExaminedStore['blobs'];
  readonly #captureBlobs: ExaminedStore['captureBlobs'];
  readonly #onProgress: (examined: Examined) => void;
  #examined: Examined = { runs: 0, captures: 0, blobs: 0, blobBytes: 0 };

  constructor(store: ExaminedStore, onProgress: (examined: Examined) => void) {
    this.#ledger = store.ledger;
    this.#blobs = store.blobs;
    this.#captureBlobs = store.captureBlobs;
    this.#onProgress = onProgress;
  }

  get examined(): Examined {
    return this.#examined;
  }

  /**
   * Where a run has a payload in the blob store that is not what was stored. Those in the ledger
   * have been looked at by its audit.
   */
  async damagedPayloads(): Promise<string[]> {
    const damaged: string[] = [];
    this.#count({ runs: await this.#ledger.runCount() });
    for (let after = ''; ;) {
      const named = await this.#ledger.blobs(after, NAMES);
      if (named.length === 0) return damaged;
      for (let start = 0; start < named.length; start += BLOBS_AT_ONCE)
        await Promise.all(
          named
            .slice(start, start + BLOBS_AT_ONCE)
            .map(({ key, facts, role, runId }) =>
              this.#verify(this.#blobs, { key, facts, where: `${role} of ${runId}` }, damaged),
            ),
        );
      after = named.at(-1)!.key;
    }
  }

  /** Blobs that no run names and that no run will. */
  async leftovers(now: Instant): Promise<StoredBlob[]> {
    const leftovers: StoredBlob[] = [];
    for await (const blobs of pages(this.#blobs?.list() ?? [])) {
      const old = blobs.filter(({ storedAt }) => between(storedAt, now) > ORPHAN_AGE);
      const unnamed = new Set(await this.#ledger.unreferenced(old.map(({ key }) => key)));
      leftovers.push(...old.filter(({ key }) => unnamed.has(key)));
    }
    return leftovers;
  }

  /** Where a capture has predictions or ids that are not what was stored. */
  async damagedCaptures(captures: CaptureReader): Promise<string[]> {
    const damaged: string[] = [];
    for await (const capture of everyCapture(captures)) {
      const found: string[] = [];
      for (const { part, ...blob } of blobsOf(capture))
        await this.#verify(this.#captureBlobs, { ...blob, where: `${part} of ${captureText(capture)}` }, found);
      // Somebody may have deleted it meanwhile, where servers are at work.
      if (found.length > 0 && (await captures.get(capture, capture.version)) !== null) damaged.push(...found);
      this.#count({ captures: 1 });
    }
    return damaged;
  }

  async #verify(
    blobs: Pick<BlobStore, 'verify'> | null,
    { key, facts, where }: NamedBlob,
    damaged: string[],
  ): Promise<void> {
    if (blobs === null) {
      damaged.push(`${where}: there is no folder of blobs.`);
      return;
    }
    try {
      await blobs.verify(key, facts);
    } catch (error) {
      // A disk that cannot read the file is as much damage as another content.
      if (!(error instanceof BlobDamaged || error instanceof StorageUnavailable)) throw error;
      damaged.push(`${where}: ${(error as Error).message}`);
    }
    this.#count({ blobs: 1, blobBytes: facts.bytes });
  }

  #count({ runs = 0, captures = 0, blobs = 0, blobBytes = 0 }: Partial<Examined>): void {
    const sum = this.#examined;
    this.#examined = {
      runs: sum.runs + runs,
      captures: sum.captures + captures,
      blobs: sum.blobs + blobs,
      blobBytes: sum.blobBytes + blobBytes,
    };
    this.#onProgress(this.#examined);
  }
}

interface NamedBlob {
  readonly key: BlobKey;
  readonly facts: PayloadFacts;
  /** Whose it is, for a reader. */
  readonly where: string;
}

/** Which capture it is, for a reader: every tenant has names of its own. */
const captureText = ({ tenant, endpoint, name, version }: CaptureRecord): string =>
  `${endpoint}/${name} version ${version} of tenant ${tenant}`;

async function* pages<Item>(items: AsyncIterable<Item> | Iterable<Item>): AsyncIterable<Item[]> {
  let page: Item[] = [];
  for await (const item of items) {
    page.push(item);
    if (page.length < PAGE) continue;
    yield page;
    page = [];
  }
  if (page.length > 0) yield page;
}
