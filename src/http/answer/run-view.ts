// From the ledger's records to the bodies on the wire.

import type { BatchOptions, Progress } from '../../domain/batch.ts';
import { EMBEDDED_JSON_BYTES_MAX, isJson, type PayloadFacts } from '../../domain/payload.ts';
import { isEnded } from '../../domain/run.ts';
import type { ScoringSpec } from '../../domain/scoring.ts';
import { inSeconds, type Instant, toRfc3339 } from '../../domain/time.ts';
import type { EndpointView, RunView } from '../../engine/views.ts';
import type { AttemptRecord, RunRecord } from '../../stores/ledger/ledger.ts';
import type { EndpointBody } from '../../wire/endpoints.ts';
import type { AttemptBody, ProgressBody, RunBody, RunLine } from '../../wire/runs.ts';
import {
  cancelPath,
  chunksPath,
  deliveriesPath,
  eventsPath,
  logsPath,
  outputPath,
  partsPath,
  runPath,
} from '../paths.ts';
import { failureBody } from './problem.ts';

const timeOrNull = (at: Instant | null): string | null => (at === null ? null : toRfc3339(at));

/**
 * The JSON text of a run in a list; `base` stands before the paths of its links. Its metadata is
 * spliced in as it was sent, so its numbers stay as they are.
 */
export function runLineText(run: RunRecord, base: string): string {
  return spliced(runLine(run, base), { metadata: metadataOf(run) });
}

/**
 * What stands in the place of metadata that was damaged in the store: it would make everything
 * unreadable that stands around it.
 */
const UNREADABLE = '{}';

function metadataOf({ metadata }: RunRecord): string {
  if (metadata === UNREADABLE) return metadata;
  try {
    const value: unknown = JSON.parse(metadata);
    return typeof value === 'object' ? metadata : UNREADABLE;
  } catch {
    return UNREADABLE;
  }
}

/** A JSON object with members whose text is at hand. */
function spliced(body: object, texts: Readonly<Record<string, string>>): string {
  const members = Object.entries(texts).map(([name, text]) => `,${JSON.stringify(name)}:${text}`);
  return `${JSON.stringify(body).slice(0, -1)}${members.join('')}}`;
}

/** A run in a list, but for its metadata. */
function runLine(run: RunRecord, base: string): Omit<RunLine, 'metadata'> {
  return {
    run_id: run.runId,
    endpoint: run.endpoint,
    version: run.version,
    run_name: run.runName,
    status: run.status,
    done: isEnded(run.status),
    created_at: toRfc3339(run.createdAt),
    started_at: timeOrNull(run.startedAt),
    finished_at: timeOrNull(run.finishedAt),
    timeout: run.timeout === null ? null : inSeconds(run.timeout),
    queue_ttl: run.queueTtl === null ? null : inSeconds(run.queueTtl),
    priority: run.priority,
    progress: run.progress === null ? null : progressBody(run.progress),
    batch: batchBody(run.batch),
    rows: run.rows,
    output: outputFacts(run, base),
    error: run.error === null ? null : failureBody(run.error),
    parent_id: run.parentId,
    retry_of: run.retryOf,
    concurrency_key: run.concurrencyKey,
    links: {
      self: `${base}${runPath(run.runId)}`,
      output: `${base}${outputPath(run.runId)}`,
      events: `${base}${eventsPath(run.runId)}`,
      logs: `${base}${logsPath(run.runId)}`,
      cancel: `${base}${cancelPath(run.runId)}`,
      ...(run.kind === 'batch'
        ? { children: `${base}${chunksPath(run.runId)}`, parts: `${base}${partsPath(run.runId)}` }
        : {}),
      ...(run.callback === null ? {} : { deliveries: `${base}${deliveriesPath(run.runId)}` }),
    },
  };
}

/**
 * The JSON text of a run with all that is known of it.
 *
 * @param outputs the exact text of the output where it is to be shown inside, else null: it is
 *   spliced in and never parsed, so its numbers stay as they are
 * @param isDeduplicated whether it answers a submission that made no run, because this one has its
 *   concurrency key
 */
