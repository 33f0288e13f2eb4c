// GET /runs, GET /runs/{id}, GET /runs/{id}/output, GET /runs/{id}/logs, DELETE /runs/{id}, POST /runs/{id}/cancel and POST /runs/{id}/retry.

import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { Type } from 'typebox';
import { ServiceError } from '../../domain/errors.ts';
import { parseRunId, type RunId } from '../../domain/ids.ts';
import { type LogLine, logLineText } from '../../domain/log-line.ts';
import { isEnded } from '../../domain/run.ts';
import { type Instant, parseRfc3339, seconds } from '../../domain/time.ts';
import { runNotFound } from '../../engine/engine.ts';
import type { RunFilter } from '../../ledger/ledger.ts';
import { LogsQuery } from '../../wire/logs.ts';
import { RunQuery } from '../../wire/runs.ts';
import { readAccept } from '../accept.ts';
import { sendAccepted, sendRawOutput, sendRun, sendRunWithOutput, sendSubmitted } from '../answers.ts';
import { idempotencyKeyOf } from '../idempotency.ts';
import type { HttpParts } from '../parts.ts';
import { outputExpired, problemOfRun } from '../problem.ts';
import { queryReader, readNoQuery } from '../query.ts';
import { runLineText } from '../run-view.ts';

const readLogsQuery = queryReader(LogsQuery);
const PAGE_DEFAULT = 50;
/** Longest that one poll may wait, in seconds: shorter than the idle limits of common proxies. */
const WAIT_SECONDS_MAX = 60;

type ById = FastifyRequest<{ Params: { id: string } }>;

const readRunQuery = queryReader(RunQuery);
const readWait = queryReader(
  Type.Object(
    { wait: Type.Optional(Type.Number({ minimum: 0, maximum: WAIT_SECONDS_MAX })) },
    { additionalProperties: false },
  ),
);

/** Registers the routes. */
export function runRoutes(app: FastifyInstance, parts: HttpParts): void {
  app.get('/runs', (request, reply) => listRuns(parts, request, reply));
  app.get('/runs/:id', (request: ById, reply) => showRun(parts, request, reply));
  app.get('/runs/:id/output', (request: ById, reply) => output(parts, request, reply));
  app.get('/runs/:id/logs', (request: ById, reply) => logs(parts, request, reply));
  app.delete('/runs/:id', (request: ById, reply) => cancel(parts, request, reply));
  app.post('/runs/:id/cancel', (request: ById, reply) => cancel(parts, request, reply));
  app.post('/runs/:id/retry', (request: ById, reply) => retry(parts, request, reply));
}

async function listRuns({ engine }: HttpParts, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const filter = filterOf(readRunQuery(request.query));
  // One more than asked for, to know whether there is a next page.
  const runs = await engine.runs({ ...filter, limit: filter.limit + 1 });
  const page = runs.slice(0, filter.limit);
  const last = page.at(-1);
  const cursor = runs.length > page.length && last !== undefined ? JSON.stringify(String(last.sequence)) : 'null';
  return reply.type('application/json').send(`{"runs":[${page.map(runLineText).join(',')}],"next_cursor":${cursor}}`);
}

function filterOf(query: RunQuery): RunFilter {
  return {
    limit: query.limit ?? PAGE_DEFAULT,
    ...(query.endpoint === undefined ? {} : { endpoint: query.endpoint }),
    ...(query.status === undefined ? {} : { status: query.status }),
    ...(query.run_name === undefined ? {} : { runName: query.run_name }),
    ...(query.parent_id === undefined ? {} : { parentId: idOf(query.parent_id) }),
    ...(query.created_after === undefined ? {} : { createdAfter: timeOf('created_after', query.created_after) }),
    ...(query.created_before === undefined ? {} : { createdBefore: timeOf('created_before', query.created_before) }),
    ...(query.cursor === undefined ? {} : { before: cursorOf(query.cursor) }),
  };
}

async function showRun(parts: HttpParts, request: ById, reply: FastifyReply): Promise<FastifyReply> {
  const { engine } = parts;
  const runId = idOf(request.params.id);
  const { wait } = readWait(request.query);
  const sight =
    wait === undefined
      ? await engine.run(runId)
      : await engine.waitForEnd(runId, seconds(wait), parts.waitSignal(reply));
  return sendRunWithOutput(engine, reply, sight);
}

