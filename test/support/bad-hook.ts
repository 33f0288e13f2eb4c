// A receiver that misbehaves: a real server, which does to every connection what the test says.

import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { onTestFinished } from 'vitest';

/** A request as it came. */
export interface HookRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

/** What is done with a request; `count` is how many came before it. */
export type Behaviour = (response: ServerResponse, request: HookRequest, count: number) => void;

/** A receiver that is listening. */
export interface BadHook {
  /** `http://127.0.0.1:port`. */
  readonly url: string;
  readonly port: number;
  /** Everything that came, in order. */
  readonly requests: readonly HookRequest[];
  /** Connections that are open now. */
  open(): number;
}

/** Answers with a status, and a body where one is given. */
export const answering =
  (status: number, headers: Record<string, string> = {}, body = ''): Behaviour =>
  (response) =>
    void response.writeHead(status, headers).end(body);

/** Never says anything. */
export const hanging: Behaviour = () => {};

/**
 * Says that all is well or is not, and then goes on with its body for as long as anybody listens.
 */
export const endless =
  (status: number): Behaviour =>
  (response) => {
    response.writeHead(status);
    const more = (): void => {
      while (!response.destroyed && response.write('x'.repeat(65_536)));
    };
    response.on('drain', more);
    more();
  };

/** Sends a byte of its status line now and then, and never comes to its end. */
export const trickling: Behaviour = ({ socket }) => {
  const bytes = 'HTTP/1.1 200 OK\r\nx-slow: '.split('');
  const timer = setInterval(() => socket!.write(bytes.shift() ?? 'x'), 20);
  socket!.on('error', () => {});
  socket!.on('close', () => clearInterval(timer));
};

/** Takes the request, and is gone. */
export const dying: Behaviour = ({ socket }) => void socket!.destroy();

/** Starts a receiver for the test that is running. */
export async function badHookForTest(behave: Behaviour, host = '127.0.0.1'): Promise<BadHook> {
  const requests: HookRequest[] = [];
  const sockets = new Set<unknown>();
  const server = createServer((incoming: IncomingMessage, response) => {
    void incoming.toArray().then((parts) => {
      const { method = '', url: path = '', headers } = incoming;
      const request = { method, path, headers, body: Buffer.concat(parts).toString('utf8') };
      requests.push(request);
      behave(response, request, requests.length - 1);
    });
  });
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
  });
  server.listen(0, host);
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  onTestFinished(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  return { url: `http://${host}:${port}`, port, requests, open: () => sockets.size };
}
