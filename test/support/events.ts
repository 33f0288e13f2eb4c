// A reader of server-sent events, as a test needs one: everything that came can be looked at, and
// nothing is done on its own.

import { once } from 'node:events';
import { type IncomingHttpHeaders, type IncomingMessage, request } from 'node:http';
import { connect } from 'node:net';
import { createParser } from 'eventsource-parser';

/** An event as it came. */
export interface SeenEvent {
  readonly id: string;
  readonly event: string;
  // oxlint-disable-next-line typescript/no-explicit-any -- a test says what it expects of it
  readonly data: any;
}

/** A stream of events that is being read. */
export interface OpenEvents {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  /** Everything up to now. */
  readonly events: readonly SeenEvent[];
  readonly comments: readonly string[];
  /** Milliseconds that the client is to wait before it connects again. */
  readonly retry: number | null;
  /** Resolves when the answer is over: whether it came to a clean end. */
  readonly ended: Promise<boolean>;
  /** Stops reading, and goes on. */
  pause(): void;
  resume(): void;
  close(): void;
}

/** Opens a stream; resolves when its headers have come. */
export async function openEvents(url: string, path: string, headers: Record<string, string> = {}): Promise<OpenEvents> {
  const outgoing = request(`${url}${path}`, { agent: false, headers });
  outgoing.end();
  const [incoming] = (await once(outgoing, 'response')) as [IncomingMessage];
  const events: SeenEvent[] = [];
  const comments: string[] = [];
  let retry: number | null = null;
  const parser = createParser({
    onEvent: ({ id, event, data }) => events.push({ id: id!, event: event!, data: JSON.parse(data) as unknown }),
    onComment: (comment) => comments.push(comment),
    onRetry: (milliseconds) => (retry = milliseconds),
  });
  incoming.setEncoding('utf8').on('data', (text: string) => parser.feed(text));
  incoming.on('error', () => {});
  outgoing.on('error', () => {});
  const ended = new Promise<boolean>((resolve) => incoming.once('close', () => resolve(incoming.complete)));
  return {
    status: incoming.statusCode!,
    headers: incoming.headers,
    events,
    comments,
    get retry() {
      return retry;
    },
    ended,
    pause: () => void incoming.pause(),
    resume: () => void incoming.resume(),
    close: () => void outgoing.destroy(),
  };
}

/** The names of events, and for a status which. */
export const namesOf = (events: readonly SeenEvent[]): string[] =>
  events.map(({ event, data }) => {
    if (event === 'status') return `status ${data.status}`;
    if (event === 'attempt') return `attempt ${data.attempt} ${data.outcome ?? 'begun'}`;
    if (event === 'log') return `log ${data.message}`;
    if (event === 'progress') return `progress ${data.done}`;
    return event;
  });

/** Asks for a path, and hangs up before anything can have been answered. */
export async function leaveAtOnce(url: string, path: string): Promise<void> {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  const closed = once(socket, 'close');
  socket.on('error', () => {});
  await once(socket, 'connect');
  // What is written goes out before the end of the connection does.
  socket.write(`GET ${path} HTTP/1.1\r\nHost: localhost\r\n\r\n`);
  socket.destroy();
  await closed;
}
