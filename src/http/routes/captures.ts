// POST and GET /endpoints/{endpoint}/captures, GET and DELETE …/captures/{capture} with its
// predictions and ids, and GET /endpoints/{endpoint}/evaluation.

import { Readable } from 'node:stream';
import type { FastifyReply } from 'fastify';
import { type Static, Type } from 'typebox';
import { CAPTURE_NAME, type CapturePlace, type CaptureRecord } from '../../stores/captures/captures.ts';
import { RUN_FAILURES, ServiceError } from '../../domain/errors.ts';
import type { PayloadFacts } from '../../domain/payload.ts';
import { isEnded } from '../../domain/run.ts';
import { UNSCORED } from '../../domain/scoring.ts';
import { readEvaluation } from '../../scoring/evaluation-file.ts';
import { sampleOf } from '../../scoring/holdout.ts';
import type { RunRecord } from '../../stores/ledger/ledger.ts';
import { CONTENT_TYPES } from '../../table/format.ts';
import {
  CaptureBody,
  CaptureDeletionQuery,
  CapturePage,
  CaptureRequest,
  CapturesDeleted,
  CapturesQuery,
  CaptureVersionQuery,
  EvaluationQuery,
} from '../../wire/captures.ts';
import { optionsBody } from '../request/body-rules.ts';
import { captureBody, captureLine } from '../answer/capture-view.ts';
import { inUtf8 } from '../request/charset.ts';
import { strongTag } from '../request/conditions.ts';
import { extensionOf, RAW_OUTPUT } from '../answer/output.ts';
import type { RouteContext } from '../context.ts';
import { capturePath } from '../paths.ts';
import { cursorOf, PAGE_DEFAULT, pageOf } from '../answer/paging.ts';
import { outputExpired, problemOfRun } from '../answer/problem.ts';
import { sendStream } from '../answer/reader.ts';
import { type Answer, type Call, type Route, route } from '../route.ts';
import { idOf } from './run-id.ts';

/** Rows of evaluation data that an endpoint is tried on where nobody says how many. */
const SAMPLE_DEFAULT = 10;

const made = (description: string): Answer => ({
  description,
  content: { 'application/json': CaptureBody },
  headers: ['Location'],
});

