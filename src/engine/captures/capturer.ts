// Makes captures, from runs that have succeeded. What a run was given and what it answered is taken
// from where the run is stored, and never from the caller: a capture says what a version of an
// endpoint has answered, and no caller can make it say anything else.
//
// Blobs are stored before their capture is, and deleted after it. Each capture has blobs of its
// own: deleting one takes nothing from another, also where the same run is captured under the same
// name meanwhile.

import { randomUUID } from 'node:crypto';
import type { Readable } from 'node:stream';
import { BlobDamaged, type BlobStore } from '../../stores/blobs/blobs.ts';
import type { Clock } from '../../system/clock.ts';
import type { Principal } from '../../domain/access.ts';
import { sha256 } from '../../domain/digest.ts';
import { ServiceError, StorageFull } from '../../domain/errors.ts';
import { type BlobKey, LOCATION_TYPE, type PayloadFacts } from '../../domain/payload.ts';
import type { ScoringChoice, ScoringSpec } from '../../domain/scoring.ts';
import type { Runs } from '../runs.ts';
import type { Exchange } from '../exchange.ts';
import type { Stored } from '../stored.ts';
import type { RunRecord } from '../../stores/ledger/ledger.ts';
import type { Log } from '../../system/log.ts';
import type { ScoredTable } from '../../scoring/score.ts';
import type { DiskRoom } from '../../stores/disk/disk-room.ts';
import { BORDER_TYPES, borderFormatOf, CONTENT_TYPES } from '../../table/format.ts';
import {
  type CaptureFilter,
  captureKey,
  CAPTURE_PARTS,
  type CapturePart,
  type CapturePlace,
  type CaptureRecord,
  type CaptureStore,
  type AddedCapture,
  type NewCapture,
} from '../../stores/captures/captures.ts';
import type { StoredTable } from './score-answer.ts';
import { Scorer } from './scorer.ts';

/** What captures are made with. */
export interface CapturerDeps {
  readonly runs: Pick<Runs, 'exchange'>;
  readonly store: CaptureStore;
  /** Predictions and ids: apart from the runs' own, which end with their retention. */
  readonly blobs: BlobStore;
  /** What is left of the disk is for runs, where it is little. */
  readonly room: Pick<DiskRoom, 'assertRoom'>;
  readonly clock: Clock;
  readonly log: Log;
  readonly scorer?: Scorer;
}

/** A capture as somebody asks for it. */
export interface CaptureRequest {
  readonly principal: Principal;
  readonly name: string;
  /** The run, which has succeeded and which the principal sees. */
  readonly run: RunRecord;
  /** What goes before the endpoint's own. */
  readonly asked: ScoringChoice;
  readonly spec: ScoringSpec;
}

/** See the head of this file. */
export class Capturer {
  readonly #deps: CapturerDeps;
  readonly #scorer: Scorer;

  constructor(deps: CapturerDeps) {
    this.#deps = deps;
    this.#scorer = deps.scorer ?? new Scorer();
  }

  /**
   * Keeps a run's predictions under a name; durable when this resolves. A run that is captured
   * under that name already is not captured again. Null once the run's input or output is no longer
   * kept.
   *
   * @throws ServiceError `invalid-request` for a run that is no table, a prediction that cannot be
   *   told from other columns, and a run that was captured under the name with other choices;
   *   StorageFull
   */
  async capture(request: CaptureRequest): Promise<AddedCapture | null> {
    const { store, runs, room } = this.#deps;
    const place = placeOf(request);
    const there = await store.ofRun(place, request.run.runId);
    if (there !== null) return { result: 'found', capture: assertSame(there, request) };
    room.assertRoom();
    const exchange = await runs.exchange(request.run);
    if (exchange === null) return null;
    const kept = await this.#keep(place, request, exchange);
    return { ...kept, capture: assertSame(kept.capture, request) };
  }

  /**
   * A version of a name, the newest for null.
   *
   * @throws ServiceError `capture-not-found`
   */
  async get(place: CapturePlace, version: number | null): Promise<CaptureRecord> {
    const capture = await this.#deps.store.get(place, version);
    if (capture === null) throw await this.#notFound(place, version);
    return capture;
  }

  list(filter: CaptureFilter): Promise<readonly CaptureRecord[]> {
    return this.#deps.store.list(filter);
  }

  /**
   * Deletes a version of a name, all of them for null, and answers how many that were. A reader
   * that has begun reads to the end.
   *
   * @throws ServiceError `capture-not-found`; StorageFull
   */
  async delete(place: CapturePlace, version: number | null): Promise<number> {
    const deleted = await this.#deps.store.delete(place, version);
    if (deleted.length === 0) throw await this.#notFound(place, version);
    for (const { blobName } of deleted) await this.#deleteBlobs(blobName);
    return deleted.length;
  }

  /**
   * The output of a captured run, byte for byte, as it is read from the disk: to be read to its
   * end, or destroyed.
   *
   * @throws ServiceError `payload-damaged` when the store does not have the bytes that were put
   *   there, `capture-not-found` when it has been deleted
   */
  predictions(capture: CaptureRecord): Promise<Readable> {
    return this.#open(capture, 'predictions', capture.predictions);
  }

  /**
   * The ids of the predictions, one for each, as a JSON list; null where the input had no column of
   * ids. Otherwise as `predictions`.
   */
  async ids(capture: CaptureRecord): Promise<Readable | null> {
    return capture.ids === null ? null : this.#open(capture, 'ids', capture.ids.list);
  }

