// Connections: how many there may be, and how bytes on them are answered that are no request.

import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import ipaddr from 'ipaddr.js';
import { PROBLEMS, type ProblemSlug, ServiceError } from '../domain/errors.ts';
import { type Duration, inSeconds, seconds } from '../domain/time.ts';
import { PROBLEM_TYPE } from '../wire/problems.ts';
import { HEADER_BYTES_MAX, HEADERS_TIMEOUT } from './limits.ts';
import { problemBody } from './answer/problem.ts';
import { METHODS } from './request/request-target.ts';

/**
 * How long a connection that the client has closed on its side may be silent before the other
 * machine is asked.
 */
const KEEP_ALIVE_PROBE: Duration = seconds(10);

/** How many connections there may be. */
export interface ConnectionLimits {
  readonly connections: number;
  /**
   * From one address; from one network of 64 bits, where it is IPv6: that is what one customer has.
   */
  readonly connectionsPerAddress: number;
}

/** Why a connection was refused. */
export type RefusedFor = 'connections' | 'connections-per-address';

/**
 * Knows every connection, also one that sent garbage and is no longer an HTTP connection for Node.
 */
export class Connections {
  readonly #sockets = new Set<Socket>();
  readonly #byAddress = new Map<string, number>();

  /**
   * Holds a server to its limits. A connection that is one too many is closed without an answer: it
   * has not asked for anything yet.
   */
  constructor(server: Server, limits: ConnectionLimits, onRefused: (why: RefusedFor) => void) {
    server.maxConnections = limits.connections;
    server.on('drop', () => onRefused('connections'));
    server.on('connection', (socket) => {
      const address = networkOf(socket.remoteAddress);
      const count = (this.#byAddress.get(address) ?? 0) + 1;
      if (count > limits.connectionsPerAddress) {
        onRefused('connections-per-address');
        socket.destroy();
        return;
      }
      this.#byAddress.set(address, count);
      this.#sockets.add(socket);
      socket.once('close', () => this.#forget(socket, address));
      // Whether it still waits for its answer or is gone, only the other machine knows: it says so
      // when it is asked.
      socket.once('end', () => socket.setKeepAlive(true, KEEP_ALIVE_PROBE));
      // Streams that are asked for one behind the other each listen for it.
      socket.setMaxListeners(0);
    });
  }

  /** How many there are. */
  get count(): number {
    return this.#sockets.size;
  }

  /** Cuts all that are left. */
  cut(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  #forget(socket: Socket, address: string): void {
    this.#sockets.delete(socket);
    const left = this.#byAddress.get(address)! - 1;
    if (left === 0) this.#byAddress.delete(address);
    else this.#byAddress.set(address, left);
  }
}

/** What counts as one address. A client that is gone before it was looked at has none. */
export function networkOf(address: string | undefined): string {
  if (address === undefined) return '';
  // What a version 4 address looks like on a socket for both is version 4 all the same.
  const parsed = ipaddr.process(address);
  return parsed instanceof ipaddr.IPv6 ? `${parsed.parts.slice(0, 4).join(':')}/64` : parsed.toString();
}

/** What Node says of bytes that it cannot read: why, and the last packet of them. */
export interface BrokenBytes {
  readonly code: string;
  readonly rawPacket?: unknown;
}

/** What is said to bytes that Node's parser refuses; null where nobody is there to be told. */
export function problemOfBrokenBytes({ code, rawPacket }: BrokenBytes): ServiceError | null {
  switch (code) {
    case 'ECONNRESET':
      return null;
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return new ServiceError('request-timeout', `The request did not arrive within ${inSeconds(HEADERS_TIMEOUT)} s.`);
    case 'HPE_HEADER_OVERFLOW':
      return isLineTooLong(rawPacket)
        ? new ServiceError(
            'uri-too-long',
            `The request line is longer than ${HEADER_BYTES_MAX} bytes allow. Put what is long into the body.`,
          )
        : headersTooLarge();
    case 'HPE_CHUNK_EXTENSIONS_OVERFLOW':
      return new ServiceError('payload-too-large', "The body's chunks have longer extensions than this server reads.");
    case 'HPE_INVALID_METHOD':
      return isRequestLine(rawPacket) ? unknownMethod() : notHttp();
    default:
      return notHttp();
  }
}

const notHttp = (): ServiceError =>
  new ServiceError('malformed-body', 'The bytes are no HTTP request that this server reads.');

/** Whether bytes begin as a request of any method does. */
const isRequestLine = (packet: unknown): boolean =>
  Buffer.isBuffer(packet) &&
  /^[A-Z][A-Z-]{0,30} \S+ HTTP\/1\.[01]\r?\n/.test(packet.subarray(0, 4_096).toString('latin1'));

function unknownMethod(): ServiceError {
  const methods = METHODS.join(', ');
  return new ServiceError('method-not-allowed', `The method is none that this server has; ${methods} are.`, {
    headers: { allow: methods },
  });
}

/** The problem of headers that are too long, or too many. */
export const headersTooLarge = (): ServiceError =>
  new ServiceError('header-too-large', `The headers are more, or longer, than ${HEADER_BYTES_MAX} bytes allow.`);

/**
 * Whether it was the line that took most of the room. What came in parts is told by its last one,
 * in which a header stands.
 */
function isLineTooLong(packet: unknown): boolean {
  if (!Buffer.isBuffer(packet)) return false;
  const end = packet.indexOf('\n');
  return /^[A-Z]+ \//.test(packet.subarray(0, 20).toString('latin1')) && (end === -1 || end > HEADER_BYTES_MAX / 2);
}

/** Answers on a connection that is no longer one of HTTP's for Node, and closes it. */
export function answerBytes(socket: Socket, problem: ServiceError, requestId: string): void {
  const { status, title } = PROBLEMS[problem.slug];
  const body = JSON.stringify(problemBody(problem, requestId));
  const headers = Object.entries(problem.extras.headers ?? {}).map(([name, value]) => `${name}: ${value}\r\n`);
  socket.end(
    `HTTP/1.1 ${status} ${title}\r\n${headers.join('')}content-type: ${PROBLEM_TYPE}\r\ncontent-length: ${Buffer.byteLength(body)}\r\nconnection: close\r\n\r\n${body}`,
  );
}

/** Refuses an `Expect` that is not `100-continue`; Node's own answer has no body. */
export function refuseExpectations(
  server: Server,
  newRequestId: () => string,
  onProblem: (slug: ProblemSlug) => void,
): void {
  server.on('checkExpectation', (_request: IncomingMessage, response: ServerResponse) => {
    const problem = new ServiceError('expectation-failed', 'Of all expectations this server knows 100-continue alone.');
    onProblem(problem.slug);
    const body = JSON.stringify(problemBody(problem, newRequestId()));
    const headers = { 'content-type': PROBLEM_TYPE, 'content-length': Buffer.byteLength(body), connection: 'close' };
    response.writeHead(PROBLEMS[problem.slug].status, headers).end(body);
  });
}
