// The body of a request while it comes: held where it is short, else handed on as it comes. A
// client that stops sending in the middle of it is cut off, regardless of what is done with it.

import type { FastifyRequest } from 'fastify';
import type { Readable } from 'node:stream';
import { formatBytes } from '../../domain/bytes.ts';
import { ServiceError } from '../../domain/errors.ts';
import { HELD_PAYLOAD_BYTES_MAX, isJson } from '../../domain/payload.ts';
import { type Duration, inSeconds } from '../../domain/time.ts';
import { assertUtf8 } from './charset.ts';
import type { ServerLimits } from '../limits.ts';

/** A body that is too long to be held, of which nothing was read. */
export class IncomingBody {
  readonly #stream: Readable;
  readonly #bytes: number | null;
  readonly #idle: Duration;

  /** @param bytes how long it is, where the request says so */
  constructor(stream: Readable, bytes: number | null, idle: Duration) {
    this.#stream = stream;
    this.#bytes = bytes;
    this.#idle = idle;
  }

  /**
   * Its bytes as they come, once.
   *
   * @throws ServiceError `payload-too-large` where it is announced to be longer than `bytesMax`
   *   (the reader of the bytes counts them as well), `request-timeout` when nothing comes for too
   *   long, `malformed-body` when the client hangs up
   */
  async *chunks(bytesMax: number): AsyncGenerator<Uint8Array, void> {
    if (this.#bytes !== null && this.#bytes > bytesMax) throw tooLarge(bytesMax);
    // Destroyed, it would take the connection with it, and nobody could be told why.
    const iterator = this.#stream.iterator({ destroyOnReturn: false }) as AsyncIterator<Uint8Array>;
    for (let next = await this.#next(iterator); next.done !== true; next = await this.#next(iterator)) yield next.value;
  }

  async #next(iterator: AsyncIterator<Uint8Array>): Promise<IteratorResult<Uint8Array>> {
    const { promise: stalled, reject: stall } = Promise.withResolvers<never>();
    const timer = setTimeout(() => stall(stoppedComing(this.#idle)), this.#idle);
    try {
      return await Promise.race([iterator.next(), stalled]);
    } catch (error) {
      throw error instanceof ServiceError ? error : brokenOff(error);
    } finally {
      clearTimeout(timer);
    }
  }
}

type Done = (error: Error | null, body?: Uint8Array | IncomingBody) => void;

/**
 * The reader of bodies for the framework: answers bytes, or an `IncomingBody` where the route takes
 * one and it may be long.
 */
export function bodyReader(limits: ServerLimits): (request: FastifyRequest, payload: Readable, done: Done) => void {
  return ({ routeOptions, headers }, payload, done) => {
    const rule = routeOptions.config.route?.body;
    // There is no such path, and so nobody who would read it.
    if (rule === undefined) return done(null);
    const type = headers['content-type'] ?? '';
    try {
      assertUtf8(type);
    } catch (error) {
      return done(error as Error);
    }
    const announced = headers['content-length'] === undefined ? null : Number(headers['content-length']);
    const isHeld = rule.bytesMax !== null || isJson(type);
    if (!isHeld && (announced === null || announced > HELD_PAYLOAD_BYTES_MAX))
      return done(null, new IncomingBody(payload, announced, limits.bodyIdle));
    const bytesMax = rule.bytesMax ?? Math.min(limits.bodyBytes, isHeld ? limits.envelopeBytes : Infinity);
    if (announced !== null && announced > bytesMax) return done(tooLarge(bytesMax));
    hold(payload, bytesMax, limits.bodyIdle, done);
  };
}

/** With callbacks and not a promise: this is on the path of every submit. */
function hold(payload: Readable, bytesMax: number, idle: Duration, done: Done): void {
  const chunks: Uint8Array[] = [];
  let length = 0;
  const timer = setTimeout(() => end(stoppedComing(idle)), idle);
  const onData = (chunk: Uint8Array): void => {
    length += chunk.length;
    if (length > bytesMax) return end(tooLarge(bytesMax));
    timer.refresh();
    chunks.push(chunk);
  };
  const onEnd = (): void => end(null);
  const onError = (error: Error): void => end(brokenOff(error));
  const end = (error: Error | null): void => {
    clearTimeout(timer);
    payload.off('data', onData).off('end', onEnd).off('error', onError);
    // A client that was refused may hang up, and nobody listens any more.
    payload.on('error', () => {});
    // A copy also of a single chunk, which shares the memory of a larger buffer for as long as it
    // is waited.
    done(error, error === null ? Buffer.concat(chunks, length) : undefined);
  };
  payload.on('data', onData).on('end', onEnd).on('error', onError);
  // The client has hung up while its key was looked up: nothing would be heard of it any more.
  if (payload.destroyed) end(brokenOff(payload.errored));
}

/**
 * The problem that stands for a body which is longer than is taken; what is left of it is not read.
 */
export function tooLarge(bytesMax: number): ServiceError {
  return new ServiceError(
    'payload-too-large',
    `The body is longer than ${formatBytes(bytesMax)}, the most that is taken here.`,
    {
      headers: { connection: 'close' },
    },
  );
}

function stoppedComing(idle: Duration): ServiceError {
  return new ServiceError(
    'request-timeout',
    `Nothing of the body came for ${inSeconds(idle)} s, and it was not whole. Nothing was stored; send it again.`,
    { headers: { connection: 'close' } },
  );
}

function brokenOff(cause: unknown): ServiceError {
  return new ServiceError('malformed-body', 'The connection was closed in the middle of the body.', { cause });
}
