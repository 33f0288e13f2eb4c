// From an endpoint as it is written to the specification that the engine works with: defaults,
// durations, paths.

import { existsSync, statSync } from 'node:fs';
import { resolve } from 'node:path';
import { formatBytes, parseBytes } from '../domain/bytes.ts';
import { ENDPOINT_NAME, type EndpointSpec, type ModelSource } from '../domain/endpoint.ts';
import type { FieldError } from '../domain/errors.ts';
import { DEFAULT_RETENTION } from '../domain/retention.ts';
import { DEFAULT_RETRY } from '../domain/retry.ts';
import { type ScoringSpec, UNSCORED } from '../domain/scoring.ts';
import { type Duration, hours, minutes, parseDuration, seconds } from '../domain/time.ts';
import type { EndpointFile } from './config-file.ts';

/** Defaults, as the configuration page of the docs lists them. */
const DEFAULTS = {
  maxInFlight: 64,
  timeout: minutes(15),
  syncTimeout: seconds(60),
  queueTtl: hours(6),
  queueLimit: 1_000,
  replicas: {
    min: 0,
    max: 1,
    concurrency: 1,
    idle: minutes(10),
    startTimeout: minutes(5),
    // Far beyond what a numeric library starts on a machine of many cores, and far below what a
    // machine has to give.
    pids: 4_096,
    outputBytes: 2 ** 30,
  },
} as const;

/** Least that `replicas.memory` may be: Node alone takes about 50 MB. */
const MEMORY_MIN = 64 * 2 ** 20;
/** Longest that `replicas.outputBytes` may be: an output is held in memory. */
const OUTPUT_BYTES_MAX = 2 ** 31 - 1;

/** Files that the Node runtime can import. */
const NODE_FILE = /\.(?:[cm]?[jt]s)$/;
const PYTHON_FILE = /\.py$/;
/** The interpreter of a Python file where nobody names one: looked for on the PATH. */
export const DEFAULT_PYTHON = 'python3';

/** The specification, null where it has mistakes. */
export interface ResolvedEndpoint {
  readonly spec: EndpointSpec | null;
  readonly mistakes: readonly FieldError[];
}

/**
 * Resolves one endpoint; paths are relative to `folder`, the configuration file's. Wrong types are
 * the schema's business and skipped here.
 */
export function resolveEndpoint(name: string, written: EndpointFile, folder: string): ResolvedEndpoint {
  const mistakes: FieldError[] = [];
  const report = (key: string, detail: string): void =>
    void mistakes.push({ pointer: key === '' ? `endpoints.${name}` : `endpoints.${name}.${key}`, detail });
  if (!ENDPOINT_NAME.test(name))
    report('', 'is no endpoint name: use lower-case letters, digits and single hyphens, 63 at most');
  if (typeof written !== 'object' || written === null) return { spec: null, mistakes };
  const durations = readDurations(written, report);
  const model = readModel(written, folder, report);
  const cwd = resolve(folder, typeof written.cwd === 'string' ? written.cwd : '.');
  if (!existsSync(cwd)) report('cwd', `${cwd} does not exist`);
  const replicas = {
    ...DEFAULTS.replicas,
    ...written.replicas,
    idle: durations.idle,
    startTimeout: durations.startTimeout,
    memory: readBytes('memory', written, null, report),
    outputBytes: readBytes('outputBytes', written, DEFAULTS.replicas.outputBytes, report),
  };
  if (replicas.memory !== null && replicas.memory < MEMORY_MIN)
    report('replicas.memory', `is less than ${formatBytes(MEMORY_MIN)}, in which no model starts`);
  if (replicas.outputBytes > OUTPUT_BYTES_MAX)
    report('replicas.outputBytes', `is more than ${formatBytes(OUTPUT_BYTES_MAX)}`);
  if (replicas.min > replicas.max) report('replicas.min', `is ${replicas.min}, more than max (${replicas.max})`);
  if (model?.runtime === 'remote' && replicas.max > 1)
    report(
      'replicas.max',
      `is ${replicas.max}, but a server that is reached by its URL is one replica: raise concurrency`,
    );
  if (mistakes.length > 0 || model === null) return { spec: null, mistakes };
  const spec: EndpointSpec = {
    name,
    mode: written.mode === 'async' ? 'async' : 'sync',
    isDefault: written.default ?? false,
    model,
    batchSize: written.batchSize ?? null,
    maxInFlight: written.maxInFlight ?? DEFAULTS.maxInFlight,
    onRowError: written.onRowError ?? 'mark',
    timeout: durations.timeout,
    syncTimeout: durations.syncTimeout,
    queueTtl: durations.queueTtl,
    queueLimit: written.queueLimit ?? DEFAULTS.queueLimit,
    concurrencyLimit: written.concurrencyLimit ?? null,
    retention: durations.retention,
    retry: { ...DEFAULT_RETRY, ...written.retry },
    replicas,
    user: written.isolation?.user ?? null,
    env: written.env ?? {},
    cwd,
    features: written.features ?? [],
    tags: written.tags ?? [],
    description: written.description ?? null,
    ...(written.face !== undefined && { face: written.face }),
    ...readScoring(written, folder),
  };
  return { spec, mistakes };
}

