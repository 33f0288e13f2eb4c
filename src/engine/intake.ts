// From an invocation that a caller asks for to a run that is written down. Everything that can be
// refused is refused here, before anything is stored; an input that is too large to be held was
// stored while it came, and is deleted again where it becomes no run.

import { newRunId } from '../system/clock.ts';
import { inputKey } from '../stores/blobs/blobs.ts';
import type { Principal } from '../domain/access.ts';
import type { BatchPlan } from '../domain/batch.ts';
import { sha256 } from '../domain/digest.ts';
import type { Callback } from '../domain/delivery.ts';
import { ServiceError, StorageFull } from '../domain/errors.ts';
import type { RunId } from '../domain/ids.ts';
import type { Payload } from '../domain/payload.ts';
import { fullHeaders } from '../domain/quota.ts';
import { lostWorkersMax } from '../domain/retry.ts';
import type { Duration } from '../domain/time.ts';
import type { Egress } from '../egress/egress.ts';
import type { Enqueued, NewRun, QueueLedger, RunRecord } from '../stores/ledger/ledger.ts';
import { BORDER_TYPES } from '../table/format.ts';
import type { TraceText } from '../system/trace-context.ts';
import type { ArrowConverter } from './batch/arrow-converter.ts';
import { batchFormat, type BatchQuestion, planHeld, planStored } from './batch/plan.ts';
import type { Deployed } from './deployment.ts';
import { checkedInput, refusedAddress } from './located-input.ts';
import type { Payloads } from './payloads.ts';
import { checkStored, checkSubmitted } from './whole-table.ts';

/**
 * An input in hand: its bytes, or a payload that was stored already, under the key of the run that
 * is to be made of it.
 */
export type SubmittedInput =
  | { readonly contentType: string; readonly bytes: Uint8Array }
  | { readonly contentType: string; readonly stored: Payload; readonly runId: RunId };

/** An invocation as it was asked for, its form checked and nothing else. */
export interface Submission extends BatchQuestion {
  /**
   * Who hands it in: the run belongs to the principal's tenant, and the idempotency key to its API
   * key alone.
   */
  readonly principal: Principal;
  readonly input: SubmittedInput;
  readonly runName: string | null;
  readonly timeout: Duration | null;
  readonly queueTtl: Duration | null;
  readonly priority: number;
  /** JSON text of an object. */
  readonly metadata: string;
  readonly idempotencyKey: string | null;
  readonly concurrencyKey: string | null;
  /** The ended run whose input this one tries again. */
  readonly retryOf: RunId | null;
  /** The trace that the run belongs to, as `NewRun` has it. */
  readonly trace: TraceText | null;
  /** Who is told of its end. */
  readonly callback: (Callback & { readonly pointer: string }) | null;
}

/**
 * A run that is durable. `replayed` is one that the same idempotency key made before,
 * `deduplicated` an open one with the same concurrency key.
 */
export type Accepted =
  | { readonly kind: 'new'; readonly run: RunRecord; readonly ahead: number }
  | { readonly kind: 'replayed' | 'deduplicated'; readonly runId: RunId };

/** What the intake works with. */
export interface IntakeDeps {
  readonly ledger: QueueLedger;
  readonly payloads: Payloads;
  /** Reads tables that are Arrow. */
  readonly arrow: ArrowConverter;
  /** Refuses what no run can be made of now. */
  readonly assertOpen: () => void;
  /** Knows which addresses may be named. */
  readonly egress: Egress;
  /** What a full queue answers as Retry-After. */
  readonly retryAfter: (endpoint: string) => Duration;
}

/**
 * Writes a run down; durable when this resolves. An input that was stored already is discarded
 * where no run comes of it.
 *
 * @throws ServiceError `malformed-body` or `invalid-request` for a table that cannot be run,
 *   `not-acceptable`, `queue-full`, `idempotency-mismatch`
 */
export async function accept(deps: IntakeDeps, submission: Submission): Promise<Accepted> {
  const { deployed, input } = submission;
  const { spec } = deployed;
  const { runId, payload, batch, callback } = await takeIn(deps, submission).catch(async (error: unknown) => {
    if ('stored' in input) await deps.payloads.discard(input.stored);
    throw error;
  });
  const run: NewRun = {
    runId,
    endpoint: spec.name,
    version: deployed.version,
    kind: batch === null ? 'call' : 'batch',
    tenant: submission.principal.tenant,
    runName: submission.runName,
    priority: submission.priority,
    timeout: submission.timeout ?? spec.timeout,
    queueTtl: submission.queueTtl ?? spec.queueTtl,
    lostWorkersMax: batch === null ? lostWorkersMax(spec.retry) : null,
    metadata: submission.metadata,
    accept: submission.accept,
    input: payload,
    batch,
    parent: null,
    idempotency:
      submission.idempotencyKey === null
        ? null
        : {
            key: ownKey(submission.principal, submission.idempotencyKey),
            fingerprint: fingerprintOf(submission, payload),
          },
    concurrencyKey: submission.concurrencyKey,
    retryOf: submission.retryOf,
    retention: spec.retention,
    callback,
    trace: submission.trace,
  };
  const [written] = await deps.ledger.enqueue([run]).catch(async (error: unknown) => {
    // Nothing was written then. Of any other error nobody knows, and a run that was written down
    // needs its payload.
    if (error instanceof StorageFull) await deps.payloads.discard(payload);
    throw error;
  });
  if (written!.result !== 'enqueued') await deps.payloads.discard(payload);
  return answer(deps, deployed, run, written!);
}

