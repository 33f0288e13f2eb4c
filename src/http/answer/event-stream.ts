// A run, or the parts of a batch, followed as server-sent events. The id of an event is the place
// after it, so a client that sends it as Last-Event-ID gets what came next: from any server, after
// any restart. Parts have no order, so they all come again; only who has seen their end is told
// that nothing follows.

import { toRfc3339 } from '../../domain/time.ts';
import { isEnded } from '../../domain/run.ts';
import { BEGINNING, type Place, type FollowedEvent } from '../../engine/following.ts';
import type { RunId } from '../../domain/ids.ts';
import type { PartEvent } from '../../engine/parts.ts';
import type { RunEventName, StatusEventBody } from '../../wire/events.ts';
import type { PartBody, PartEventName } from '../../wire/parts.ts';
import { failureBody } from './problem.ts';
import { attemptBody, progressBody, runLineText } from './run-view.ts';

/** Content type of the stream. */
export const EVENT_STREAM = 'text/event-stream';

/**
 * How long a client waits before it connects again, in milliseconds: a server that starts again
 * takes about as long.
 */
const RETRY_MS = 2_000;

const idOf = ({ moment, attempt, offset }: Place): string => `${moment}.${attempt}.${offset}`;

/**
 * The place that an event's id stands for. An id that is none of ours is the beginning: nothing is
 * missed then.
 */
export function placeOf(id: string | undefined): Place {
  const [, moment, attempt, offset] = /^(\d{1,9})\.(\d{1,9})\.(\d{1,12})$/.exec(id ?? '') ?? [];
  return moment === undefined
    ? BEGINNING
    : { moment: Number(moment), attempt: Number(attempt), offset: Number(offset) };
}

/** The text of a stream, event by event. */
export async function* eventTexts(
  runId: RunId,
  base: string,
  told: AsyncIterable<FollowedEvent>,
): AsyncGenerator<string, void> {
  yield `retry: ${RETRY_MS}\n\n`;
  for await (const one of told) yield textOf(runId, base, one);
}

/** The id of the event that ends a stream of parts. */
export const SAW_END = 'end';

/** The text of a stream of parts, event by event. */
export async function* partTexts(base: string, told: AsyncIterable<PartEvent>): AsyncGenerator<string, void> {
  yield `retry: ${RETRY_MS}\n\n`;
  for await (const one of told) yield partText(base, one);
}

function partText(base: string, told: PartEvent): string {
  switch (told.kind) {
    case 'silence':
      return ':\n\n';
    case 'part':
      return event('part', told.chunk.runId, JSON.stringify(partBody(told)));
    case 'end':
      return event('end', SAW_END, runLineText(told.run, base));
  }
}

function partBody({ chunk: { runId, rows, status, error } }: PartEvent & { kind: 'part' }): PartBody {
  const failure = error === null ? null : failureBody(error);
  return { run_id: runId, rows, status: status as PartBody['status'], error: failure };
}

function textOf(runId: RunId, base: string, told: FollowedEvent): string {
  switch (told.kind) {
    case 'silence':
      return ':\n\n';
    case 'status':
      return event('status', idOf(told.place), JSON.stringify(statusBody(runId, told)));
    case 'attempt':
      return event('attempt', idOf(told.place), JSON.stringify(attemptBody(told.attempt)));
    case 'progress':
      return event('progress', idOf(told.place), JSON.stringify(progressBody(told.progress)));
    case 'log':
      return event('log', idOf(told.place), told.line);
    case 'end':
      return event('end', idOf(told.place), runLineText(told.run, base));
  }
}

function statusBody(runId: RunId, { status, at, error }: FollowedEvent & { kind: 'status' }): StatusEventBody {
  return {
    run_id: runId,
    status,
    done: isEnded(status),
    at: toRfc3339(at),
    error: error === null ? null : failureBody(error),
  };
}

/**
 * Where a line of an event stream ends. JavaScript's own idea of it, `^` with the flag m, has
 * U+2028 and U+2029 as well, which are text here and in JSON.
 */
const LINE_END = /\r\n|\n|\r/g;

/**
 * Metadata stands in JSON as it was sent, with its line ends: each of them begins another line of
 * data.
 */
function event(name: RunEventName | PartEventName, id: string, json: string): string {
  return `event: ${name}\nid: ${id}\ndata: ${json.replaceAll(LINE_END, '\ndata: ')}\n\n`;
}
