// The program of a replica that serves a `defineModel` file: loads the model, then answers /ping
// and /invocations on a Unix socket. Lives exactly as long as the server that started it: the
// server holds the other end of its standard input.

import type { IncomingMessage, ServerResponse } from 'node:http';
import type { ModelRun } from './define-model.ts';
import { flushCompileCache } from 'node:module';
import { answer, type Answer } from './invocation.ts';
import { loadModel } from './load-model.ts';
import { surviveLeftovers } from './leftovers.ts';
import { reportingOutput, watchOutput } from './printed-output.ts';
import {
  ATTEMPT_HEADER,
  BUSY_HEADER,
  DEADLINE_HEADER,
  FAILURE_HEADER,
  METADATA_HEADER,
  RUN_ID_HEADER,
  RUNNER_HEADERS_MAX,
  SOCKET_VARIABLE,
} from './protocol.ts';
import { ReportWriter, reportsChannel } from './reports.ts';
import { checksOf } from './schema.ts';
import { describeThrown, traceOf } from './thrown.ts';

// An import asks a built-in module for everything that it has. This one has WebSocket, for which
// Node loads its whole HTTP client: a third of what this program's start took.
const { createServer } = process.getBuiltinModule('node:http');

/**
 * How long `cleanup` may take where nobody is left to end the process. The server gives it as long
 * after SIGTERM.
 */
const CLEANUP_MILLISECONDS_MAX = 5_000;

const file = process.argv[2]!;
const socket = process.env[SOCKET_VARIABLE]!;
const channel = reportsChannel(process.env);

let isReady = false;
process.stdin.resume().on('close', () => void stop());

const model = await loadModel(file);
const checks = await checksOf(model);
const loaded = await model.load?.();
const state = await model.init?.(loaded);
isReady = true;
let busy = 0;
// Only where there is something to clean up: a model that lets nobody else work would not be ended
// by a signal that is listened to.
if (model.cleanup !== undefined) process.once('SIGTERM', () => void stop());
watchOutput();
surviveLeftovers();

createServer({ requestTimeout: 0, keepAliveTimeout: 0, maxHeaderSize: RUNNER_HEADERS_MAX }, (request, response) => {
  if (request.method === 'GET' && request.url === '/ping') {
    response.writeHead(200, { [BUSY_HEADER]: String(busy) }).end();
  } else if (request.method === 'POST' && request.url === '/invocations') {
    void invocation(request, response);
  } else {
    response.writeHead(404).end();
  }
}).listen(socket);

// Left to its end, it would be lost with a process that is killed. Once it has time: nobody waits
// for it.
setImmediate(flushCompileCache);

async function invocation(request: IncomingMessage, response: ServerResponse): Promise<void> {
  busy += 1;
  const gone = new AbortController();
  response.on('close', () => gone.abort());
  const run = runOf(request);
  const reports = new ReportWriter(channel, `${run.id}.${run.attempt}`);
  try {
    const body = Buffer.concat(await request.toArray());
    const work = (): Promise<Answer> =>
      answer(model, {
        body,
        checks,
        contentType: request.headers['content-type'] ?? 'application/octet-stream',
        accept: request.headers.accept ?? null,
        context: {
          model: loaded,
          state,
          signal: gone.signal,
          run,
          progress: (done, total = null, message = null) => reports.progress({ done, total, message }),
          log: (message, fields) => reports.line('log', message, fields ?? null),
        },
      });
    const reply = await reportingOutput(reports, work).catch(failureOf);
    // First: with the answer the attempt is over, and its reports are no longer taken.
    reports.end();
    send(response, reply);
  } catch {
    // The request broke off before its body was whole: there is nobody left to answer.
    response.destroy();
  } finally {
    busy -= 1;
  }
}

function runOf(request: IncomingMessage): ModelRun {
  const deadline = single(request, DEADLINE_HEADER);
  return {
    id: single(request, RUN_ID_HEADER) ?? '',
    attempt: Number(single(request, ATTEMPT_HEADER) ?? 1),
    deadline: deadline === null ? null : new Date(deadline),
    metadata: JSON.parse(single(request, METADATA_HEADER) ?? '{}') as ModelRun['metadata'],
  };
}

function single({ headers }: IncomingMessage, name: string): string | null {
  const value = headers[name];
  return typeof value === 'string' ? value : null;
}

const failureOf = (thrown: unknown): Answer => ({ kind: 'model-error', detail: describeThrown(thrown) });

/** Ends the process, once the model has released what it holds. */
async function stop(): Promise<never> {
  setTimeout(() => process.exit(1), CLEANUP_MILLISECONDS_MAX);
  try {
    if (isReady) await model.cleanup?.(state);
  } catch (error) {
    process.stderr.write(`The model could not clean up: ${traceOf(error)}\n`);
    process.exit(1);
  }
  process.exit(0);
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