  async #keep(
    place: CapturePlace,
    request: CaptureRequest,
    { input, output, dropped }: Exchange,
  ): Promise<AddedCapture> {
    const { blobs, clock } = this.#deps;
    const { principal, run, asked, spec } = request;
    const tables = { input: tableOf('input', input), output: tableOf('output', output), dropped };
    const choice = { ...spec, ...stated(asked) };
    const { ids, ...score } = await this.#scorer.score({ ...tables, choice, idColumn: spec.idColumn }, run.runId);
    return this.#withBlobs(async (blobName) => {
      await blobs.put(captureKey({ blobName }, 'predictions'), output.content);
      const list = ids === null ? null : await this.#putIds(captureKey({ blobName }, 'ids'), ids);
      return {
        ...place,
        runId: run.runId,
        endpointVersion: run.version,
        capturedBy: principal.keyId,
        createdAt: clock.now(),
        asked,
        input: factsOf(input),
        predictions: factsOf(output),
        ids: list === null ? null : { column: ids!.column, list },
        score,
        blobName,
      };
    });
  }

  /**
   * Adds a capture whose blobs `make` has stored. They go again where there is no capture of
   * theirs: for want of room, or because somebody else has captured the run meanwhile.
   */
  async #withBlobs(make: (blobName: string) => Promise<NewCapture>): Promise<AddedCapture> {
    const blobName = randomUUID();
    try {
      const kept = await this.#deps.store.add(await make(blobName));
      if (kept.capture.blobName !== blobName) await this.#deleteBlobs(blobName);
      return kept;
    } catch (error) {
      if (error instanceof StorageFull) await this.#deleteBlobs(blobName);
      throw error;
    }
  }

  /** What cannot be deleted is left for the keeper. */
  async #deleteBlobs(blobName: string): Promise<void> {
    const { blobs, log } = this.#deps;
    for (const part of CAPTURE_PARTS) {
      const key = captureKey({ blobName }, part);
      await blobs.delete(key).catch((error: unknown) => log.warn({ err: error, key }, 'a blob could not be deleted'));
    }
  }

  async #notFound(place: CapturePlace, version: number | null): Promise<ServiceError> {
    const newest = version === null ? null : await this.#deps.store.get(place, null);
    return new ServiceError(
      'capture-not-found',
      newest === null
        ? `Nothing of ${place.endpoint} is captured under the name ${JSON.stringify(place.name.slice(0, 64))}.`
        : `${place.name} has no version ${version}; the newest is ${newest.version}.`,
    );
  }

  async #putIds(key: BlobKey, { values }: NonNullable<ScoredTable['ids']>): Promise<PayloadFacts> {
    const bytes = new TextEncoder().encode(JSON.stringify(values));
    await this.#deps.blobs.put(key, bytes);
    return { contentType: CONTENT_TYPES.json, bytes: bytes.length, sha256: sha256(bytes) };
  }

  async #open(capture: CaptureRecord, part: CapturePart, facts: PayloadFacts): Promise<Readable> {
    try {
      return await this.#deps.blobs.stream(captureKey(capture, part), facts);
    } catch (cause) {
      if (!(cause instanceof BlobDamaged)) throw cause;
      const { endpoint, name, version } = capture;
      // It may have been deleted since it was looked up.
      await this.get(capture, version);
      this.#deps.log.error(
        { err: cause, endpoint, name, version },
        `the ${part} of a capture are damaged in the store`,
      );
      throw new ServiceError('payload-damaged', `The ${part} of this capture are damaged in the store.`, { cause });
    }
  }
}

const placeOf = ({ run: { tenant, endpoint }, name }: CaptureRequest): CapturePlace => ({ tenant, endpoint, name });

const factsOf = ({ contentType, bytes, sha256: digest }: PayloadFacts): PayloadFacts => ({
  contentType,
  bytes,
  sha256: digest,
});

/** The members that somebody has said. */
const stated = (asked: ScoringChoice): Partial<ScoringChoice> =>
  Object.fromEntries(Object.entries(asked).filter(([, value]) => value !== null));

/** A stored payload as a table that can be scored. */
function tableOf(role: 'input' | 'output', { content, contentType }: Stored): StoredTable {
  const format = borderFormatOf(contentType);
  if (format !== null) return { bytes: content, format };
  const what = contentType === LOCATION_TYPE ? 'was fetched from where it lies, and is not kept' : `is ${contentType}`;
  throw new ServiceError(
    'invalid-request',
    `The run cannot be captured: its ${role} ${what}, and predictions are captured of tables (${Object.values(BORDER_TYPES).join(', ')}).`,
  );
}

/** A capture never changes: asking again with other choices is an error, and no other answer. */
function assertSame(there: CaptureRecord, { asked, run }: CaptureRequest): CaptureRecord {
  const same = (Object.keys(asked) as (keyof ScoringChoice)[]).every((key) => there.asked[key] === asked[key]);
  if (same) return there;
  throw new ServiceError(
    'invalid-request',
    `Run ${run.runId} is captured under ${there.name} already (version ${there.version}), with another target, prediction or task. A capture never changes: choose another name.`,
    { errors: [{ pointer: '/name', detail: 'has this run already, scored in another way' }] },
  );
}
