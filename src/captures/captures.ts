// The port to the captures: what is known of predictions that are kept under a name. The predictions themselves are blobs beside it. A
// driver is done when the conformance suite in test/captures/ passes for it.

import type { RunId } from '../domain/ids.ts';
import type { PayloadFacts } from '../domain/payload.ts';
import type { Score, ScoringChoice } from '../domain/scoring.ts';
import type { Instant } from '../domain/time.ts';

/** What a capture may be called: letters, digits, dots, hyphens and underscores, 64 characters at most. */
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
  /** The public half of the key that asked for the capture, or null where the server asks for none. */
  readonly capturedBy: string | null;
  readonly createdAt: Instant;
  /** What the request said of scoring; what it left to the endpoint is null. */
  readonly asked: ScoringChoice;
  readonly input: PayloadFacts;
  readonly predictions: PayloadFacts;
  /** The column of the input that tells rows apart, and the JSON list of its values, one for each prediction; null where it has none. */
  readonly ids: { readonly column: string; readonly list: PayloadFacts } | null;
  readonly score: Score;
}

/** A capture as it is kept. Nothing of it ever changes. */
export interface CaptureRecord extends NewCapture {
  /** Order of arrival; rises with every capture. */
  readonly sequence: number;
  /** 1 for the first of its name; another run under the same name is another version. */
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
export interface Kept {
  readonly result: 'added' | 'found';
  readonly capture: CaptureRecord;
}

/** See the head of this file. */
export interface CaptureStore {
  /**
   * Keeps a capture under the next version of its name. A run is captured once under a name: again, it is the capture that is there, whatever
   * else the new one says.
   *
   * @throws StorageFull when there is no room; nothing is kept then
   */
  add(capture: NewCapture): Promise<Kept>;
  /** The capture of a run under a name, or null. */
  ofRun(place: CapturePlace, runId: RunId): Promise<CaptureRecord | null>;
  /** A version of a name, the newest for null; null where there is none. */
  get(place: CapturePlace, version: number | null): Promise<CaptureRecord | null>;
  list(filter: CaptureFilter): Promise<readonly CaptureRecord[]>;
  close(): Promise<void>;
}
