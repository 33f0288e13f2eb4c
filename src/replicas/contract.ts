// What is said to a replica over HTTP, whether we or others have started it: pings until it is
// ready, and invocations.

import type { Socket } from 'node:net';
import type { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { callbackify } from 'node:util';
import { buildConnector, type Dispatcher, errors, Pool } from 'undici';
import type { Clock } from '../system/clock.ts';
import { formatBytes } from '../domain/bytes.ts';
import { elapsed, inSeconds, milliseconds, seconds } from '../domain/time.ts';
import type { Payload } from '../domain/payload.ts';
import { isLack } from '../domain/system-error.ts';
import { BUSY_HEADER, FAILURE_HEADER } from '../model/protocol.ts';
import type { Reporter } from './reports.ts';
import { encodedText, failureText } from './failure-text.ts';
import { keepAnswer, type KeepOutput, OwnFault, readAnswer, TooLong } from './answer-body.ts';
import { type Peer, Stranger } from './peers/peer.ts';

/**
 * Pauses between pings while a replica starts: a tenth of the time that it has taken so far, so
 * that nobody waits much longer than it took.
 */
const PING_SHARE = 0.1;
const PING_PAUSE_MIN = milliseconds(5);
const PING_PAUSE_MAX = seconds(1);
/** Longest wait for one ping's answer. */
const PING_MAX = seconds(2);
/** How much is kept of where a redirect leads, in characters. */
const LOCATION_MAX = 200;

/** An input that is too large to be held: so many bytes, read as they are sent. */
interface StreamedInput {
  readonly bytes: number;
  readonly open: () => Promise<AsyncIterable<Uint8Array>>;
}

/** What a replica is asked to do. */
export interface Invocation {
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array | StreamedInput;
  /**
   * Takes an output that is too long to be held; unset where it must be held at any length,
   * since it is looked into.
   */
  readonly keep?: KeepOutput;
  /**
   * Hears what our runner reports, and the printed lines that are certain to be of this invocation.
   */
  readonly reporter?: Reporter;
  /**
   * Whether all that is printed meanwhile is of this: only a program that writes every line out
   * before it answers can be told so.
   */
  readonly ownsOutput?: boolean;
  /**
   * Whose run it is. What a replica that has worked for several has printed is shown to none of
   * them.
   */
  readonly tenant?: string;
}

/**
 * The outcome of an invocation. `stopped` answers an abort, once the replica has really stopped
 * working on it, or is ended as soon as its others are done; `kept` is an output that was too long
 * to be held; `own-fault` says that the server could not read the input, or not store the output,
 * and speaks against no replica.
 */
export type Reply =
  | { readonly kind: 'output'; readonly contentType: string; readonly bytes: Uint8Array }
  | { readonly kind: 'kept'; readonly output: Payload }
  | { readonly kind: 'model-error' | 'invalid-output'; readonly detail: string }
  | { readonly kind: 'crashed' | 'out-of-memory'; readonly detail: string }
  | { readonly kind: 'own-fault'; readonly of: 'input' | 'output'; readonly cause: unknown }
  | { readonly kind: 'stopped' };

/** Where connections lead, and over what: an origin, and the Unix socket where it is one. */
export interface Destination {
  readonly origin: string;
  readonly socketPath?: string;
}

/**
 * Connections to a replica, and to `peer` alone where there is one. Redirects are not followed:
 * they are answers like any other.
 */
export function connectTo({ origin, ...over }: Destination, peer: Peer | null = null): Pool {
  const way = peer === null ? over : { connect: connectorTo(peer, over) };
  // A run may take an hour: its limits are the engine's, never those of the connection.
  return new Pool(origin, { headersTimeout: 0, bodyTimeout: 0, pipelining: 1, ...way });
}

function connectorTo(peer: Peer, over: Pick<Destination, 'socketPath'>): buildConnector.connector {
  const open = buildConnector({ ...over });
  return (options, callback) => {
    const connect = (): Promise<Socket> =>
      new Promise((resolve, reject) =>
        open(options, (error, socket) => (error === null ? resolve(socket) : reject(error))),
      );
    callbackify(() => peer.reach(connect))((error, socket) =>
      error === null ? callback(null, socket) : callback(error, null),
    );
  };
}

/** The outcome of a ping that was not answered with 200. */
export interface Refusal {
  /** Null where there was no answer at all. */
  readonly status: number | null;
  /** The same as the end of a sentence. */
  readonly words: string;
}

/**
 * Pings until the answer is a 200, or until it is given up; then `late`. Every other answer is
 * told.
 */
export async function untilReady(
  connections: Pool,
  clock: Clock,
  giveUp: AbortSignal,
  onRefusal: (refusal: Refusal) => void,
): Promise<'ready' | 'late'> {
  const startedAt = clock.steady();
  while (!giveUp.aborted) {
    const pong = await tryPing(connections);
    if (pong instanceof Error) onRefusal({ status: null, words: silenceOf(pong) });
    else if (pong.status === 200) return 'ready';
    else onRefusal({ status: pong.status, words: `GET /ping was answered with ${pong.status}` });
    const pause = elapsed(startedAt, clock.steady()) * PING_SHARE;
    await sleep(Math.min(PING_PAUSE_MAX, Math.max(PING_PAUSE_MIN, pause)));
  }
  return 'late';
}

function silenceOf(error: Error): string {
  if (error instanceof Stranger) return error.message;
  const why = error.name === 'TimeoutError' ? `none within ${inSeconds(PING_MAX)} s` : messageOf(error);
  return `GET /ping had no answer: ${why}`;
}

/**
 * What a ping was answered with; `busy` is null where the replica does not say how many invocations
 * it works on.
 */
export interface Pong {
  readonly status: number;
  readonly busy: number | null;
}

/** Pings once; null where there is no answer in time. */
export async function ping(connections: Pool): Promise<Pong | null> {
  const pong = await tryPing(connections);
  // It is not there, for any reason: the caller decides what that means.
  return pong instanceof Error ? null : pong;
}

async function tryPing(connections: Pool): Promise<Pong | Error> {
  try {
    const { statusCode, headers, body } = await connections.request({
      method: 'GET',
      path: '/ping',
      signal: AbortSignal.timeout(PING_MAX),
    });
    await body.dump();
    const busy = single(headers[BUSY_HEADER]);
    return { status: statusCode, busy: busy === null ? null : Number(busy) };
  } catch (error) {
    return error as Error;
  }
}

/** An answer to an invocation, and the reply that it means. */
export interface Answered {
  readonly status: number;
  /** Whether the replica has said itself that the model has failed, as our runner does. */
  readonly isDeclaredFailure: boolean;
  /**
   * Whether it is an output that ends where the connection does: one that was cut short looks the
   * same as a whole one.
   */
  readonly isOpenEnded: boolean;
  readonly reply: Reply;
}

/**
 * Hands an invocation over, and reads at most so much of what it is answered with; rejects where
 * the connection breaks, or `signal` aborts.
 *
 * @throws OwnFault
 */
export async function exchange(
  connections: Pool,
  invocation: Invocation,
  outputBytesMax: number,
  signal: AbortSignal,
): Promise<Answered> {
  const response = await send(connections, invocation, signal).catch((error: unknown) => {
    // It was not even connected to: that speaks against no replica.
    throw isLack(error) ? new OwnFault('input', error) : error;
  });
  const isDeclaredFailure = single(response.headers[FAILURE_HEADER]) !== null;
  const reply = await replyOf(response, invocation.keep, outputBytesMax).catch((error: unknown): Reply => {
    if (error instanceof TooLong) return tooLong(outputBytesMax);
    throw error instanceof OwnFault ? error : new HungUp(response.statusCode, error);
  });
  const isOpenEnded = (reply.kind === 'output' || reply.kind === 'kept') && reply !== NOTHING && !saysItsEnd(response);
  return { status: response.statusCode, isDeclaredFailure, isOpenEnded, reply };
}

/** Whether an answer says how long it is, before or while it comes. */
const saysItsEnd = ({ headers }: Dispatcher.ResponseData): boolean =>
  headers['content-length'] !== undefined || headers['transfer-encoding'] !== undefined;

/**
 * What is wrong with an output that ended with the connection, and then its replica was gone, as a
 * sentence.
 */
export const CUT_SHORT =
  'Its answer says neither how long it is (Content-Length) nor where it ends (chunks), so nobody can tell whether it was whole.';

/** An answer had begun, and the connection broke before its end. */
class HungUp extends Error {
  override readonly name = 'HungUp';

  constructor(status: number, cause: unknown) {
    super(`after the head of an answer with status ${status}: ${messageOf(cause)}`, { cause });
  }
}

/** What undici says of answers that it does not take, and what they were. */
const NO_ANSWERS: Readonly<Record<string, string>> = {
  'bad response': 'sent 100 Continue, which nobody had asked for',
  'bad upgrade': 'wants to change to another protocol (101 Switching Protocols), which nobody had asked for',
};

/**
 * What is wrong with an answer that a replica which goes on has given, as a sentence; null where it
 * has given none, so that nothing is known of the invocation's outcome.
 */
export function brokenAnswer(error: unknown): string | null {
  const cause = error instanceof HungUp ? error.cause : error;
  if (cause instanceof errors.HTTPParserError) return `The replica's answer is not HTTP (${cause.message}).`;
  const what = cause instanceof errors.SocketError ? NO_ANSWERS[cause.message] : undefined;
  if (what !== undefined) return `The replica's answer is none: it ${what}.`;
  return error instanceof HungUp ? `The replica hung up in the middle of its answer, ${error.message}.` : null;
}

/**
 * What Node says of a connection that broke; where it tried several addresses, it has no message
 * but a code.
 */
export function messageOf(error: unknown): string {
  const { message, code } = error as NodeJS.ErrnoException;
  return message === '' ? (code ?? 'no reason was given') : message;
}

async function send(
  connections: Pool,
  { headers, body }: Invocation,
  signal: AbortSignal,
): Promise<Dispatcher.ResponseData> {
  const request = { method: 'POST', path: '/invocations', signal } as const;
  if (body instanceof Uint8Array) return connections.request({ ...request, headers, body });
  let fault: OwnFault | null = null;
  // Opened when it is sent, so that nothing is left open where there is no connection.
  async function* chunks({ open }: StreamedInput): AsyncGenerator<Uint8Array, void> {
    try {
      yield* await open();
    } catch (cause) {
      throw (fault = new OwnFault('input', cause));
    }
  }
  const announced = { ...headers, 'content-length': String(body.bytes) };
  try {
    return await connections.request({ ...request, headers: announced, body: chunks(body) as unknown as Readable });
  } catch (error) {
    throw fault ?? error;
  }
}

async function replyOf(
  response: Dispatcher.ResponseData,
  keep: KeepOutput | undefined,
  outputBytesMax: number,
): Promise<Reply> {
  const { statusCode, headers } = response;
  const encoding = single(headers['content-encoding']) ?? 'identity';
  if (encoding.toLowerCase() !== 'identity') {
    const isOutput = statusCode >= 200 && statusCode <= 299;
    await response.body.dump();
    return { kind: isOutput ? 'invalid-output' : 'model-error', detail: encodedText(statusCode, encoding) };
  }
  if (statusCode < 200 || statusCode > 299) {
    const kind = single(headers[FAILURE_HEADER]) === 'invalid-output' ? 'invalid-output' : 'model-error';
    const said = await readAnswer(response, outputBytesMax);
    return { kind, detail: statusCode < 400 ? elsewhere(statusCode, headers) : failureText(said, statusCode) };
  }
  const contentType = single(headers['content-type']);
  const type = contentType ?? 'application/octet-stream';
  const answered =
    keep === undefined
      ? await readAnswer(response, outputBytesMax)
      : await keepAnswer(response, outputBytesMax, (chunks) => keep(chunks, type));
  if (!(answered instanceof Uint8Array)) return { kind: 'kept', output: answered };
  return answered.length === 0 && contentType === null
    ? NOTHING
    : { kind: 'output', contentType: type, bytes: answered };
}

/**
 * Neither a body nor a type, as with 204 No Content: what a function that returns nothing answers.
 */
const NOTHING: Reply = { kind: 'output', contentType: 'application/json', bytes: new TextEncoder().encode('null') };

/** A redirect is no answer, and what it leads to may be no replica. */
function elsewhere(status: number, headers: Dispatcher.ResponseData['headers']): string {
  const location = single(headers['location'])?.slice(0, LOCATION_MAX) ?? null;
  return location === null
    ? `The model answered with status ${status}, which is neither an output (200 to 299) nor a failure (400 to 599).`
    : `The model answered with status ${status}, a redirect to ${location}, which is not followed: POST /invocations must answer itself.`;
}

const tooLong = (bytesMax: number): Reply => ({
  kind: 'invalid-output',
  detail: `The output is longer than ${formatBytes(bytesMax)}, the most that the endpoint takes (replicas.outputBytes).`,
});

function single(header: string | string[] | undefined): string | null {
  return header === undefined ? null : Array.isArray(header) ? (header[0] ?? null) : header;
}
