// Between a database's rows and the port's records: the columns have the same names in every
// driver.

import type { BatchPlan, Progress } from '../../domain/batch.ts';
import type { Callback, CallbackEvent, DeliveryId } from '../../domain/delivery.ts';
import type { RunError, RunFailure } from '../../domain/errors.ts';
import type { RunId } from '../../domain/ids.ts';
import type { BlobKey, Payload, PayloadFacts } from '../../domain/payload.ts';
import type { RunKind, RunStatus } from '../../domain/run.ts';
import { type Duration, type Instant, instant, milliseconds } from '../../domain/time.ts';
import type {
  AttemptRecord,
  ChunkRecord,
  ClaimedDelivery,
  ClaimedRun,
  DeliveryAttemptRecord,
  DeliveryRecord,
  Deployment,
  DeploymentRecord,
  EndpointDepth,
  NamedBlob,
  RunRecord,
} from './ledger.ts';

/**
 * The columns of `RunRow`, for every statement that reads a run as `r`; `runs` is what the driver
 * calls their table.
 */
export const runColumns = (runs: 'runs' | 'claimcheck.runs'): string => `
  r.seq, r.run_id, r.endpoint, r.version, r.kind, r.status, r.run_name, r.priority, r.attempt, r.counted_attempts,
  r.created_at_ms, r.due_at_ms, r.started_at_ms, r.finished_at_ms, r.timeout_ms, r.queue_ttl_ms, r.metadata, r.accept, r.batch,
  (SELECT p.run_id FROM ${runs} p WHERE p.seq = r.parent_seq) AS parent_id, r.row_from, r.row_to,
  r.progress_done, r.progress_total, r.progress_failed, r.progress_message,
  r.input_type, r.input_bytes, r.input_sha256, r.input_blob, r.output_type, r.output_bytes, r.output_sha256, r.output_blob,
  r.error_type, r.error_detail, r.tenant, r.alone, r.concurrency_key, r.retry_of, r.callback_url, r.callback_events,
  r.retention_ms, r.payloads_kept, r.trace`;

/** A run as the database returns it. */
export interface RunRow {
  seq: number;
  run_id: string;
  endpoint: string;
  version: number;
  kind: RunKind;
  status: RunStatus;
  run_name: string | null;
  priority: number;
  attempt: number;
  counted_attempts: number;
  created_at_ms: number;
  due_at_ms: number;
  started_at_ms: number | null;
  finished_at_ms: number | null;
  timeout_ms: number | null;
  queue_ttl_ms: number | null;
  metadata: string;
  accept: string | null;
  batch: string | null;
  parent_id: string | null;
  row_from: number | null;
  row_to: number | null;
  progress_done: number | null;
  progress_total: number | null;
  progress_failed: number | null;
  progress_message: string | null;
  input_type: string | null;
  input_bytes: number | null;
  input_sha256: string | null;
  input_blob: string | null;
  output_type: string | null;
  output_bytes: number | null;
  output_sha256: string | null;
  output_blob: string | null;
  error_type: string | null;
  error_detail: string | null;
  tenant: string;
  /** A number in SQLite, as every truth there. */
  alone: number | boolean;
  concurrency_key: string | null;
  retry_of: string | null;
  callback_url: string | null;
  callback_events: string | null;
  retention_ms: number;
  payloads_kept: number | boolean;
  trace: string | null;
}

/** An attempt as the database returns it. */
export interface AttemptRow {
  attempt: number;
  replica: string | null;
  cold_start_ms: number | null;
  started_at_ms: number;
  finished_at_ms: number | null;
  stopped_at_ms: number | null;
  outcome: AttemptRecord['outcome'];
  error_type: string | null;
  error_detail: string | null;
}

/** The furthest that a time can be from 1970 and still be written as one, in milliseconds. */
const TIME_MAX = 8.64e15;

/**
 * A time that nobody could have written down is shown as the beginning of 1970, which nobody takes
 * for one.
 */
const timeOf = (value: number): Instant => instant(Math.abs(value) <= TIME_MAX ? value : 0);
const instantOrNull = (value: number | null): Instant | null => (value === null ? null : timeOf(value));
const durationOrNull = (value: number | null): Duration | null => (value === null ? null : milliseconds(value));

function factsOf(contentType: string | null, bytes: number | null, sha256: string | null): PayloadFacts | null {
  return contentType === null || bytes === null || sha256 === null ? null : { contentType, bytes, sha256 };
}

/** A stored error, or null where there is none. */
function errorOf(row: { error_type: string | null; error_detail: string | null }): RunError | null {
  return row.error_type === null ? null : { type: row.error_type as RunFailure, detail: row.error_detail ?? '' };
}

/**
 * JSON that this ledger has written; null where it has been damaged since. One row that nobody can
 * read must not make others unreadable that are read with it; `claimcheck doctor` names it.
 */
function written<Value>(text: string | null): Value | null {
  if (text === null) return null;
  try {
    return JSON.parse(text) as Value;
  } catch {
    return null;
  }
}