async function output({ engine }: HttpParts, request: ById, reply: FastifyReply): Promise<FastifyReply> {
  const sight = await engine.run(idOf(request.params.id));
  const { run } = sight;
  if (run.status === 'succeeded') return sendRawOutput(engine, reply, sight);
  if (isEnded(run.status)) throw problemOfRun(run);
  return sendAccepted(reply, sight);
}

/** Text for people, unless the client asks for JSON Lines. */
async function logs({ engine }: HttpParts, request: ById, reply: FastifyReply): Promise<FastifyReply> {
  const { after = 0 } = readLogsQuery(request.query);
  const format = logFormatOf(readAccept(request.headers.accept));
  const { run, lines } = await engine.logs(idOf(request.params.id));
  if (lines === null) throw outputExpired(run, 'logs were');
  const wanted = lines.slice(after);
  const text = (format === 'jsonl' ? wanted : wanted.map((line) => logLineText(JSON.parse(line) as LogLine)))
    .map((line) => `${line}\n`)
    .join('');
  return reply.type(format === 'jsonl' ? 'application/jsonlines' : 'text/plain; charset=utf-8').send(text);
}

function logFormatOf(accept: string | null): 'text' | 'jsonl' {
  switch (accept) {
    case null:
    case 'text/plain':
    case 'text/*':
      return 'text';
    case 'application/jsonlines':
    case 'application/x-ndjson':
    case 'application/*':
      return 'jsonl';
    default:
      throw new ServiceError(
        'not-acceptable',
        `Logs are text/plain or application/jsonlines; the Accept header asks for ${accept}.`,
      );
  }
}

async function cancel({ engine }: HttpParts, request: ById, reply: FastifyReply): Promise<FastifyReply> {
  const runId = idOf(request.params.id);
  const result = await engine.cancel(runId);
  if (result === 'unknown') throw runNotFound(runId);
  const sight = await engine.run(runId);
  if (result === 'ended') {
    throw new ServiceError('run-ended', `Run ${runId} has already ${sight.run.status}; it was not cancelled.`, {
      runId,
      members: { run: JSON.parse(runLineText(sight.run)) as unknown },
    });
  }
  return sendRun(reply, sight, null);
}

async function retry({ engine }: HttpParts, request: ById, reply: FastifyReply): Promise<FastifyReply> {
  readNoQuery(request.query);
  refuseBody(request);
  const accepted = await engine.retry(idOf(request.params.id), idempotencyKeyOf(request.headers));
  if (accepted.kind === 'replayed') reply.header('idempotency-replayed', 'true');
  return sendSubmitted(engine, reply, accepted);
}

/** A retry has the options of the run that it tries again: whoever sends others would believe that they count. */
function refuseBody({ body }: FastifyRequest): void {
  const text =
    body === undefined
      ? ''
      : Buffer.from(body as Uint8Array)
          .toString('utf8')
          .trim();
  if (text === '' || text === '{}') return;
  throw new ServiceError(
    'invalid-request',
    'A retry takes no body: it has the input and the options of the run. Submit the input anew to change them.',
    { errors: [{ pointer: '', detail: 'must be empty' }] },
  );
}

function idOf(text: string): RunId {
  const runId = parseRunId(text);
  if (runId === null) throw runNotFound(text.slice(0, 64));
  return runId;
}

function timeOf(name: string, text: string): Instant {
  const time = parseRfc3339(text);
  if (time !== null) return time;
  throw new ServiceError(
    'invalid-request',
    `The query is not valid: ${name} must be an RFC 3339 time like 2026-11-21T09:00:00Z.`,
    {
      errors: [{ pointer: `query:${name}`, detail: 'must be an RFC 3339 time' }],
    },
  );
}

function cursorOf(text: string): number {
  if (/^\d{1,15}$/.test(text)) return Number(text);
  throw new ServiceError(
    'invalid-request',
    'The query is not valid: cursor must be the next_cursor of an earlier page.',
    {
      errors: [{ pointer: 'query:cursor', detail: 'must be the next_cursor of an earlier page' }],
    },
  );
}