/** See the head of this file. */
export const CAPTURE_ROUTES: readonly Route[] = [
  route({
    method: 'POST',
    path: '/endpoints/:endpoint/captures',
    operationId: 'captureRun',
    tag: 'endpoints',
    summary: 'Keep a run’s predictions under a name',
    description:
      'Keeps what a run of a table has answered as the next version under the name, with metrics where the target is a column of its input. A run is captured once under a name: again, it is the version that is there.',
    scope: 'invoke',
    body: { ...optionsBody(CaptureRequest), required: true },
    answers: { 200: made('The run was captured under that name already.'), 201: made('It is captured.') },
    problems: [
      'endpoint-not-found',
      'malformed-body',
      'run-not-found',
      'run-not-ended',
      'run-cancelled',
      'output-expired',
      'storage-full',
      ...RUN_FAILURES,
    ],
    handle: capture,
  }),
  route({
    method: 'GET',
    path: '/endpoints/:endpoint/captures',
    operationId: 'listCaptures',
    tag: 'endpoints',
    summary: 'List captures, newest first',
    scope: 'read',
    query: CapturesQuery,
    answers: { 200: { description: 'A page of captures.', content: { 'application/json': CapturePage } } },
    problems: ['endpoint-not-found'],
    handle: list,
  }),
  route({
    method: 'GET',
    path: '/endpoints/:endpoint/captures/:capture',
    operationId: 'getCapture',
    tag: 'endpoints',
    summary: 'See a capture and its metrics',
    scope: 'read',
    query: CaptureVersionQuery,
    answers: {
      200: {
        description: 'The version that is asked for, or the newest.',
        content: { 'application/json': CaptureBody },
      },
    },
    problems: ['endpoint-not-found', 'capture-not-found'],
    handle: async (context, call) => captureBody(await captureOf(context, call), call.request.base),
  }),
  route({
    method: 'GET',
    path: '/endpoints/:endpoint/captures/:capture/predictions',
    operationId: 'getPredictions',
    tag: 'endpoints',
    summary: 'Fetch the predictions of a capture',
    scope: 'read',
    query: CaptureVersionQuery,
    answers: {
      200: {
        description: 'The output of the run, byte for byte, also after the run’s own is gone.',
        content: { '*/*': RAW_OUTPUT },
        headers: ['Content-Disposition', 'ETag'],
      },
    },
    problems: ['endpoint-not-found', 'capture-not-found', 'payload-damaged'],
    handle: predictions,
  }),
  route({
    method: 'GET',
    path: '/endpoints/:endpoint/captures/:capture/ids',
    operationId: 'getCaptureIds',
    tag: 'endpoints',
    summary: 'Fetch the row ids of a capture',
    description:
      'The values of the endpoint’s `idColumn`, one for each prediction; null where there is no such column.',
    scope: 'read',
    query: CaptureVersionQuery,
    answers: {
      200: {
        description: 'The ids, in the order of the predictions.',
        content: { 'application/json': Type.Union([Type.Array(Type.Unknown()), Type.Null()]) },
        headers: ['ETag'],
      },
    },
    problems: ['endpoint-not-found', 'capture-not-found', 'payload-damaged'],
    handle: ids,
  }),
  route({
    method: 'DELETE',
    path: '/endpoints/:endpoint/captures/:capture',
    operationId: 'deleteCapture',
    tag: 'endpoints',
    summary: 'Delete a version of a capture, or all of them',
    description:
      'With the predictions and the ids. A number is never given again: the next capture of the name goes on counting.',
    // Captures are there to be relied on: the right to make them is no right to take them away.
    scope: 'manage',
    query: CaptureDeletionQuery,
    answers: { 200: { description: 'How many there were.', content: { 'application/json': CapturesDeleted } } },
    problems: ['endpoint-not-found', 'capture-not-found', 'storage-full'],
    handle: async (context, call): Promise<CapturesDeleted> => ({
      deleted: await context.captures.delete(placeOf(context, call), call.query.version ?? null),
    }),
  }),
  route({
    method: 'GET',
    path: '/endpoints/:endpoint/evaluation',
    operationId: 'getEvaluation',
    tag: 'endpoints',
    summary: 'Fetch rows to try an endpoint on',
    description:
      'Rows of the endpoint’s evaluation data that the model was not trained on (`training` is not true), spread evenly over them: the same ones every time.',
    scope: 'read',
    query: EvaluationQuery,
    answers: {
      200: {
        description: 'The rows, as they stand in the file.',
        content: { 'text/csv': Type.String(), 'application/jsonlines': Type.String() },
      },
    },
    problems: ['endpoint-not-found', 'evaluation-not-found'],
    handle: evaluation,
  }),
];

async function capture(context: RouteContext, call: Call<object, CaptureRequest>): Promise<CaptureBody> {
  const { engine, captures } = context;
  const { params, principal, body, reply } = call;
  const { spec } = engine.endpoints.resolve(params['endpoint']!, principal);
  const { run } = await engine.runs.view(idOf(body.run_id), principal);
  assertCapturable(run, spec.name);
  const { name, target = null, prediction = null, task = null } = body;
  const asked = { target, prediction, task };
  const kept = await captures.capture({ principal, name, run, asked, spec: spec.scoring ?? UNSCORED });
  if (kept === null) throw outputExpired(run);
  reply.code(kept.result === 'added' ? 201 : 200).header('location', capturePath(kept.capture));
  return captureBody(kept.capture, reply.request.base);
}

function assertCapturable(run: RunRecord, endpoint: string): void {
  const { runId } = run;
  if (run.endpoint !== endpoint) throw noRunFor(`is a run of ${run.endpoint}, and not of ${endpoint}`);
  if (run.parentId !== null) throw noRunFor(`is a chunk of batch ${run.parentId}; capture the batch`);
  if (!isEnded(run.status))
    throw new ServiceError(
      'run-not-ended',
      `Run ${runId} is ${run.status}; it can be captured once it has succeeded.`,
      {
        runId,
      },
    );
  if (run.status !== 'succeeded') throw problemOfRun(run);
}

