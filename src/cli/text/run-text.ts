// Runs and endpoints as text for people.

import { systemClock } from '../../system/clock.ts';
import { between, inSeconds, parseRfc3339, toRfc3339 } from '../../domain/time.ts';
import type { EndpointBody } from '../../wire/endpoints.ts';
import type { RunBody, RunLine } from '../../wire/runs.ts';
import type { VersionBody } from '../../wire/versions.ts';
import { replicasText } from '../../client/progress/line.ts';
import { timeText } from '../../client/progress/rate.ts';
import { columns, type coloursFor, plainLine } from './text.ts';

type Colours = ReturnType<typeof coloursFor>;

/** Runs as a table. */
export function runTable(runs: readonly RunLine[], colours: Colours): string {
  if (runs.length === 0) return 'No runs.\n';
  const lines = runs.map((run) => [
    run.run_id,
    run.endpoint,
    run.status === 'running' && run.started_at !== null ? `running ${ageText(run.started_at)}` : run.status,
    progressText(run),
    ageText(run.created_at),
    run.run_name ?? rowsText(run),
  ]);
  const [head = '', ...rest] = columns([['ID', 'ENDPOINT', 'STATUS', 'DONE', 'AGE', 'NAME'], ...lines])
    .trimEnd()
    .split('\n');
  return [colours.dim(head), ...rest, ''].join('\n');
}

/** `rows 21 to 30` of a chunk, counted from 1 as in what people are told of failed rows. */
function rowsText({ rows }: RunLine): string {
  if (rows === null) return '';
  return rows.to - rows.from === 1 ? `row ${rows.to}` : `rows ${rows.from + 1} to ${rows.to}`;
}

/**
 * A run, a fact a line.
 *
 * @param running the chunks of a batch that are at work
 */
export function runDetails(run: RunBody, colours: Colours, running: readonly RunLine[] = []): string {
  const waiting = run.waiting_on === null ? '' : `, waiting on ${run.waiting_on.replace('_', ' ')}`;
  const ahead = run.queue === null ? '' : `, ${run.queue.ahead} ahead`;
  const facts: (readonly [string, string] | null)[] = [
    ['run', run.run_id],
    run.run_name === null ? null : ['name', run.run_name],
    ['endpoint', `${run.endpoint}, version ${run.version}`],
    ['status', `${run.status}${waiting}${ahead}`],
    run.retry_of === null ? null : ['retry of', run.retry_of],
    run.concurrency_key === null ? null : ['key', `${run.concurrency_key} (concurrency key)`],
    run.progress === null ? null : [run.progress.unit, `${progressText(run)}${messageText(run)}`],
    run.batch === null
      ? null
      : [
          'batch',
          `${run.batch.size} rows per chunk, ${run.batch.max_in_flight} chunks in flight, failed rows: ${run.batch.on_row_error}`,
        ],
    running.length === 0 ? null : ['at work', runningText(running)],
    ['created', run.created_at],
    run.started_at === null ? null : ['started', run.started_at],
    run.finished_at === null ? null : ['finished', `${run.finished_at}${tookText(run)}`],
    ...run.attempts.map((attempt): readonly [string, string] => [`attempt ${attempt.attempt}`, attemptText(attempt)]),
    run.output === null ? null : ['output', `${run.output.content_type}, ${run.output.bytes} bytes`],
    run.error === null ? null : ['error', `${run.error.type}: ${run.error.detail}`],
  ];
  return facts
    .flatMap((fact) => (fact === null ? [] : [`${colours.dim(fact[0].padEnd(10))} ${plainLine(fact[1])}\n`]))
    .join('');
}

/** `3 chunks, the oldest (rows 21 to 30, run …) for 2 min 05 s`. */
function runningText(running: readonly RunLine[]): string {
  const since = ({ started_at: at }: RunLine): string => at ?? '9';
  const oldest = running.toSorted((a, b) => (since(a) < since(b) ? -1 : 1))[0]!;
  const which = `(${rowsText(oldest)}, run ${oldest.run_id}) for ${ageText(since(oldest))}`;
  return running.length === 1 ? `1 chunk ${which}` : `${running.length} chunks, the oldest ${which}`;
}

/** Endpoints as a table. */
export function endpointTable(endpoints: readonly EndpointBody[], colours: Colours): string {
  if (endpoints.length === 0) return 'No endpoints.\n';
  const lines = endpoints.map(({ name, mode, version, state, replicas, queued, running, default: isDefault }) => [
    isDefault ? `${name} (default)` : name,
    mode,
    String(version),
    state,
    `${replicasText(replicas)} of ${replicas.max}`,
    String(queued),
    String(running),
  ]);
  const [head = '', ...rest] = columns([
    ['NAME', 'MODE', 'VERSION', 'STATE', 'REPLICAS', 'QUEUED', 'RUNNING'],
    ...lines,
  ])
    .trimEnd()
    .split('\n');
  return [colours.dim(head), ...rest, ''].join('\n');
}

