// POST /endpoints/{endpoint}/invoke and POST /invoke.

import type { FastifyReply, FastifyRequest } from 'fastify';
import { RUN_FAILURES, ServiceError } from '../../domain/errors.ts';
import type { RunId } from '../../domain/ids.ts';
import { quotaHeaders } from '../../domain/quota.ts';
import { isEnded } from '../../domain/run.ts';
import { type Duration, inSeconds } from '../../domain/time.ts';
import type { Deployed } from '../../engine/deployment.ts';
import { isJson } from '../../domain/payload.ts';
import type { RunView } from '../../engine/views.ts';
import { batchFormat } from '../../engine/batch/plan.ts';
import type { Submission } from '../../engine/intake.ts';
import { isByLines } from '../../table/survey.ts';
import { InvokeEnvelope, InvokeQuery } from '../../wire/invoke.ts';
import { RunBody } from '../../wire/runs.ts';
import { InvokedBody, ZenmlMistakesBody } from '../../wire/zenml.ts';
import { sendAccepted, sendOutput, sendSubmitted } from '../answer/answers.ts';
import { inputBody } from '../request/body-rules.ts';
import { type IncomingBody, tooLarge } from '../request/incoming-body.ts';
import { isLongEnvelope } from '../request/long-envelope.ts';
import { RAW_OUTPUT } from '../answer/output.ts';
import type { RouteContext } from '../context.ts';
import { runPath } from '../paths.ts';
import { type Preference, readPreference } from '../request/prefer.ts';
import { problemOfRun } from '../answer/problem.ts';
import { type Call, type Route, route } from '../route.ts';
import { hasZenmlFace, misfitOf, sendZenmlMistakes, sendZenmlRun, ZENML_REFUSAL } from '../faces/zenml.ts';
import { type AskedSubmission, type ReadRequest, readSubmission } from '../request/submission.ts';
import { submitTraced } from '../request/submit.ts';

/**
 * How an invocation is answered: at once, or after waiting; `afterwards` is what a wait that was
 * not long enough ends in.
 */
type Mode =
  | { readonly kind: 'async' }
  | { readonly kind: 'wait'; readonly atMost: Duration; readonly afterwards: 'accepted' | 'problem' };

/** What both routes have in common. */
const INVOKE = {
  method: 'POST',
  tag: 'runs',
  scope: 'invoke',
  headers: ['Prefer', 'Idempotency-Key', 'Accept', 'traceparent', 'tracestate'],
  query: InvokeQuery,
  body: inputBody(InvokeEnvelope),
  answers: {
    200: {
      description:
        'The run has succeeded. With an `Accept` other than JSON the body is its output alone, in the content type that the model gave it.',
      content: { 'application/json': InvokedBody, '*/*': RAW_OUTPUT },
      headers: [
        'Location',
        'Run-Id',
        'Preference-Applied',
        'Vary',
        'Idempotency-Replayed',
        'Content-Disposition',
        'RateLimit-Policy',
        'RateLimit',
      ],
    },
    401: ZENML_REFUSAL,
    422: {
      description: "Of an endpoint with `face: 'zenml'`: every mistake in FastAPI's form.",
      content: { 'application/json': ZenmlMistakesBody },
    },
    202: {
      description: 'The run is written down, and survives this server.',
      content: { 'application/json': RunBody },
      headers: [
        'Location',
        'Run-Id',
        'Retry-After',
        'Preference-Applied',
        'Vary',
        'Idempotency-Replayed',
        'RateLimit-Policy',
        'RateLimit',
      ],
    },
  },
  callsBack: true,
  problems: [
    'malformed-body',
    'unsupported-media-type',
    'not-acceptable',
    'endpoint-not-found',
    'idempotency-mismatch',
    'payload-too-large',
    'request-timeout',
    'queue-full',
    'draining',
    'storage-full',
    'run-cancelled',
    'output-expired',
    'wait-exceeded',
    ...RUN_FAILURES,
  ],
} as const;

/** See the head of this file. */
export const INVOKE_ROUTES: readonly Route[] = [
  route({
    ...INVOKE,
    path: '/endpoints/:endpoint/invoke',
    operationId: 'invokeEndpoint',
    summary: 'Run a model',
    description:
      'Answers 202 at once, or waits for the end: what the request says counts first, then `Prefer`, then the endpoint’s mode. Options go into the envelope, or, beside a raw body, into the query.',
    handle: (context, call) => invoke(context, call, call.params['endpoint']!),
  }),
  route({
    ...INVOKE,
    path: '/invoke',
    operationId: 'invokeDefaultEndpoint',
    summary: 'Run the default model',
    description: 'The same for the only endpoint, or the one that is marked as the default.',
    handle: (context, call) => invoke(context, call, null),
  }),
];