const noRunFor = (detail: string): ServiceError =>
  new ServiceError('invalid-request', `The request is not valid: /run_id ${detail}.`, {
    errors: [{ pointer: '/run_id', detail }],
  });

async function list(
  { engine, captures }: RouteContext,
  { request, params, principal, query }: Call<CapturesQuery, null>,
): Promise<CapturePage> {
  const { spec } = engine.endpoints.resolve(params['endpoint']!, principal);
  const { name, limit = PAGE_DEFAULT, cursor } = query;
  // One more than asked for, to know whether there is a next page.
  const found = await captures.list({
    tenant: principal.tenant,
    endpoint: spec.name,
    limit: limit + 1,
    ...(name !== undefined && { name }),
    ...(cursor !== undefined && { before: cursorOf(cursor) }),
  });
  const { page, next } = pageOf(found, limit);
  return { captures: page.map((one) => captureLine(one, request.base)), next_cursor: next };
}

/** The capture of a path and a query. */
const captureOf = (context: RouteContext, call: Call<CaptureVersionQuery, null>): Promise<CaptureRecord> =>
  context.captures.get(placeOf(context, call), call.query.version ?? null);

function placeOf({ engine }: RouteContext, { params, principal }: Call<unknown, unknown>): CapturePlace {
  const { spec } = engine.endpoints.resolve(params['endpoint']!, principal);
  const name = params['capture']!;
  // What is no name at all names nothing, and some stores cannot be asked for it.
  return { tenant: principal.tenant, endpoint: spec.name, name: CAPTURE_NAME.test(name) ? name : '' };
}

async function predictions(context: RouteContext, call: Call<CaptureVersionQuery, null>): Promise<FastifyReply> {
  const found = await captureOf(context, call);
  const { name, version, predictions: facts } = found;
  const file = `${name}-v${version}.${extensionOf(facts.contentType)}`;
  // They are the model's, so a browser is told to save and not to show them.
  call.reply
    .header('content-disposition', `attachment; filename="${file}"`)
    .header('content-security-policy', "default-src 'none'; sandbox");
  return sendBlob(context, call, facts, () => context.captures.predictions(found));
}

async function ids(context: RouteContext, call: Call<CaptureVersionQuery, null>): Promise<FastifyReply> {
  const found = await captureOf(context, call);
  if (found.ids === null) return call.reply.type('application/json').send('null');
  return sendBlob(context, call, found.ids.list, async () => (await context.captures.ids(found))!);
}

async function sendBlob(
  { turns, limits }: RouteContext,
  { request, reply }: Pick<Call<unknown, unknown>, 'request' | 'reply'>,
  { contentType, bytes, sha256 }: PayloadFacts,
  open: () => Promise<Readable>,
): Promise<FastifyReply> {
  reply.type(inUtf8(contentType)).header('content-length', bytes).header('etag', strongTag(sha256));
  const stream = request.method === 'HEAD' ? Readable.from([]) : turns.of(await open());
  return sendStream(reply, stream, limits.readerIdle);
}

async function evaluation(
  { engine }: RouteContext,
  { params, principal, query, reply }: Call<Static<typeof EvaluationQuery>, null>,
): Promise<FastifyReply> {
  const { spec } = engine.endpoints.resolve(params['endpoint']!, principal);
  const found = await readEvaluation(spec);
  if (found === null)
    throw new ServiceError(
      'evaluation-not-found',
      `${spec.name} has no evaluation data: name a file with "evaluation" in its configuration.`,
    );
  // The path stays here: the caller need not be the author of the configuration.
  if ('mistake' in found)
    throw new ServiceError(
      'evaluation-not-found',
      `The evaluation data of ${spec.name} cannot be read; "claimcheck check" says why.`,
    );
  const bytes = sampleOf(found, query.rows ?? SAMPLE_DEFAULT);
  return reply.type(inUtf8(CONTENT_TYPES[found.table.format])).send(Buffer.from(bytes));
}
