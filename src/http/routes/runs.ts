// GET /runs, GET /runs/{id}, GET /runs/{id}/output, GET /runs/{id}/logs, DELETE /runs/{id}, POST
// /runs/{id}/cancel and POST /runs/{id}/retry.

import { Readable } from 'node:stream';
import type { FastifyReply } from 'fastify';
import { type Static, Type } from 'typebox';
import { RUN_FAILURES, ServiceError } from '../../domain/errors.ts';
import { type LogLine, logText } from '../../domain/log-line.ts';
import { isEnded } from '../../domain/run.ts';
import { type Instant, parseRfc3339, seconds } from '../../domain/time.ts';
import { BEGINNING } from '../../engine/following.ts';
import type { RunFilter } from '../../stores/ledger/ledger.ts';
import { LogLineBody, LogsQuery } from '../../wire/logs.ts';
import { OutputQuery, RunBody, RunPage, RunQuery, WaitQuery } from '../../wire/runs.ts';
import { readAccept } from '../request/accept.ts';
import { sendAccepted, sendRun, sendSelectedRun, sendSubmitted } from '../answer/answers.ts';
import { inUtf8 } from '../request/charset.ts';
import { idempotencyKeyOf } from '../request/idempotency.ts';
import { RAW_OUTPUT, sendPartialOutput, sendSelectedOutput } from '../answer/output.ts';
import { attemptEnd, followedLines, type LogFormat } from '../answer/followed-logs.ts';
import type { RouteContext } from '../context.ts';
import { cursorOf, PAGE_DEFAULT, pageOf } from '../answer/paging.ts';
import { outputExpired, problemOfRun } from '../answer/problem.ts';
import { sendStream } from '../answer/reader.ts';
import { type Call, type Route, route } from '../route.ts';
import { runLineText } from '../answer/run-view.ts';
import { idOf } from './run-id.ts';
import { submitTraced } from '../request/submit.ts';

const CANCEL = {
  tag: 'runs',
  scope: 'invoke',
  answers: {
    200: {
      description:
        'It is cancelled, and will never succeed. An attempt’s `stopped_at` says when its replica has really stopped.',
      content: { 'application/json': RunBody },
    },
  },
  problems: ['run-not-found', 'run-ended'],
} as const;

/** See the head of this file. */
export const RUN_ROUTES: readonly Route[] = [
  route({
    method: 'GET',
    path: '/runs',
    operationId: 'listRuns',
    tag: 'runs',
    summary: 'List runs, newest first',
    scope: 'read',
    query: RunQuery,
    answers: { 200: { description: 'A page of runs.', content: { 'application/json': RunPage } } },
    problems: ['run-not-found'],
    handle: listRuns,
  }),
  route({
    method: 'GET',
    path: '/runs/:id',
    operationId: 'getRun',
    tag: 'runs',
    summary: 'See a run, or wait for its end',
    scope: 'read',
    headers: ['If-None-Match'],
    query: WaitQuery,
    answers: {
      200: {
        description: 'The run as it stands.',
        content: { 'application/json': RunBody },
        headers: ['Retry-After', 'ETag'],
      },
      304: { description: 'Nothing about it has changed: `If-None-Match` names it.', headers: ['ETag'] },
    },
    problems: ['run-not-found'],
    handle: showRun,
  }),
  route({
    method: 'GET',
    path: '/runs/:id/output',
    operationId: 'getOutput',
    tag: 'runs',
    summary: 'Fetch what a run has put out',
    scope: 'read',
    headers: ['Range', 'If-Range', 'If-None-Match'],
    query: OutputQuery,
    answers: {
      200: {
        description: 'The output, byte for byte.',
        content: { '*/*': RAW_OUTPUT },
        headers: ['Content-Disposition', 'ETag', 'Accept-Ranges'],
      },
      206: {
        description: 'The range of the output that `Range` asks for.',
        content: { '*/*': RAW_OUTPUT },
        headers: ['Content-Disposition', 'ETag', 'Accept-Ranges', 'Content-Range'],
      },
      304: { description: 'The client has it already: `If-None-Match` names it.', headers: ['ETag'] },
      202: {
        description: 'There is none yet: the run as it stands.',
        content: { 'application/json': RunBody },
        headers: ['Location', 'Retry-After'],
      },
    },
    problems: [
      'run-not-found',
      'run-not-ended',
      'run-cancelled',
      'output-expired',
      'range-not-satisfiable',
      ...RUN_FAILURES,
    ],
    handle: output,
  }),
  route({
    method: 'GET',
    path: '/runs/:id/logs',
    operationId: 'getLogs',
    tag: 'runs',
    summary: 'Read what the model wrote during a run',
    scope: 'read',
    headers: ['Accept'],
    query: LogsQuery,
    answers: {
      200: {
        description:
          'The lines up to now, and with `follow` those to come: text for people, or a JSON object per line.',
        content: {
          'text/plain': Type.String(),
          'application/jsonlines': Type.String({ description: 'Lines, each like this.', contentSchema: LogLineBody }),
        },
      },
    },
    problems: ['run-not-found', 'not-acceptable', 'output-expired', 'too-many-streams', 'draining'],
    handle: logs,
  }),
  route({
    ...CANCEL,
    method: 'DELETE',
    path: '/runs/:id',
    operationId: 'cancelRun',
    summary: 'Cancel a run',
    handle: cancel,
  }),
  route({
    ...CANCEL,
    method: 'POST',
    path: '/runs/:id/cancel',
    operationId: 'cancelRunByPost',
    summary: 'Cancel a run',
    description: 'The same for clients that cannot send DELETE.',
    handle: cancel,
  }),
  route({
    method: 'POST',
    path: '/runs/:id/retry',
    operationId: 'retryRun',
    tag: 'runs',
    summary: 'Run the same input again',
    description: 'A new run with the input and the options of one that has ended.',
    scope: 'invoke',
    headers: ['Idempotency-Key', 'traceparent', 'tracestate'],
    answers: {
      202: {
        description: 'The new run; `retry_of` names the old one.',
        content: { 'application/json': RunBody },
        headers: ['Location', 'Retry-After', 'Idempotency-Replayed'],
      },
    },
    problems: [
      'run-not-found',
      'run-not-ended',
      'output-expired',
      'payload-damaged',
      'endpoint-not-found',
      'idempotency-mismatch',
      'queue-full',
      'draining',
      'storage-full',
    ],
    handle: retry,
  }),
];

