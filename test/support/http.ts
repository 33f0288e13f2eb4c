// Requests as a test writes them: nothing is added, nothing is tried again, and every answer can be
// looked at whole.

import { once } from 'node:events';
import { type IncomingHttpHeaders, type IncomingMessage, request as httpRequest } from 'node:http';
import { connect } from 'node:net';
import { undocumented } from './documented.ts';

/** How it is called that a connection was refused, or ended before its answer. */
const UNANSWERED: ReadonlySet<unknown> = new Set(['ECONNREFUSED', 'ECONNRESET', 'EPIPE']);

/** A request; `chunked` sends the body without saying how long it is. */
export interface TestRequest {
  readonly headers?: Readonly<Record<string, string | string[]>>;
  readonly body?: string | Uint8Array;
  readonly chunked?: boolean;
  /**
   * Address of this machine that it comes from: 127.0.0.1 unless told; on Linux anything in
   * 127.0.0.0/8.
   */
  readonly from?: string;
}

/** An answer, whole. */
export interface TestAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly bytes: Buffer;
  readonly text: string;
  /** The body as JSON. */
  // oxlint-disable-next-line typescript/no-explicit-any -- a test says what it expects of it
  readonly json: any;
}

/**
 * Sends a request to a server of ours; throws where the answer is not what the OpenAPI document
 * says.
 */
export async function send(url: string, method: string, path: string, request: TestRequest = {}): Promise<TestAnswer> {
  const answer = await exchange(url, method, path, request);
  const surprises = undocumented(method, path, {
    status: answer.status,
    contentType: answer.headers['content-type'] ?? null,
    isAttachment: answer.headers['content-disposition']?.startsWith('attachment') ?? false,
    text: answer.text,
  });
  if (surprises.length > 0) throw new Error(`The OpenAPI document does not say so: ${surprises.join('; ')}`);
  return answer;
}

/** Sends a request on a connection of its own, to what answers there. */
export async function exchange(
  url: string,
  method: string,
  path: string,
  request: TestRequest = {},
): Promise<TestAnswer> {
  const { hostname, port } = new URL(url);
  const body = request.body === undefined ? null : Buffer.from(request.body as Uint8Array);
  const outgoing = httpRequest({
    hostname,
    port,
    method,
    path,
    agent: false,
    headers: { ...request.headers },
    ...(request.from !== undefined && { localAddress: request.from }),
  });
  if (body !== null && request.chunked !== true) outgoing.setHeader('content-length', body.length);
  // A server that refuses a body may answer, and hang up, before it has read all of it.
  const failed = new Promise<never>((_, reject) => outgoing.once('error', reject));
  failed.catch(() => {});
  outgoing.end(body ?? undefined);
  const [incoming] = (await Promise.race([once(outgoing, 'response'), failed])) as [IncomingMessage];
  const bytes = Buffer.concat(await incoming.toArray());
  return {
    status: incoming.statusCode!,
    headers: incoming.headers,
    bytes,
    text: bytes.toString('utf8'),
    get json() {
      return JSON.parse(bytes.toString('utf8')) as unknown;
    },
  };
}

/**
 * What `catch` takes where a server may hang up, or not be there at all: the answer is null then,
 * and everything else that is wrong is thrown.
 */
export function unanswered(error: unknown): null {
  if (error instanceof Error && 'code' in error && UNANSWERED.has(error.code)) return null;
  throw error;
}

/** Sends bytes as they are, and answers everything that the server says before it hangs up. */
export async function sendBytes(url: string, bytes: string | Uint8Array): Promise<string> {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  const heard: Buffer[] = [];
  socket.on('data', (part: Buffer) => heard.push(part));
  // A reset after the answer is a way of hanging up, too.
  socket.on('error', () => {});
  const closed = once(socket, 'close');
  await once(socket, 'connect');
  socket.write(bytes);
  await closed;
  return Buffer.concat(heard).toString('latin1');
}