const isListOfTexts = (value: unknown): value is readonly string[] =>
  Array.isArray(value) && value.every((one) => typeof one === 'string');

/** The texts of a run that were damaged, by what they are called. */
function damagedTexts({ metadata, batch, callback_events: events, trace }: RunRow): string[] {
  const isDamaged = (text: string | null): boolean => text !== null && written(text) === null;
  const texts = { metadata, batch, trace };
  const named = Object.entries(texts).filter(([, text]) => isDamaged(text));
  const lists = events !== null && !isListOfTexts(written(events)) ? ['callback_events'] : [];
  return [...named.map(([name]) => name), ...lists];
}

/** The port's record of a stored run; what of it cannot be read is null. */
export function toRunRecord(row: RunRow): RunRecord {
  const batch = written<BatchPlan>(row.batch);
  return {
    sequence: row.seq,
    runId: row.run_id as RunId,
    endpoint: row.endpoint,
    version: row.version,
    kind: row.kind,
    tenant: row.tenant,
    status: row.status,
    runName: row.run_name,
    priority: row.priority,
    attempt: row.attempt,
    createdAt: timeOf(row.created_at_ms),
    dueAt: timeOf(row.due_at_ms),
    startedAt: instantOrNull(row.started_at_ms),
    finishedAt: instantOrNull(row.finished_at_ms),
    timeout: durationOrNull(row.timeout_ms),
    queueTtl: durationOrNull(row.queue_ttl_ms),
    metadata: row.metadata,
    accept: row.accept,
    parentId: row.parent_id as RunId | null,
    rows: row.row_from === null || row.row_to === null ? null : { from: row.row_from, to: row.row_to },
    batch,
    progress: progressOf(row, batch),
    input: factsOf(row.input_type, row.input_bytes, row.input_sha256),
    output: factsOf(row.output_type, row.output_bytes, row.output_sha256),
    payloadsKept: Boolean(row.payloads_kept),
    error: errorOf(row),
    concurrencyKey: row.concurrency_key,
    retryOf: row.retry_of as RunId | null,
    retention: milliseconds(row.retention_ms),
    callback: callbackOf(row),
    trace: row.trace,
  };
}

/** Who is told of a run's end. */
export function callbackOf(row: { callback_url: string | null; callback_events: string | null }): Callback | null {
  const { callback_url: url, callback_events: events } = row;
  const asked = written<unknown>(events);
  return url === null || !isListOfTexts(asked) ? null : { url, events: asked as readonly CallbackEvent[] };
}

/** A batch has its progress from the start: how many rows it has is known when it is taken in. */
function progressOf(row: RunRow, batch: BatchPlan | null): Progress | null {
  const { progress_done: done, progress_total: total } = row;
  if (batch !== null) return { done: done ?? 0, total: total ?? batch.rows, failed: row.progress_failed ?? 0 };
  return done === null ? null : { done, total, message: row.progress_message };
}

/** The columns of a progress, in the order done, total, failed, message. */
export function progressColumns(
  progress: Progress | null,
): [number | null, number | null, number | null, string | null] {
  if (progress === null) return [null, null, null, null];
  const { done, total } = progress;
  return 'failed' in progress ? [done, total, progress.failed, null] : [done, total, null, progress.message];
}

/** The port's record of a stored attempt. */
export function toAttemptRecord(row: AttemptRow): AttemptRecord {
  return {
    attempt: row.attempt,
    replica: row.replica,
    coldStart: durationOrNull(row.cold_start_ms),
    startedAt: timeOf(row.started_at_ms),
    finishedAt: instantOrNull(row.finished_at_ms),
    stoppedAt: instantOrNull(row.stopped_at_ms),
    outcome: row.outcome,
    error: errorOf(row),
  };
}

/** A blob that a run names, as the database returns it. */
export interface BlobRow {
  readonly key: BlobKey;
  readonly run_id: RunId;
  readonly role: 'input' | 'output';
  readonly type: string;
  readonly bytes: number;
  readonly sha256: string;
}

/** The port's record of it. */
export const toNamedBlob = ({ key, run_id: runId, role, type, bytes, sha256 }: BlobRow): NamedBlob => ({
  key,
  runId,
  role,
  facts: { contentType: type, bytes, sha256 },
});

/** What of a claimed run was damaged: the lane that executes it says so. */
export function damageOf(row: RunRow): Pick<ClaimedRun, 'damaged'> {
  const damaged = damagedTexts(row);
  return damaged.length === 0 ? {} : { damaged };
}

/**
 * The input of a run that is claimed; null where the ledger has nothing of it. The lane that
 * executes the run says so: a claim that failed for it would keep every run of the endpoint from
 * being claimed.
 */
export const claimedInput = (
  facts: PayloadFacts | null,
  inline: Uint8Array | null,
  blob: string | null,
): Payload | null => (blob === null && inline === null ? null : toPayload(facts, inline, blob));