export function runText(view: RunView, base: string, outputs: string | null, isDeduplicated = false): string {
  const { run, attempts, queue, waitingOn } = view;
  const body: Omit<RunBody, 'outputs' | 'metadata'> = {
    ...runLine(run, base),
    queue:
      queue === null
        ? null
        : {
            ahead: queue.ahead,
            estimated_start_seconds: queue.estimatedStart === null ? null : inSeconds(queue.estimatedStart),
          },
    waiting_on: waitingOn,
    attempts: attempts.map(attemptBody),
    ...(isDeduplicated ? { deduplicated: true } : {}),
  };
  return withOutputs(spliced(body, { metadata: metadataOf(run), outputs: 'null' }), outputs);
}

/** The text of a run, its output shown inside. */
export const withOutputs = (text: string, outputs: string | null): string =>
  outputs === null ? text : `${text.slice(0, -'null}'.length)}${outputs}}`;

/** Whether a run's output is shown inside it. */
export function isEmbedded(output: PayloadFacts | null): boolean {
  return output !== null && isJson(output.contentType) && output.bytes <= EMBEDDED_JSON_BYTES_MAX;
}

/** An endpoint. */
export function endpointBody({
  deployed,
  replicas,
  depth,
  oldestAge,
  drainRate,
  health,
  rollout,
}: EndpointView): EndpointBody {
  const { spec, version } = deployed;
  return {
    name: spec.name,
    version,
    mode: spec.mode,
    default: spec.isDefault,
    description: spec.description,
    tags: [...spec.tags],
    features: [...spec.features],
    scoring: spec.scoring === undefined ? null : scoringBody(spec.scoring),
    batch_size: spec.batchSize,
    max_in_flight: spec.maxInFlight,
    on_row_error: spec.onRowError,
    timeout: inSeconds(spec.timeout),
    sync_timeout: inSeconds(spec.syncTimeout),
    queue_ttl: inSeconds(spec.queueTtl),
    queue_limit: spec.queueLimit,
    concurrency_limit: spec.concurrencyLimit,
    retention: inSeconds(spec.retention),
    replicas: { ...replicas },
    queued: depth.queued,
    backlog: depth.backlog,
    running: depth.running,
    oldest_age_seconds: oldestAge === null ? null : inSeconds(oldestAge),
    drain_rate: drainRate,
    state: health.state,
    trouble: health.trouble,
    failures: health.failures,
    retry_at: timeOrNull(health.retryAt),
    rollout,
    last_start_seconds: health.lastStart === null ? null : inSeconds(health.lastStart),
  };
}

const scoringBody = ({ target, prediction, task, idColumn, evaluation }: ScoringSpec): EndpointBody['scoring'] => ({
  target,
  prediction,
  task,
  id_column: idColumn,
  evaluation: evaluation !== null,
});

/** How far a run has come. */
export function progressBody(progress: Progress): ProgressBody {
  return 'failed' in progress
    ? { ...progress, unit: 'rows', message: null }
    : { ...progress, failed: 0, unit: 'steps' };
}

function batchBody(batch: BatchOptions | null): RunLine['batch'] {
  return batch === null ? null : { size: batch.size, max_in_flight: batch.maxInFlight, on_row_error: batch.onRowError };
}

function outputFacts({ runId, output }: RunRecord, base: string): RunLine['output'] {
  return output === null
    ? null
    : {
        href: `${base}${outputPath(runId)}`,
        content_type: output.contentType,
        bytes: output.bytes,
        sha256: output.sha256,
      };
}

/** An attempt. */
export function attemptBody(attempt: AttemptRecord): AttemptBody {
  return {
    attempt: attempt.attempt,
    replica: attempt.replica,
    cold_start_seconds: attempt.coldStart === null ? null : inSeconds(attempt.coldStart),
    started_at: toRfc3339(attempt.startedAt),
    finished_at: timeOrNull(attempt.finishedAt),
    stopped_at: timeOrNull(attempt.stoppedAt),
    outcome: attempt.outcome,
    error: attempt.error === null ? null : failureBody(attempt.error),
  };
}
