// A run that is followed as server-sent events. The id of an event is the place after it, so a client that sends it as Last-Event-ID gets what
// came next: from any server, after any restart.

import { toRfc3339 } from '../domain/time.ts';
import { isEnded } from '../domain/run.ts';
import { BEGINNING, type Place, type Told } from '../engine/following.ts';
import type { RunId } from '../domain/ids.ts';
import type { RunEventName, StatusEventBody } from '../wire/events.ts';
import { failureBody } from './problem.ts';
import { attemptBody, progressBody, runLineText } from './run-view.ts';

/** Content type of the stream. */
export const EVENT_STREAM = 'text/event-stream';

/** How long a client waits before it connects again, in milliseconds: a server that starts again takes about as long. */
const RETRY_MS = 2_000;

const idOf = ({ moment, attempt, offset }: Place): string => `${moment}.${attempt}.${offset}`;

/** The place that an event's id stands for. Whatever is no id of ours is the beginning: nothing is missed then. */
export function placeOf(id: string | undefined): Place {
  const [, moment, attempt, offset] = /^(\d{1,9})\.(\d{1,9})\.(\d{1,12})$/.exec(id ?? '') ?? [];
  return moment === undefined
    ? BEGINNING
    : { moment: Number(moment), attempt: Number(attempt), offset: Number(offset) };
}

/** The text of a stream, event by event. */
export async function* eventTexts(runId: RunId, told: AsyncIterable<Told>): AsyncGenerator<string, void> {
  yield `retry: ${RETRY_MS}\n\n`;
  for await (const one of told) yield textOf(runId, one);
}

function textOf(runId: RunId, told: Told): string {
  switch (told.kind) {
    case 'silence':
      return ':\n\n';
    case 'status':
      return event('status', told.place, JSON.stringify(statusBody(runId, told)));
    case 'attempt':
      return event('attempt', told.place, JSON.stringify(attemptBody(told.attempt)));
    case 'progress':
      return event('progress', told.place, JSON.stringify(progressBody(told.progress)));
    case 'log':
      return event('log', told.place, told.line);
    case 'end':
      return event('end', told.place, runLineText(told.run));
  }
}

function statusBody(runId: RunId, { status, at, error }: Told & { kind: 'status' }): StatusEventBody {
  return {
    run_id: runId,
    status,
    done: isEnded(status),
    at: toRfc3339(at),
    error: error === null ? null : failureBody(error),
  };
}

/** Metadata stands in JSON as it was sent, with its line ends: each of them begins another line of data. */
function event(name: RunEventName, place: Place, json: string): string {
  return `event: ${name}\nid: ${idOf(place)}\n${json.replaceAll(/^/gm, 'data: ')}\n\n`;
}
