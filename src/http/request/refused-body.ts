// Bodies that still come when their request was answered. A simple client reads its answer only
// once it has sent everything: a connection that is closed at once would be reset under it, and the
// answer lost. So what comes is read and thrown away first (RFC 9112, section 9.6), within limits,
// whether or not the connection is closed behind the answer.

import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { steadyNow } from '../../system/clock.ts';
import { type Duration, elapsed, milliseconds } from '../../domain/time.ts';

/** How much of a body is thrown away, and for how long. */
export interface RefusedBodyLimits {
  /** How long nothing of it may come. */
  readonly bodyIdle: Duration;
  /** Longest time that it is read. */
  readonly refusedBodyTime: Duration;
  /** The most that is read, in bytes. */
  readonly refusedBodyBytes: number;
}

/** How often a connection is held against the limits. */
const LOOK: Duration = milliseconds(100);

/**
 * Reads what still comes of bodies whose requests were answered, and cuts connections that send too
 * much, too long, or nothing.
 */
export class RefusedBodies {
  readonly #limits: RefusedBodyLimits;
  readonly #sockets = new WeakSet<Socket>();

  /** Takes care of every request of a server that is answered before its body has come. */
  constructor(server: Server, limits: RefusedBodyLimits) {
    this.#limits = limits;
    const watch = (request: IncomingMessage, response: ServerResponse): void => {
      if (!hasBody(request)) return;
      // Before Node's own listener, which closes the connection, or reads on without a limit.
      response.prependListener('finish', () => {
        if (!request.complete) this.#readOn(request);
      });
    };
    server.prependListener('request', watch);
    server.prependListener('checkExpectation', watch);
  }

  /** Whether a connection is read only to throw away what comes: its request was answered. */
  has(socket: Socket): boolean {
    return this.#sockets.has(socket);
  }

  /**
   * Reads on behind an answer to bytes that are no request for Node, until the client closes the
   * connection.
   */
  readBytes(socket: Socket): void {
    this.#begin(socket);
    socket.once('end', () => socket.destroy()).resume();
  }

  #readOn(request: IncomingMessage): void {
    const { socket } = request;
    const stop = this.#begin(socket);
    let isLast = false;
    // What Node calls where the connection is closed behind the answer.
    socket.destroySoon = () => {
      isLast = true;
      socket.end();
    };
    request.once('end', () => {
      stop();
      Reflect.deleteProperty(socket, 'destroySoon');
      if (isLast) socket.destroySoon();
    });
    // The reader that it had so far reads no more. A stream that lost its only listener still
    // counts as flowing, and is resumed only after a pause.
    request.removeAllListeners('readable').removeAllListeners('data');
    request
      .on('error', () => {})
      .pause()
      .resume();
  }

  /** Holds a connection to the limits from now on; answers how to stop that. */
  #begin(socket: Socket): () => void {
    const { bodyIdle, refusedBodyTime, refusedBodyBytes } = this.#limits;
    const begun = steadyNow();
    const bytesMax = socket.bytesRead + refusedBodyBytes;
    let last = { bytes: socket.bytesRead, at: begun };
    const timer = setInterval(() => {
      const now = steadyNow();
      if (socket.bytesRead > last.bytes) last = { bytes: socket.bytesRead, at: now };
      const isIdle = elapsed(last.at, now) >= bodyIdle;
      if (isIdle || elapsed(begun, now) >= refusedBodyTime || last.bytes > bytesMax) socket.destroy();
    }, LOOK);
    const stop = (): void => {
      clearInterval(timer);
      this.#sockets.delete(socket);
    };
    this.#sockets.add(socket);
    socket.once('close', () => clearInterval(timer));
    return stop;
  }
}

const hasBody = ({ headers }: IncomingMessage): boolean =>
  headers['content-length'] !== undefined || headers['transfer-encoding'] !== undefined;