async function listRuns(
  { engine }: RouteContext,
  { principal: viewer, query, reply }: Call<RunQuery, null>,
): Promise<FastifyReply> {
  const filter = filterOf(query);
  // One more than asked for, to know whether there is a next page.
  const runs = await engine.runs.list({ ...filter, viewer, limit: filter.limit + 1 });
  const { page, next } = pageOf(runs, filter.limit);
  const text = `{"runs":[${page.map((run) => runLineText(run, reply.request.base)).join(',')}],"next_cursor":${JSON.stringify(next)}}`;
  return reply.type('application/json').send(text);
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

async function showRun(
  context: RouteContext,
  { params, principal, query: { wait }, reply }: Call<Static<typeof WaitQuery>, null>,
): Promise<FastifyReply> {
  const { engine } = context;
  const runId = idOf(params['id']!);
  const view =
    wait === undefined
      ? await engine.runs.view(runId, principal)
      : await engine.runs.waitForEnd(runId, principal, seconds(wait), context.waitSignal(reply));
  return sendSelectedRun(engine, reply, view);
}

async function output(
  context: RouteContext,
  { params, principal, query, reply }: Call<OutputQuery, null>,
): Promise<FastifyReply> {
  const view = await context.engine.runs.view(idOf(params['id']!), principal);
  const { run } = view;
  if (run.status === 'succeeded') return sendSelectedOutput(context, reply, run);
  if (query.partial === true && run.kind === 'batch') return sendPartialOutput(context, reply, run);
  if (isEnded(run.status)) throw problemOfRun(run);
  if (query.partial === true)
    throw new ServiceError(
      'run-not-ended',
      `Run ${run.runId} is ${run.status}; only batches have a part of an output.`,
      {
        runId: run.runId,
      },
    );
  return sendAccepted(reply, view);
}

/** Text for people, unless the client asks for JSON Lines. */
async function logs(context: RouteContext, call: Call<Static<typeof LogsQuery>, null>): Promise<FastifyReply> {
  const { request, params, principal, query, reply } = call;
  const { after = 0, follow = false } = query;
  const format = logFormatOf(readAccept(request.headers.accept));
  const runId = idOf(params['id']!);
  const { engine, limits, streams, followSignal } = context;
  const type = inUtf8(format === 'jsonl' ? 'application/jsonlines' : 'text/plain');
  if (!follow || request.method === 'HEAD') {
    const { run, attempts, lines } = await engine.runs.logs(runId, principal);
    if (lines === null) throw outputExpired(run, 'logs were');
    const texts =
      format === 'jsonl'
        ? lines.slice(after)
        : logText(
            lines.map((line) => JSON.parse(line) as LogLine),
            attempts.map(attemptEnd),
            after,
          );
    return reply.type(type).send([...texts].map((text) => `${text}\n`).join(''));
  }
  engine.assertNotDraining('follows no runs');
  const { run } = await engine.runs.view(runId, principal);
  if (!run.payloadsKept) throw outputExpired(run, 'logs were');
  streams.enter(reply);
  const told = engine.runs.follow(runId, { from: BEGINNING, silence: limits.keepAlive, signal: followSignal(reply) });
  return sendStream(reply.type(type), Readable.from(followedLines(told, after, format)), limits.readerIdle);
}

function logFormatOf(accept: string | null): LogFormat {
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

async function cancel(
  { engine }: RouteContext,
  { params, principal, reply }: Call<object, null>,
): Promise<FastifyReply> {
  const runId = idOf(params['id']!);
  const result = await engine.cancel(runId, principal);
  const view = await engine.runs.view(runId, principal);
  if (result === 'ended') {
    throw new ServiceError('run-ended', `Run ${runId} has already ${view.run.status}; it was not cancelled.`, {
      runId,
      members: { run: JSON.parse(runLineText(view.run, reply.request.base)) as unknown },
    });
  }
  return sendRun(reply, view, null);
}

async function retry(context: RouteContext, call: Call<object, null>): Promise<FastifyReply> {
  const { engine } = context;
  const { request, params, principal, reply } = call;
  const idempotencyKey = idempotencyKeyOf(request.headers);
  const runId = idOf(params['id']!);
  const accepted = await submitTraced(context, request, (trace) =>
    engine.retry(runId, principal, { idempotencyKey, trace }),
  );
  if (accepted.kind === 'replayed') reply.header('idempotency-replayed', 'true');
  return sendSubmitted(engine, call, accepted);
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