/** What a run is made of. */
interface Taken {
  readonly runId: RunId;
  readonly payload: Payload;
  readonly batch: BatchPlan | null;
  readonly callback: Callback | null;
}

async function takeIn(deps: IntakeDeps, submission: Submission): Promise<Taken> {
  const { payloads, egress, assertOpen } = deps;
  assertOpen();
  const { input, inputPointer } = submission;
  const callback = callbackOf(deps, submission);
  const format = batchFormat(submission);
  if ('stored' in input) {
    const batch = format === null ? null : await planStored(submission, deps, input.stored, format);
    if (batch === null) await checkStored(submission, payloads, input.stored);
    const contentType = batch === null ? input.contentType : BORDER_TYPES[format!];
    return { runId: input.runId, payload: { ...input.stored, contentType }, batch, callback };
  }
  const { bytes } = checkedInput(input, egress, inputPointer);
  const batch = format === null ? null : await planHeld(submission, deps, bytes, format);
  if (batch === null) checkSubmitted(submission, bytes);
  const runId = newRunId();
  const contentType = batch === null ? input.contentType : BORDER_TYPES[format!];
  return { runId, payload: await payloads.store(bytes, contentType, inputKey(runId)), batch, callback };
}

/**
 * With its URL in the one spelling that there is for it: what was checked is what is kept, and
 * connected to later.
 */
function callbackOf({ egress }: IntakeDeps, { callback }: Submission): Callback | null {
  if (callback === null) return null;
  const { pointer, events } = callback;
  const checked = egress.check(callback.url);
  if ('url' in checked) return { url: checked.url, events };
  throw refusedAddress(pointer, checked.refusal);
}

function answer(deps: IntakeDeps, deployed: Deployed, run: NewRun, written: Enqueued): Accepted {
  switch (written.result) {
    case 'enqueued':
      return { kind: 'new', ahead: written.ahead, run: recordOf(run, written) };
    case 'replayed':
    case 'deduplicated':
      return { kind: written.result, runId: written.runId };
    case 'key-reused':
      throw new ServiceError(
        'idempotency-mismatch',
        'This Idempotency-Key came before with another endpoint, other options or another input. Use a new key for a new request.',
      );
    case 'queue-full':
      throw queueFull(deployed, written.queued, deps.retryAfter(run.endpoint));
    case 'refused':
      throw new Error('A run without a parent was refused for its parent.');
  }
}

function queueFull({ spec }: Deployed, queued: number, wait: Duration): ServiceError {
  return new ServiceError(
    'queue-full',
    `Endpoint ${spec.name} has ${queued} runs queued, its queue_limit. Nothing was stored; try again after the time in Retry-After.`,
    { headers: fullHeaders(spec.queueLimit, wait) },
  );
}

/**
 * An idempotency key as it is stored: apart from the same one of another API key. No key that is
 * sent has a line end in it.
 */
const ownKey = ({ keyId }: Principal, idempotencyKey: string): string =>
  keyId === null ? idempotencyKey : `${keyId}\n${idempotencyKey}`;

/** Two requests are the same when everything that could change the answer is. */
function fingerprintOf(submission: Submission, input: Payload): string {
  const {
    deployed,
    accept: wanted,
    batch,
    runName,
    timeout,
    queueTtl,
    priority,
    metadata,
    concurrencyKey,
    retryOf,
    callback,
  } = submission;
  return sha256(
    JSON.stringify([
      deployed.spec.name,
      wanted,
      batch,
      runName,
      timeout,
      queueTtl,
      priority,
      metadata,
      concurrencyKey,
      retryOf,
      input.contentType,
      input.sha256,
      // Only where there is one: keys of requests that came before there could be stand for the
      // same requests.
      ...(callback === null ? [] : [callback.url, callback.events]),
    ]),
  );
}

/** What the ledger would answer if it were asked for the run that it has just written. */
function recordOf(run: NewRun, { sequence, createdAt }: Enqueued & { result: 'enqueued' }): RunRecord {
  const { lostWorkersMax: _, idempotency: __, parent: ___, input, batch, ...asGiven } = run;
  return {
    ...asGiven,
    sequence,
    status: 'queued',
    attempt: 0,
    createdAt,
    dueAt: createdAt,
    startedAt: null,
    finishedAt: null,
    parentId: null,
    rows: null,
    batch,
    progress: batch === null ? null : { done: 0, total: batch.rows, failed: 0 },
    input: { contentType: input!.contentType, bytes: input!.bytes, sha256: input!.sha256 },
    output: null,
    payloadsKept: true,
    error: null,
  };
}