async function invoke(
  context: RouteContext,
  call: Call<InvokeQuery, Uint8Array | IncomingBody>,
  name: string | null,
): Promise<FastifyReply> {
  const { engine } = context;
  const { request, reply, principal, query, body } = call;
  const deployed = engine.endpoints.resolve(name, principal);
  let asked: ReadRequest;
  try {
    const isLong = isLongEnvelope(request.headers['content-type'] ?? '', body);
    const places = isLong ? await context.longEnvelopes.placesOfMembers(body) : undefined;
    asked = readSubmission({ principal, headers: request.headers, query, body, places }, deployed);
  } catch (error) {
    if (hasZenmlFace(deployed)) return sendZenmlMistakes(reply, error);
    throw error;
  }
  const preference = readPreference(singleHeader(request, 'prefer'));
  const mode = modeOf(asked.async, preference, deployed);
  if (preference !== null) reply.header('vary', 'Prefer');
  if (preference !== null && asked.async === null) reply.header('preference-applied', preference.applied);
  const submission = await takeIn(context, asked.submission);
  const accepted = await submitTraced(context, request, (trace) => engine.submit({ ...submission, trace }));
  if (accepted.kind === 'new') {
    const { queueLimit } = deployed.spec;
    reply.headers(quotaHeaders(queueLimit, queueLimit - accepted.ahead - 1));
  }
  if (accepted.kind === 'replayed') reply.header('idempotency-replayed', 'true');
  if (mode.kind === 'async') return sendSubmitted(engine, call, accepted);
  return waitAndAnswer(context, call, {
    runId: accepted.kind === 'new' ? accepted.run.runId : accepted.runId,
    mode,
    accept: asked.submission.accept,
    isDeduplicated: accepted.kind === 'deduplicated',
    face: hasZenmlFace(deployed) ? submission.input : null,
  });
}

/**
 * Stores an input that is too long to be held, once everything else about it was found to be right.
 */
async function takeIn({ engine, limits }: RouteContext, asked: AskedSubmission): Promise<Submission> {
  const { input, ...submission } = asked;
  // An envelope was held to a limit of its own.
  const isRaw = asked.inputPointer === '';
  const format = isRaw ? batchFormat(asked) : null;
  const bytesMax = Math.min(limits.bodyBytes, format === null || isByLines(format) ? Infinity : limits.tableBytes);
  if (!('incoming' in input)) {
    if (isRaw && 'bytes' in input && input.bytes.length > bytesMax) throw tooLarge(bytesMax);
    return { ...submission, input };
  }
  const stored = await engine.storeInput(input.incoming.chunks(bytesMax), input.contentType, bytesMax);
  return { ...submission, input: stored };
}

/**
 * First match wins: what the request says, the Prefer header, the endpoint's mode. A face has no
 * mode: clients of that form wait.
 */
function modeOf(async: boolean | null, preference: Preference | null, { spec }: Deployed): Mode {
  if (async === true) return { kind: 'async' };
  const wholeWait: Mode = { kind: 'wait', atMost: spec.syncTimeout, afterwards: 'problem' };
  if (async === false) return wholeWait;
  if (preference?.kind === 'respond-async') return { kind: 'async' };
  if (preference?.kind === 'wait')
    return { kind: 'wait', atMost: Math.min(preference.atMost, spec.syncTimeout) as Duration, afterwards: 'accepted' };
  return spec.mode === 'async' && spec.face === undefined ? { kind: 'async' } : wholeWait;
}

interface Awaited {
  readonly runId: RunId;
  readonly mode: Mode & { readonly kind: 'wait' };
  readonly accept: string | null;
  readonly isDeduplicated: boolean;
  /** The input, where the answer has the form that pipeline callers know; else null. */
  readonly face: Submission['input'] | null;
}

async function waitAndAnswer(
  context: RouteContext,
  { reply, principal }: Pick<Call<unknown, unknown>, 'reply' | 'principal'>,
  { runId, mode, accept, isDeduplicated, face }: Awaited,
): Promise<FastifyReply> {
  const { engine } = context;
  const view = await engine.runs.waitForEnd(runId, principal, mode.atMost, context.waitSignal(reply));
  const { run } = view;
  reply.header('location', runPath(runId)).header('run-id', runId);
  if (face !== null && isEnded(run.status) && (accept === null || isJson(accept))) {
    const isShown = 'bytes' in face && isJson(face.contentType) && !isDeduplicated;
    const parameters = isShown ? new TextDecoder().decode(face.bytes) : null;
    const misfit = misfitOf(run);
    return misfit === null ? sendZenmlRun(engine, reply, view, parameters) : sendZenmlMistakes(reply, misfit);
  }
  if (run.status === 'succeeded') return sendOutput(context, reply, view, accept, isDeduplicated);
  if (isEnded(run.status)) throw problemOfRun(run);
  if (mode.afterwards === 'accepted') return sendAccepted(reply, view, isDeduplicated);
  throw stillRunning(context, view, mode.atMost, reply.request.base);
}

function stillRunning({ engine }: RouteContext, { run }: RunView, waited: Duration, base: string): ServiceError {
  const where = { runId: run.runId, headers: { location: runPath(run.runId), 'retry-after': '1' } };
  if (engine.draining)
    return new ServiceError(
      'draining',
      `The server is stopping; run ${run.runId} is kept and goes on when it is back.`,
      where,
    );
  const trouble = engine.endpoints.trouble(run.endpoint);
  if (trouble !== null)
    return new ServiceError('replica-unavailable', `The model of ${run.endpoint} does not start: ${trouble}`, where);
  return new ServiceError(
    'wait-exceeded',
    `Run ${run.runId} did not end within ${inSeconds(waited)} s; it goes on, and GET ${base}${runPath(run.runId)} says how it stands.`,
    where,
  );
}

function singleHeader({ headers }: FastifyRequest, name: string): string | undefined {
  const value = headers[name];
  return Array.isArray(value) ? value.join(', ') : value;
}