/** A payload from its facts and wherever its bytes are; null where the run has none. */
function toPayload(facts: PayloadFacts | null, inline: Uint8Array | null, blob: string | null): Payload | null {
  if (facts === null) return null;
  if (blob !== null) return { ...facts, body: { blob: blob as BlobKey } };
  if (inline === null)
    throw new Error(`The ledger has neither the bytes nor the blob of a payload (sha-256 ${facts.sha256}).`);
  return { ...facts, body: { inline } };
}

/** A run with the bytes of one of its payloads, as the database returns it. */
export type PayloadRow = RunRow & { body: Uint8Array | null };

/** The payload of a stored run; null where it has none, or it is no longer kept. */
export function payloadOf(row: PayloadRow, role: 'input' | 'output'): Payload | null {
  if (!row.payloads_kept) return null;
  return toPayload(toRunRecord(row)[role], row.body, role === 'input' ? row.input_blob : row.output_blob);
}

/** A chunk as the database returns it. */
export interface ChunkRow {
  run_id: string;
  row_from: number;
  row_to: number;
  status: RunStatus;
  error_type: RunError['type'] | null;
  error_detail: string | null;
}

/** The port's record of a stored chunk. */
export const toChunkRecord = (row: ChunkRow): ChunkRecord => ({
  runId: row.run_id as RunId,
  rows: { from: row.row_from, to: row.row_to },
  status: row.status,
  error: errorOf(row),
});

/** What waits and works at an endpoint, as the database returns it. */
export type DepthRow = Omit<EndpointDepth, 'oldestQueuedAt'> & { oldest_queued_at_ms: number | null };

/** The port's record of it. */
export const toEndpointDepth = ({ oldest_queued_at_ms: oldest, ...counts }: DepthRow): EndpointDepth => ({
  ...counts,
  oldestQueuedAt: instantOrNull(oldest),
});

/** A version of an endpoint as the database returns it. */
export type DeploymentRow = Omit<DeploymentRecord, 'deployedAt'> & { deployed_at_ms: number };

/** The port's record of it. */
export const toDeploymentRecord = (row: DeploymentRow): DeploymentRecord => ({
  endpoint: row.endpoint,
  version: row.version,
  fingerprint: row.fingerprint,
  spec: row.spec,
  source: row.source,
  state: row.state,
  reason: row.reason,
  deployedAt: timeOf(row.deployed_at_ms),
});

/** What an endpoint's row says of its active version, and of what a configuration said last. */
export interface Standing {
  version: number;
  fingerprint: string;
  config_fingerprint: string | null;
}

/**
 * Whether a configuration says what it said before, and what is active now was deployed through a
 * server since.
 */
export const staysAsItIs = (
  { source, fingerprint }: Deployment,
  standing: Standing | undefined,
): standing is Standing =>
  source === 'config' && standing?.config_fingerprint === fingerprint && standing.fingerprint !== fingerprint;

/** A delivery as the database returns it. */
export interface DeliveryRow {
  delivery_id: DeliveryId;
  event: CallbackEvent;
  url: string;
  attempt: number;
  created_at_ms: number;
  due_at_ms: number;
  outcome: DeliveryRecord['outcome'];
  detail: string | null;
}

/** An attempt at a delivery as the database returns it. */
export interface DeliveryAttemptRow {
  attempt: number;
  started_at_ms: number;
  finished_at_ms: number | null;
  status: number | null;
  latency_ms: number | null;
  detail: string | null;
}

/** The port's record of a stored attempt at a delivery. */
const toDeliveryAttemptRecord = (row: DeliveryAttemptRow): DeliveryAttemptRecord => ({
  attempt: row.attempt,
  startedAt: timeOf(row.started_at_ms),
  finishedAt: instantOrNull(row.finished_at_ms),
  answer:
    row.detail === null || row.latency_ms === null
      ? null
      : { status: row.status, latency: milliseconds(row.latency_ms), detail: row.detail },
});

/** The port's record of a stored delivery. */
export const toDeliveryRecord = (row: DeliveryRow, attempts: readonly DeliveryAttemptRow[]): DeliveryRecord => ({
  deliveryId: row.delivery_id,
  event: row.event,
  url: row.url,
  attempt: row.attempt,
  createdAt: timeOf(row.created_at_ms),
  dueAt: timeOf(row.due_at_ms),
  outcome: row.outcome,
  detail: row.detail,
  attempts: attempts.map(toDeliveryAttemptRecord),
});

/** A delivery that was claimed, as the database returns it. */
export type ClaimedDeliveryRow = Omit<DeliveryRow, 'due_at_ms' | 'outcome' | 'detail'> & {
  run_id: RunId;
  endpoint: string;
  series_from: number;
};

/** The port's record of it. */
export const toClaimedDelivery = (row: ClaimedDeliveryRow): ClaimedDelivery => ({
  claim: { deliveryId: row.delivery_id, attempt: row.attempt },
  tries: row.attempt - row.series_from,
  runId: row.run_id,
  endpoint: row.endpoint,
  event: row.event,
  url: row.url,
  createdAt: timeOf(row.created_at_ms),
});