/** An endpoint, a fact a line. */
export function endpointDetails(endpoint: EndpointBody, colours: Colours): string {
  const { replicas, drain_rate: drainRate } = endpoint;
  const rollout = rolloutText(endpoint);
  const facts: (readonly [string, string] | null)[] = [
    ['endpoint', `${endpoint.name}${endpoint.default ? ' (default)' : ''}, version ${endpoint.version}`],
    endpoint.description === null ? null : ['about', endpoint.description],
    ['mode', endpoint.mode],
    ['state', stateText(endpoint)],
    ['replicas', `${replicasText(replicas)}, ${replicas.min} to ${replicas.max}${lastStartText(endpoint)}`],
    [
      'queue',
      `${endpoint.queued} of ${endpoint.queue_limit} queued${oldestText(endpoint)}, ${endpoint.running} running${limitText(endpoint)}${drainRate === null ? '' : `, ${drainRate.toFixed(2)} runs/s`}`,
    ],
    ['batches', `${endpoint.batch_size ?? 'default'} rows per chunk, ${endpoint.max_in_flight} chunks in flight`],
    ['timeout', `${timeText(endpoint.timeout)} an attempt, ${timeText(endpoint.queue_ttl)} in the queue`],
    ['kept', `inputs and outputs for ${timeText(endpoint.retention)}`],
    endpoint.features.length === 0 ? null : ['features', endpoint.features.join(', ')],
    endpoint.scoring === null ? null : ['scored', scoringText(endpoint.scoring)],
    endpoint.tags.length === 0 ? null : ['tags', endpoint.tags.join(', ')],
    rollout === null ? null : ['rollout', rollout],
    endpoint.trouble === null ? null : ['trouble', endpoint.trouble],
  ];
  return facts
    .flatMap((fact) => (fact === null ? [] : [`${colours.dim(fact[0].padEnd(10))} ${plainLine(fact[1])}\n`]))
    .join('');
}

function scoringText({
  target,
  prediction,
  task,
  id_column,
  evaluation,
}: NonNullable<EndpointBody['scoring']>): string {
  const said = [
    target === null ? null : `target ${target}`,
    prediction === null ? null : `prediction ${prediction}`,
    task,
    id_column === null ? null : `ids ${id_column}`,
    evaluation ? 'evaluation data' : null,
  ];
  return said.filter((one) => one !== null).join(', ');
}

/** Versions as a table. */
export function versionTable(versions: readonly VersionBody[], colours: Colours): string {
  const lines = versions.map(({ version, state, source, deployed_at: deployedAt, reason }) => [
    String(version),
    state,
    source,
    deployedAt,
    reason === null ? '' : plainLine(reason),
  ]);
  const [head = '', ...rest] = columns([['VERSION', 'STATE', 'SOURCE', 'DEPLOYED', 'REASON'], ...lines])
    .trimEnd()
    .split('\n');
  return [colours.dim(head), ...rest, ''].join('\n');
}

/** A version that is tried, or that failed. */
function rolloutText({ rollout }: EndpointBody): string | null {
  if (rollout === null) return null;
  return rollout.state === 'starting'
    ? `version ${rollout.version} is being tried`
    : `version ${rollout.version} failed: ${rollout.reason}`;
}

/** `ready`, or `failing, 3 times in a row, tried again at …`. */
function stateText({ state, failures, retry_at: retryAt }: EndpointBody): string {
  const parts = [
    state,
    failures === 0 ? null : `${failures} ${failures === 1 ? 'failure' : 'failures in a row'}`,
    retryAt === null ? null : `tried again at ${retryAt}`,
  ];
  return parts.filter((part) => part !== null).join(', ');
}

function lastStartText({ last_start_seconds: lastStart }: EndpointBody): string {
  return lastStart === null ? '' : ` (the last start took ${timeText(lastStart)})`;
}

function oldestText({ oldest_age_seconds: age }: EndpointBody): string {
  return age === null ? '' : ` (the oldest for ${timeText(age)})`;
}

function limitText({ concurrency_limit: limit }: EndpointBody): string {
  return limit === null ? '' : ` (${limit} at most)`;
}

function progressText({ progress }: Pick<RunLine, 'progress'>): string {
  if (progress === null) return '';
  const total = progress.total === null ? '' : `/${progress.total}`;
  return `${progress.done}${total}${progress.failed === 0 ? '' : `, ${progress.failed} failed`}`;
}

function messageText({ progress }: Pick<RunLine, 'progress'>): string {
  return progress === null || progress.message === null ? '' : `, ${progress.message}`;
}

/** `failed after 1.2 s, replica …, cold start 0.4 s, replica-crashed: …`. */
function attemptText(attempt: RunBody['attempts'][number]): string {
  const {
    outcome,
    replica,
    cold_start_seconds: coldStart,
    started_at: started,
    finished_at: finished,
    error,
  } = attempt;
  const parts = [
    outcome === null || finished === null
      ? 'running'
      : `${outcome} after ${timeText(secondsBetween(started, finished))}`,
    replica === null ? null : `replica ${replica}`,
    coldStart === null ? null : `cold start ${timeText(coldStart)}`,
    error === null ? null : `${error.type}: ${error.detail}`,
  ];
  return parts.filter((part) => part !== null).join(', ');
}

function tookText({ started_at: started, finished_at: finished }: RunBody): string {
  return started === null || finished === null ? '' : ` (took ${timeText(secondsBetween(started, finished))})`;
}

function ageText(createdAt: string): string {
  return timeText(Math.max(0, secondsBetween(createdAt, toRfc3339(systemClock.now()))));
}

function secondsBetween(start: string, end: string): number {
  const [from, to] = [parseRfc3339(start), parseRfc3339(end)];
  return from === null || to === null ? 0 : inSeconds(between(from, to));
}
