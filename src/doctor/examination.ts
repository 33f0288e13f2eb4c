// Looks at everything that a store holds, and says which of its promises it breaks and where.

import { BlobDamaged, type StoredBlob } from '../blobs/blobs.ts';
import { StorageBroken } from '../domain/errors.ts';
import type { RunId } from '../domain/ids.ts';
import type { BlobKey, Payload } from '../domain/payload.ts';
import { between, type Duration, hours, type Instant } from '../domain/time.ts';
import type { Ledger, RunRecord, Violation } from '../ledger/ledger.ts';
import { FILE_PROMISE, PLACES_MAX } from '../ledger/promises.ts';
import type { OpenStore } from './store.ts';

/** What the ledger and the blobs promise together. */
export const BLOB_PROMISE =
  'Every payload that is kept can be had; one in the blob store has the length and the sha-256 that its run says.';

/** A blob is written before the run that names it, so a young one may belong to a run that is being taken in. */
const YOUNG: Duration = hours(1);
/** Runs read at a time, and blobs asked for: as many as share a turn of the ledger. */
const PAGE = 250;
/** Blobs read at a time, so that a disk always has something to do and memory is no question. */
const BLOBS_AT_ONCE = 4;

/** What became of a promise: `kept` is null where the ledger could not be read to the end, so that nobody knows. */
export interface Finding {
  readonly promise: string;
  readonly kept: boolean | null;
  /** The first places that break it, PLACES_MAX at the most. */
  readonly places: readonly string[];
}

/** How far an examination has come. */
export interface Examined {
  readonly runs: number;
  readonly blobs: number;
  readonly blobBytes: number;
}

/** What an examination has found. */
export interface Report {
  readonly healthy: boolean;
  readonly findings: readonly Finding[];
  readonly examined: Examined;
  /** Blobs that no run names, older than an hour: what a server that died left behind. They break no promise. */
  readonly leftovers: readonly StoredBlob[];
}

/** Examines a store. `onProgress` is called often. */
export async function examine(
  store: OpenStore,
  now: Instant,
  onProgress: (examined: Examined) => void,
): Promise<Report> {
  const examination = new Examination(store, onProgress);
  try {
    const violations = await store.ledger.audit();
    const damaged = await examination.damagedPayloads(new Set(violations.map(({ where }) => where)));
    const leftovers = await examination.leftovers(now);
    const findings = [...findingsOf(store.promises, violations), finding(BLOB_PROMISE, damaged)];
    return { healthy: findings.every(({ kept }) => kept), findings, examined: examination.examined, leftovers };
  } catch (error) {
    // A file that SQLite cannot read on is a finding, too, and the last one.
    if (!(error instanceof StorageBroken)) throw error;
    const findings = [...store.promises, BLOB_PROMISE].map((promise): Finding =>
      promise === FILE_PROMISE
        ? { promise, kept: false, places: [(error.cause as Error).message] }
        : { promise, kept: null, places: [] },
    );
    return { healthy: false, findings, examined: examination.examined, leftovers: [] };
  }
}

/** Every promise in its order, and after them whatever a driver found beside. */
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
  readonly #ledger: Ledger;
  readonly #blobs: OpenStore['blobs'];
  readonly #onProgress: (examined: Examined) => void;
  #examined: Examined = { runs: 0, blobs: 0, blobBytes: 0 };

  constructor({ ledger, blobs }: OpenStore, onProgress: (examined: Examined) => void) {
    this.#ledger = ledger;
    this.#blobs = blobs;
    this.#onProgress = onProgress;
  }

  get examined(): Examined {
    return this.#examined;
  }

  /**
   * Where a run has a payload that is not what was stored. The bytes of small ones lie in the ledger, and the audit has looked at them:
   * where the ledger cannot hand out a payload of a run that it named, nothing is said again.
   */
  async damagedPayloads(named: ReadonlySet<string>): Promise<string[]> {
    const damaged: string[] = [];
    for await (const runs of this.#pagesOfRuns()) {
      const payloads = (await Promise.all(runs.map((run) => this.#blobsOf(run, named, damaged)))).flat();
      for (let start = 0; start < payloads.length; start += BLOBS_AT_ONCE) {
        const group = payloads.slice(start, start + BLOBS_AT_ONCE);
        await Promise.all(group.map((one) => this.#verify(one, damaged)));
      }
      this.#count({ runs: runs.length });
    }
    return damaged;
  }

  /** Blobs that no run names and that no run will. */
  async leftovers(now: Instant): Promise<StoredBlob[]> {
    const leftovers: StoredBlob[] = [];
    for await (const blobs of pages(this.#blobs?.list() ?? [])) {
      const old = blobs.filter(({ storedAt }) => between(storedAt, now) > YOUNG);
      const unnamed = new Set(await this.#ledger.unreferenced(old.map(({ key }) => key)));
      leftovers.push(...old.filter(({ key }) => unnamed.has(key)));
    }
    return leftovers;
  }

  /** Every run, each batch followed by its chunks. */
  async *#pagesOfRuns(parentId?: RunId): AsyncIterable<readonly RunRecord[]> {
    for (let before: number | undefined; ;) {
      const runs = await this.#ledger.runs({
        limit: PAGE,
        ...(parentId === undefined ? {} : { parentId }),
        ...(before === undefined ? {} : { before }),
      });
      if (runs.length === 0) return;
      yield runs;
      for (const run of runs) if (run.kind === 'batch') yield* this.#pagesOfRuns(run.runId);
      before = runs.at(-1)!.sequence;
    }
  }

  /** The blobs of a run. */
  async #blobsOf(
    { runId, payloadsKept, input, output }: RunRecord,
    named: ReadonlySet<string>,
    damaged: string[],
  ): Promise<NamedBlob[]> {
    if (!payloadsKept) return [];
    const roles = [...(input === null ? [] : (['input'] as const)), ...(output === null ? [] : (['output'] as const))];
    const blobs = roles.map(async (role): Promise<NamedBlob[]> => {
      const where = `${role} of ${runId}`;
      try {
        const payload = await this.#ledger.payload(runId, role);
        return payload !== null && 'blob' in payload.body ? [{ key: payload.body.blob, payload, where }] : [];
      } catch (error) {
        if (error instanceof StorageBroken) throw error;
        if (!named.has(runId)) damaged.push(`${where}: ${(error as Error).message.split('\n')[0]}`);
        return [];
      }
    });
    return (await Promise.all(blobs)).flat();
  }

  async #verify({ key, payload, where }: NamedBlob, damaged: string[]): Promise<void> {
    if (this.#blobs === null) {
      damaged.push(`${where}: there is no folder of blobs.`);
      return;
    }
    try {
      await this.#blobs.verify(key, payload);
    } catch (error) {
      // A disk that cannot read the file is as much damage as another content.
      if (!(error instanceof BlobDamaged) && (error as NodeJS.ErrnoException).code === undefined) throw error;
      damaged.push(`${where}: ${(error as Error).message}`);
    }
    this.#count({ blobs: 1, blobBytes: payload.bytes });
  }

  #count({ runs = 0, blobs = 0, blobBytes = 0 }: Partial<Examined>): void {
    const sum = this.#examined;
    this.#examined = { runs: sum.runs + runs, blobs: sum.blobs + blobs, blobBytes: sum.blobBytes + blobBytes };
    this.#onProgress(this.#examined);
  }
}

interface NamedBlob {
  readonly key: BlobKey;
  readonly payload: Payload;
  /** Whose it is, for a reader. */
  readonly where: string;
}

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
