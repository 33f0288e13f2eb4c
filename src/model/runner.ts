// The program of a replica that serves a `defineModel` file: loads the model, then answers /ping and /invocations on a Unix socket.
// Lives exactly as long as the server that started it: the server holds the other end of its standard input.

import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { answer, type Answer } from './invocation.ts';
import { loadModel } from './load-model.ts';
import {
  ATTEMPT_HEADER,
  BUSY_HEADER,
  DEADLINE_HEADER,
  FAILURE_HEADER,
  RUN_ID_HEADER,
  SOCKET_VARIABLE,
} from './protocol.ts';

const file = process.argv[2]!;
const socket = process.env[SOCKET_VARIABLE]!;

process.stdin.resume().on('close', () => process.exit(0));

const model = await loadModel(file);
const loaded = await model.load?.();
let busy = 0;

createServer({ requestTimeout: 0, keepAliveTimeout: 0 }, (request, response) => {
  if (request.method === 'GET' && request.url === '/ping') {
    response.writeHead(200, { [BUSY_HEADER]: String(busy) }).end();
  } else if (request.method === 'POST' && request.url === '/invocations') {
    void invocation(request, response);
  } else {
    response.writeHead(404).end();
  }
}).listen(socket);

async function invocation(request: IncomingMessage, response: ServerResponse): Promise<void> {
  busy += 1;
  const gone = new AbortController();
  response.on('close', () => gone.abort());
  try {
    const body = Buffer.concat(await request.toArray());
    const reply = await answer(model, {
      body,
      contentType: request.headers['content-type'] ?? 'application/octet-stream',
      accept: request.headers.accept ?? null,
      context: { model: loaded, signal: gone.signal, run: runOf(request) },
    });
    send(response, reply);
  } catch {
    // The request broke off before its body was whole: there is nobody left to answer.
    response.destroy();
  } finally {
    busy -= 1;
  }
}

function runOf({ headers }: IncomingMessage) {
  const deadline = headers[DEADLINE_HEADER];
  return {
    id: String(headers[RUN_ID_HEADER] ?? ''),
    attempt: Number(headers[ATTEMPT_HEADER] ?? 1),
    deadline: typeof deadline === 'string' ? new Date(deadline) : null,
  };
}

function send(response: ServerResponse, reply: Answer): void {
  if (reply.kind === 'output') {
    response
      .writeHead(200, { 'content-type': reply.contentType, 'content-length': reply.bytes.length })
      .end(reply.bytes);
    return;
  }
  const detail = Buffer.from(reply.detail);
  response
    .writeHead(500, {
      'content-type': 'text/plain; charset=utf-8',
      'content-length': detail.length,
      [FAILURE_HEADER]: reply.kind,
    })
    .end(detail);
}
