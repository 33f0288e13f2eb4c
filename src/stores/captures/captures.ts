// The port to the captures: what is known of predictions that are kept under a name. The
// predictions themselves are blobs beside it. A driver is done when the conformance suite in
// test/captures/ passes for it.

import { setImmediate as turn } from 'node:timers/promises';
import type { RunId } from '../../domain/ids.ts';
import type { BlobKey, PayloadFacts } from '../../domain/payload.ts';
import type { Score, ScoringChoice } from '../../domain/scoring.ts';
import type { Instant } from '../../domain/time.ts';

/**
 * What a capture may be called: letters, digits, dots, hyphens and underscores, 64 characters at
 * most.
 */
export const CAPTURE_NAME = /^[A-Za-z0-9](?:[A-Za-z0-9._-]{0,62}[A-Za-z0-9])?$/;

/** Whose captures, and of what. */
export interface CapturePlace {
  readonly tenant: string;
  readonly endpoint: string;
  readonly name: string;
}

/** A capture that is to be kept. */
export interface NewCapture extends CapturePlace {
  readonly runId: RunId;
  /** The version of the endpoint that the run was submitted to. */
  readonly endpointVersion: number;
  /**
   * The public half of the key that asked for the capture, or null where the server asks for none.
   */
  readonly capturedBy: string | null;
  readonly createdAt: Instant;
  /** What the request said of scoring; what it left to the endpoint is null. */
  readonly asked: ScoringChoice;
  readonly input: PayloadFacts;
  readonly predictions: PayloadFacts;
  /**
   * The column of the input that tells rows apart, and the JSON list of its values, one for each
   * prediction; null where it has none.
   */
  readonly ids: { readonly column: string; readonly list: PayloadFacts } | null;
  readonly score: Score;
  /**
   * What its blobs are called. No two captures share it, not even two of one run: deleting the
   * blobs of one does no harm to another.
   */
  readonly blobName: string;
}

/** A capture as it is kept. Nothing of it ever changes. */
export interface CaptureRecord extends NewCapture {
  /** Order of arrival; rises with every capture. */
  readonly sequence: number;
  /**
   * 1 for the first of its name; another run under the same name is another version. No number is
   * given twice, also where its capture was deleted.
   */
  readonly version: number;
}

/** Which captures to list, newest first. */
export interface CaptureFilter extends Pick<CapturePlace, 'tenant' | 'endpoint'> {
  readonly name?: string;
  /** Only captures that came before this sequence number: where the last page ended. */
  readonly before?: number;
  readonly limit: number;
}

/** A capture that is kept, and whether it was kept before. */
export interface AddedCapture {
  readonly result: 'added' | 'found';
  readonly capture: CaptureRecord;
}

/** See the head of this file. */
export interface CaptureStore {
  /**
   * Keeps a capture under the next version of its name. A run is captured once under a name: again,
   * it is the capture that is there, even if the new one says something else.
   *
   * @throws StorageFull when there is no room; nothing is kept then
   */
  add(capture: NewCapture): Promise<AddedCapture>;
  /** The capture of a run under a name, or null. */
  ofRun(place: CapturePlace, runId: RunId): Promise<CaptureRecord | null>;
  /** A version of a name, the newest for null; null where there is none. */
  get(place: CapturePlace, version: number | null): Promise<CaptureRecord | null>;
  list(filter: CaptureFilter): Promise<readonly CaptureRecord[]>;
  /**
   * Captures of everybody, in the order of their arrival, from behind a sequence number on;
   * `everyCapture` goes through all of them.
   */
  all(after: number, limit: number): Promise<readonly CaptureRecord[]>;
  /**
   * Deletes a version of a name, or all of them for null, and answers what it has deleted: its
   * blobs may be deleted after that. The numbers stay taken.
   *
   * @throws StorageFull when there is no room to write that down; nothing is deleted then
   */
  delete(place: CapturePlace, version: number | null): Promise<readonly CaptureRecord[]>;
  close(): Promise<void>;
}

/** Captures that are open to be looked at, and never written. */
export interface CaptureReader extends Pick<CaptureStore, 'get' | 'all' | 'close'> {
  /**
   * What is wrong with the file, so many places at the most; null where they are in no file of
   * their own.
   */
  damages(limit: number): Promise<readonly string[] | null>;
  /**
   * Captures that cannot be read or were changed, so many at the most; `all` leaves out those that
   * cannot be read.
   */
  mistakes(limit: number): Promise<readonly string[]>;
}

/** What of a capture lies in the blob store. */
export const CAPTURE_PARTS = ['predictions', 'ids'] as const;
/** See the list of the same name. */
export type CapturePart = (typeof CAPTURE_PARTS)[number];

/** A blob of a capture. */
export interface CaptureBlob {
  readonly part: CapturePart;
  readonly key: BlobKey;
  readonly facts: PayloadFacts;
}

/** Where a part of a capture lies. */
export const captureKey = ({ blobName }: Pick<NewCapture, 'blobName'>, part: CapturePart): BlobKey =>
  `${blobName}.${part}` as BlobKey;

/** The name in a blob's key, or null for a file that is none of a capture. */
export const blobNameOf = (key: string): string | null =>
  /^([0-9a-f-]{36})\.(?:predictions|ids)$/.exec(key)?.[1] ?? null;

/** The blobs of a capture. */
export function blobsOf(capture: CaptureRecord): CaptureBlob[] {
  const { predictions, ids } = capture;
  const parts = { predictions, ...(ids !== null && { ids: ids.list }) };
  return (Object.entries(parts) as [CapturePart, PayloadFacts][]).map(([part, facts]) => ({
    part,
    key: captureKey(capture, part),
    facts,
  }));
}

/** Captures read at a time: each has some kilobytes. */
const PAGE = 100;

/** Every capture of a store, of all tenants, in the order of their arrival. */
export async function* everyCapture(store: Pick<CaptureStore, 'all'>): AsyncIterable<CaptureRecord> {
  for (let after = 0; ;) {
    const page = await store.all(after, PAGE);
    if (page.length === 0) return;
    yield* page;
    after = page.at(-1)!.sequence;
    // A store in the caller's thread would keep everybody else waiting.
    await turn();
  }
}
