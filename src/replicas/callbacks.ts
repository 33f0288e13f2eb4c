// Where replicas report while they work: a small HTTP listener on the loopback interface. Each
// attempt has a URL of its own, which nobody can guess and which is good for as long as the attempt
// runs. What is wrong with a report is said to its sender, and to nobody else: a report never
// ends a run.

import { once } from 'node:events';
import { randomUUID } from 'node:crypto';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { PROBLEMS, type ProblemSlug, ServiceError } from '../domain/errors.ts';
import { seconds } from '../domain/time.ts';
import { readLogs, readProgress, type Reporter } from './reports.ts';

// An import asks a built-in module for everything that it has. This one has WebSocket, for which
// Node loads its whole HTTP client.
const { createServer } = process.getBuiltinModule('node:http');

/** Largest report, in bytes. */
export const REPORT_BYTES_MAX = 256 * 1_024;
/** How long a report may take to arrive. */
const REPORT_TIMEOUT = seconds(10);

/** The place where one attempt is reported on. */
export interface ReportDesk {
  readonly url: string;
  /** From now on its URL is unknown. */
  close(): void;
}

/** Listens for reports. Made by `openCallbacks`. */
export class Callbacks {
  readonly #server: Server;
  #url = '';
  readonly #reporters = new Map<string, Reporter>();

  constructor() {
    const options = {
      requestTimeout: REPORT_TIMEOUT,
      headersTimeout: REPORT_TIMEOUT,
      connectionsCheckingInterval: 1_000,
    };
    this.#server = createServer(options, (request, response) => void this.#answer(request, response));
  }

  async listen(): Promise<void> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
    // A connection that cannot be taken, as for want of descriptors, is its sender's alone; an
    // 'error' that nobody hears would end the server.
    this.#server.on('error', () => {});
    const { port } = this.#server.address() as AddressInfo;
    this.#url = `http://127.0.0.1:${port}`;
  }

  /** Takes reports for an attempt until it is closed. */
  open(reporter: Reporter): ReportDesk {
    // 122 random bits, and drawn in advance by Node: random bytes of our own took 6 µs a run.
    const token = randomUUID();
    this.#reporters.set(token, reporter);
    return { url: `${this.#url}/attempts/${token}`, close: () => void this.#reporters.delete(token) };
  }

  async close(): Promise<void> {
    const closed = once(this.#server, 'close');
    this.#server.close();
    this.#server.closeAllConnections();
    await closed;
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    try {
      const [reporter, what] = this.#find(request);
      const body = await bodyOf(request);
      const contentType = request.headers['content-type'] ?? '';
      if (what === 'progress') reporter.progress(readProgress(body));
      else reporter.log(readLogs(body, contentType));
      response.writeHead(204).end();
    } catch (error) {
      // A sender that broke off in the middle waits for no answer.
      if (!(error instanceof ServiceError)) return void response.destroy();
      sendProblem(response, error.slug, error.message);
    }
  }

  #find({ method, url = '' }: IncomingMessage): readonly [Reporter, 'progress' | 'logs'] {
    const [, token, what] = /^\/attempts\/([\w-]+)\/(progress|logs)$/.exec(url) ?? [];
    const reporter = token === undefined ? undefined : this.#reporters.get(token);
    if (reporter === undefined)
      throw new ServiceError('not-found', 'No attempt that runs now has this address; there is /progress and /logs.');
    if (method !== 'POST') throw new ServiceError('method-not-allowed', 'Reports are sent with POST.');
    return [reporter, what as 'progress' | 'logs'];
  }
}

/** Opens the listener on a port of its own. */
export async function openCallbacks(): Promise<Callbacks> {
  const callbacks = new Callbacks();
  await callbacks.listen();
  return callbacks;
}

async function bodyOf(request: IncomingMessage): Promise<Buffer> {
  const parts: Buffer[] = [];
  let length = 0;
  for await (const part of request as AsyncIterable<Buffer>) {
    length += part.length;
    if (length > REPORT_BYTES_MAX)
      throw new ServiceError('payload-too-large', `A report has ${REPORT_BYTES_MAX} bytes at the most.`);
    parts.push(part);
  }
  return Buffer.concat(parts);
}

function sendProblem(response: ServerResponse, slug: ProblemSlug, detail: string): void {
  const { status, title } = PROBLEMS[slug];
  const body = JSON.stringify({ type: `https://claimcheck.dev/problems/${slug}`, title, status, detail });
  // What is left of a body that is too large is not read.
  response.writeHead(status, { 'content-type': 'application/problem+json', connection: 'close' }).end(body);
}
