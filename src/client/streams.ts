// Answers that are read while they come, again and again until they have come to their end.

import { createParser, type EventSourceMessage } from 'eventsource-parser';
import type { RunEventData, RunEventName } from '../wire/events.ts';
import type { LogLineBody } from '../wire/logs.ts';
import { sleep } from './environment.ts';
import type { Transport } from './transport.ts';

/** Pause before a stream that broke off is opened again, where the server does not say how long. */
const RETRY_MS = 2_000;
/** Seconds that the server has to begin its answer. */
const ANSWER_SECONDS = 30;
/**
 * A stream of events on which not even a comment comes for so long is dead, even if the network
 * does not say so: the server sends one every 15 s.
 */
const SILENCE_MS = 60_000;

/**
 * An event of a stream, by the data that its kinds have. `id` names the place after it, from which
 * a stream can be taken up again.
 */
export type StreamEvent<Data> = {
  readonly [Name in keyof Data]: { readonly type: Name; readonly id: string; readonly data: Data[Name] };
}[keyof Data];

/** Something that happened to a run. */
export type RunEvent = StreamEvent<RunEventData>;

const NAMES: ReadonlySet<string> = new Set<RunEventName>(['status', 'attempt', 'progress', 'log', 'end']);

/** From where, and until when. */
export interface StreamOptions<Place> {
  readonly after: Place;
  readonly signal: AbortSignal | undefined;
}

/**
 * The events of a run; the stream is opened again where it breaks off, until the run's `end` has
 * come.
 */
export function followEvents(
  transport: Transport,
  path: string,
  options: StreamOptions<string | undefined>,
): AsyncGenerator<RunEvent, void> {
  return followStream<RunEventData>(transport, path, NAMES, options);
}

/**
 * The events of a stream, of the kinds that are named; it is opened again where it breaks off,
 * until its `end` has come.
 */
export async function* followStream<Data extends { readonly end: unknown }>(
  transport: Transport,
  path: string,
  names: ReadonlySet<string>,
  { after, signal }: StreamOptions<string | undefined>,
): AsyncGenerator<StreamEvent<Data>, void> {
  let last = after;
  let pauseMs = RETRY_MS;
  for (;;) {
    const headers = { accept: 'text/event-stream', ...(last !== undefined && { 'last-event-id': last }) };
    const { status, body } = await transport.open({
      method: 'GET',
      path,
      headers,
      signal,
      limitSeconds: ANSWER_SECONDS,
      isWait: true,
    });
    // The end was seen already.
    if (status === 204 || body === null) return;
    for await (const { event = '', id, data } of messagesIn(body, (ms) => (pauseMs = ms))) {
      // A newer server may know more kinds.
      if (id === undefined || !names.has(event)) continue;
      last = id;
      yield { type: event, id, data: JSON.parse(data) as unknown } as StreamEvent<Data>;
      if (event === 'end') return;
    }
    await sleep(pauseMs, signal);
  }
}

/** The messages of one answer, up to where it ends or breaks off. */
async function* messagesIn(
  body: ReadableStream<Uint8Array>,
  onRetry: (pauseMs: number) => void,
): AsyncGenerator<EventSourceMessage, void> {
  const parsed: EventSourceMessage[] = [];
  const parser = createParser({ onEvent: (message) => parsed.push(message), onRetry });
  for await (const text of textsOf(body, SILENCE_MS)) {
    if (text === BROKEN) return;
    parser.feed(text);
    yield* parsed.splice(0);
  }
}

/**
 * The lines of a run, after so many; asked for again where the answer breaks off, until it came to
 * its end.
 */
export async function* followLines(
  transport: Transport,
  path: string,
  { after, signal }: StreamOptions<number>,
): AsyncGenerator<LogLineBody, void> {
  let seen = after;
  for (;;) {
    const { body } = await transport.open({
      method: 'GET',
      path,
      query: { follow: true, after: seen },
      headers: { accept: 'application/jsonlines' },
      signal,
      limitSeconds: ANSWER_SECONDS,
      isWait: true,
    });
    let rest = '';
    let isBroken = false;
    for await (const text of textsOf(body!, null)) {
      if (text === BROKEN) {
        isBroken = true;
        break;
      }
      const lines = `${rest}${text}`.split('\n');
      rest = lines.pop()!;
      for (const line of lines) {
        seen += 1;
        yield JSON.parse(line) as LogLineBody;
      }
    }
    if (!isBroken) return;
    await sleep(RETRY_MS, signal);
  }
}

/** Stands for the place at which a stream broke off. */
const BROKEN = Symbol('broken off');

/**
 * The text of a body as it comes, and `BROKEN` where it ends before its end or nothing comes for
 * too long.
 */
async function* textsOf(
  body: ReadableStream<Uint8Array>,
  silenceMs: number | null,
): AsyncGenerator<string | typeof BROKEN, void> {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  let isSilent = false;
  try {
    for (;;) {
      const timer =
        silenceMs === null
          ? undefined
          : setTimeout(() => {
              isSilent = true;
              void reader.cancel();
            }, silenceMs);
      const next = await reader.read().catch(() => null);
      clearTimeout(timer);
      if (next === null || isSilent) return yield BROKEN;
      if (next.done) return;
      yield decoder.decode(next.value, { stream: true });
    }
  } finally {
    // Ending the iteration early closes the connection.
    await reader.cancel().catch(() => {});
  }
}
