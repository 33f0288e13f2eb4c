// A model server that somebody else runs: it can fail, hang, disappear and come back on the same
// port.

import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { onTestFinished } from 'vitest';
import type { WhenDone } from '../support/folder.ts';

/**
 * How an invocation is answered: with its body, a status and no word of why, a failure as our
 * runner declares it, elsewhere, not at all, or without an end.
 */
type Manner = 'echo' | 'status 500' | 'declared failure' | 'redirect' | 'hang' | 'hang-up' | 'no end';

/** The server, and what it has seen. */
export interface RemoteServer {
  readonly url: string;
  manner: Manner;
  /** What it answers to a ping. */
  pingStatus: number;
  /** Paths that were asked for beside `/ping`, in order. */
  readonly seen: string[];
  /** Invocations whose connection was closed before they were answered. */
  hungUpOn: number;
  disappear(): Promise<void>;
  comeBack(): Promise<void>;
}

/** Starts one, which is gone with its test. */
export async function remoteServerForTest(whenDone: WhenDone = onTestFinished): Promise<RemoteServer> {
  const remote = { manner: 'echo' as Manner, pingStatus: 200, seen: [] as string[], hungUpOn: 0 };
  let server: Server | null = null;
  const listen = async (port: number): Promise<number> => {
    server = createServer((request, response) => void answer(remote, request, response)).listen(port, '127.0.0.1');
    await once(server, 'listening');
    return (server.address() as AddressInfo).port;
  };
  const close = async (): Promise<void> => {
    if (server === null) return;
    const closed = once(server, 'close');
    server.close();
    server.closeAllConnections();
    server = null;
    await closed;
  };
  const port = await listen(0);
  whenDone(close);
  return Object.assign(remote, {
    url: `http://127.0.0.1:${port}`,
    disappear: close,
    async comeBack() {
      await listen(port);
    },
  });
}

async function answer(
  remote: Omit<RemoteServer, 'url' | 'disappear' | 'comeBack'>,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  if (request.url === '/ping') return void response.writeHead(remote.pingStatus, { location: '/elsewhere' }).end();
  remote.seen.push(request.url!);
  response.on('close', () => (remote.hungUpOn += response.writableFinished ? 0 : 1));
  const body = Buffer.concat(await request.toArray());
  switch (remote.manner) {
    case 'echo':
      return void response.writeHead(200, { 'content-type': 'application/json' }).end(body);
    case 'status 500':
      return void response.writeHead(500).end('the weights have gone');
    case 'declared failure':
      return void response.writeHead(500, { 'claimcheck-failure': 'model-error' }).end('{"error": "not this one"}');
    case 'redirect':
      return void response.writeHead(307, { location: '/elsewhere' }).end();
    case 'hang':
      return;
    case 'no end':
      return void request.socket.write('HTTP/1.0 200 OK\r\ncontent-type: text/csv\r\n\r\na\n1234', () => {
        remote.seen.push('the beginning is sent');
      });
    case 'hang-up':
      return void request.socket.destroy();
  }
}
