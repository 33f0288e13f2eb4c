// What a replica may report of an attempt, from bytes to values: over HTTP, or, where it is a
// runner of ours, on a descriptor of its own.

import type { StepProgress } from '../domain/batch.ts';
import { ServiceError } from '../domain/errors.ts';
import type { LogEntry, LogStream } from '../domain/log-line.ts';

/** Hears what is reported of one attempt. */
export interface Reporter {
  readonly progress: (progress: StepProgress) => void;
  readonly log: (entries: readonly LogEntry[]) => void;
  /** So many lines came faster than our runner sends them. */
  readonly dropped: (lines: number) => void;
}

/** Longest message beside a progress, in characters; what is longer is cut. */
const MESSAGE_MAX = 1_000;
const STREAMS: readonly LogStream[] = ['log', 'stdout', 'stderr'];

/**
 * Reads `{"done": n, "total": m, "message": "…"}`, of which only `done` is required.
 *
 * @throws ServiceError `malformed-body`, `invalid-request`
 */
export function readProgress(body: Buffer): StepProgress {
  return progressOf(parse(body.toString('utf8')));
}

function progressOf(value: unknown): StepProgress {
  const { done, total = null, message = null, ...others } = objectOf(value);
  refuseUnknown(others, 'done, total and message');
  if (!isCount(done)) throw invalid('/done', `must be a whole number from 0; it is ${JSON.stringify(done)}`);
  if (total !== null && !isCount(total))
    throw invalid('/total', `must be a whole number from 0, or null; it is ${JSON.stringify(total)}`);
  if (message !== null && typeof message !== 'string') throw invalid('/message', 'must be a text, or null');
  return { done, total, message: message === null ? null : storable(message.slice(0, MESSAGE_MAX)) };
}

/**
 * Reads lines of text; or as `application/json` one `{"message": "…", "fields": {…}, "stream":
 * "log"}`, of which only `message` is required; or as JSON Lines several of them.
 *
 * @throws ServiceError `malformed-body`, `invalid-request`
 */
export function readLogs(body: Buffer, contentType: string): LogEntry[] {
  const text = body.toString('utf8');
  const type = contentType.split(';')[0]!.trim().toLowerCase();
  if (type === 'application/json') return [entryOf(parse(text))];
  const lines = text.split(/\r?\n/).filter((line) => line !== '');
  if (type === 'application/jsonlines' || type === 'application/x-ndjson')
    return lines.map((line) => entryOf(parse(line)));
  return lines.map((message) => ({ stream: 'log', message, fields: null }));
}

/**
 * A line that our runner has written on its descriptor: which attempt it reports on, and how to
 * hand it to the listener of that attempt.
 */
export interface Report {
  readonly of: string;
  readonly deliver: (reporter: Reporter) => void;
}

/**
 * Reads `{"of": "<attempt>", …}`, and with it `"progress": {…}`, `"dropped": n`, or a `"message"`
 * with its `"stream"` and `"fields"`.
 *
 * @throws ServiceError `malformed-body`, `invalid-request` where it is none
 */
export function readReport(line: string): Report {
  const { of, progress, dropped, ...entry } = objectOf(parse(line));
  if (typeof of !== 'string') throw invalid('/of', 'must be a text');
  if (progress !== undefined) return { of, deliver: (reporter) => deliverProgress(progress, reporter) };
  if (isCount(dropped)) return { of, deliver: (reporter) => reporter.dropped(dropped) };
  const entries = [entryOf(entry)];
  return { of, deliver: (reporter) => reporter.log(entries) };
}

/** What is wrong with a progress is said among the lines of the run, which goes on. */
function deliverProgress(progress: unknown, reporter: Reporter): void {
  try {
    reporter.progress(progressOf(progress));
  } catch (error) {
    if (!(error instanceof ServiceError)) throw error;
    reporter.log([{ stream: 'log', message: `A report was refused: ${error.message}`, fields: null }]);
  }
}

function entryOf(value: unknown): LogEntry {
  const { message, fields = null, stream = 'log', ...others } = objectOf(value);
  refuseUnknown(others, 'message, fields and stream');
  if (typeof message !== 'string') throw invalid('/message', 'must be a text');
  if (!STREAMS.includes(stream as LogStream)) throw invalid('/stream', `must be one of ${STREAMS.join(', ')}`);
  return { stream: stream as LogStream, message, fields: fields === null ? null : objectOf(fields, '/fields') };
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new ServiceError('malformed-body', `The report is no JSON: ${(cause as Error).message}`, { cause });
  }
}

function objectOf(value: unknown, pointer = ''): Record<string, unknown> {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  throw invalid(pointer, 'must be an object');
}

function refuseUnknown(others: object, known: string): void {
  const [name] = Object.keys(others);
  if (name !== undefined) throw invalid(`/${name}`, `is not known here; known are ${known}`);
}

const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;

/** Text that every ledger takes: Postgres has no NUL, and half a surrogate is no text anywhere. */
const storable = (text: string): string => text.toWellFormed().replaceAll('\0', '\ufffd');

function invalid(pointer: string, detail: string): ServiceError {
  return new ServiceError('invalid-request', `The report is not valid: ${pointer || 'it'} ${detail}.`, {
    errors: [{ pointer, detail }],
  });
}