/**
 * The same endpoint, meaning the same wherever it is read: a path in it is relative to `folder`.
 */
export function withAbsolutePaths(written: EndpointFile, folder: string): EndpointFile {
  const { model, python, cwd = '.', evaluation } = written;
  return {
    ...written,
    model: typeof model === 'string' ? resolve(folder, model) : model,
    cwd: resolve(folder, cwd),
    ...(python?.includes('/') === true && { python: resolve(folder, python) }),
    ...(evaluation !== undefined && { evaluation: resolve(folder, evaluation) }),
  };
}

/**
 * Nothing where nothing is said: then the specification stays what it was before anybody could, and
 * so does the version.
 */
function readScoring(written: EndpointFile, folder: string): { readonly scoring?: ScoringSpec } {
  const { target, prediction, task, idColumn, evaluation } = written;
  const said = { target, prediction, task, idColumn, evaluation: evaluation && resolve(folder, evaluation) };
  const stated = Object.fromEntries(Object.entries(said).filter(([, value]) => value !== undefined));
  return Object.keys(stated).length === 0 ? {} : { scoring: { ...UNSCORED, ...stated } };
}

type Report = (key: string, detail: string) => void;

function readDurations(written: EndpointFile, report: Report) {
  const read = (key: string, value: string | number | undefined, fallback: Duration): Duration => {
    if (value === undefined || (typeof value !== 'string' && typeof value !== 'number')) return fallback;
    const duration = parseDuration(value);
    if (duration === 0 && key !== 'replicas.idle') report(key, 'is 0, which leaves no time at all');
    if (duration === null)
      report(
        key,
        `is ${JSON.stringify(value)}, which is no duration: write '90s', '10m', '6h' or a number of seconds, and at most '36500d'`,
      );
    return duration ?? fallback;
  };
  return {
    timeout: read('timeout', written.timeout, DEFAULTS.timeout),
    syncTimeout: read('syncTimeout', written.syncTimeout, DEFAULTS.syncTimeout),
    queueTtl: read('queueTtl', written.queueTtl, DEFAULTS.queueTtl),
    retention: read('retention', written.retention, DEFAULT_RETENTION),
    idle: read('replicas.idle', written.replicas?.idle, DEFAULTS.replicas.idle),
    startTimeout: read('replicas.startTimeout', written.replicas?.startTimeout, DEFAULTS.replicas.startTimeout),
  };
}

function readBytes<Fallback extends number | null>(
  key: 'memory' | 'outputBytes',
  written: EndpointFile,
  fallback: Fallback,
  report: Report,
): number | Fallback {
  const value = written.replicas?.[key];
  if (typeof value !== 'string' && typeof value !== 'number') return fallback;
  const bytes = parseBytes(value);
  if (bytes === null)
    report(
      `replicas.${key}`,
      `is ${JSON.stringify(value)}, which is no amount: write '512MB', '2GiB' or a number of bytes`,
    );
  return bytes ?? fallback;
}

function readModel({ model, python }: EndpointFile, folder: string, report: Report): ModelSource | null {
  const isPython = typeof model === 'string' && PYTHON_FILE.test(model);
  if (python !== undefined && !isPython)
    report('python', 'is for a model that is a .py file; a command names its interpreter itself');
  if (Array.isArray(model)) {
    const [command, ...rest] = model;
    return typeof command === 'string' ? { runtime: 'command', argv: [command, ...rest] } : null;
  }
  if (typeof model === 'object' && model !== null) return readRemote(model.url, report);
  if (typeof model !== 'string') return null;
  const file = resolve(folder, model);
  if (!isPython && !NODE_FILE.test(file))
    report(
      'model',
      `${model} is no .ts, .js or .py file; a program is written as a command, like ["python3", "serve.py"]`,
    );
  else if (!existsSync(file)) report('model', `${file} does not exist`);
  return isPython ? { runtime: 'python', file, python: readPython(python, folder, report) } : { runtime: 'node', file };
}

/** A name is looked for on the PATH when it is used; anything with a slash is a file. */
function readPython(written: string | undefined, folder: string, report: Report): string {
  if (typeof written !== 'string' || !written.includes('/')) return written ?? DEFAULT_PYTHON;
  const file = resolve(folder, written);
  const found = statSync(file, { throwIfNoEntry: false });
  if (found === undefined) report('python', `${file} does not exist`);
  else if (!found.isFile())
    report('python', `${file} is a folder; name the interpreter in it, like ./.venv/bin/python`);
  return file;
}

/**
 * An origin alone: a path would be lost, and a password would be shown wherever the endpoint is.
 */
function readRemote(written: unknown, report: Report): ModelSource | null {
  if (typeof written !== 'string') return null;
  const url = URL.parse(written);
  const wrong =
    url === null || !['http:', 'https:'].includes(url.protocol)
      ? "is no http or https URL: write { url: 'http://host:port' }"
      : url.username !== '' || url.password !== ''
        ? 'names a user or a password, which would be shown wherever the endpoint is'
        : url.pathname !== '/' || url.search !== '' || url.hash !== ''
          ? `goes on after the host: GET /ping and POST /invocations are asked of ${url.origin} itself`
          : null;
  if (wrong === null) return { runtime: 'remote', url: url!.origin };
  report('model.url', wrong);
  return null;
}
