// A run, or its output, as an answer.

import type { FastifyReply } from 'fastify';
import { sha256 } from '../../domain/digest.ts';
import { ServiceError } from '../../domain/errors.ts';
import { isJson } from '../../domain/payload.ts';
import { isEnded } from '../../domain/run.ts';
import type { Engine } from '../../engine/engine.ts';
import type { RunView } from '../../engine/views.ts';
import type { Accepted } from '../../engine/intake.ts';
import { isKnown, strongTag } from '../request/conditions.ts';
import { sendRawOutput } from './output.ts';
import type { RouteContext } from '../context.ts';
import { runPath } from '../paths.ts';
import type { Call } from '../route.ts';
import { isEmbedded, runText, withOutputs } from './run-view.ts';

/** Hexadecimal digits of a hash in a tag: a hundred bits. */
const TAG_LENGTH = 25;
/** Hint for clients that poll, in seconds. */
const POLL_SECONDS = '1';
/**
 * Answers with a run; `outputs` is the text of its output where it is shown inside,
 * `isDeduplicated` as `runText` has it.
 */
export function sendRun(
  reply: FastifyReply,
  view: RunView,
  outputs: string | null,
  isDeduplicated = false,
): FastifyReply {
  if (!isEnded(view.run.status)) reply.header('retry-after', POLL_SECONDS);
  return reply.type('application/json').send(runText(view, reply.request.base, outputs, isDeduplicated));
}

/** Answers that a run is written down, and where it is. */
export function sendAccepted(reply: FastifyReply, view: RunView, isDeduplicated = false): FastifyReply {
  return sendRun(reply.code(202).header('location', runPath(view.run.runId)), view, null, isDeduplicated);
}

/** Answers to a submission that is not waited for, with its run. */
export async function sendSubmitted(
  engine: Engine,
  { reply, principal }: Pick<Call<unknown, unknown>, 'reply' | 'principal'>,
  accepted: Accepted,
): Promise<FastifyReply> {
  const view =
    accepted.kind === 'new'
      ? engine.runs.newView(accepted.run, accepted.ahead)
      : await engine.runs.view(accepted.runId, principal);
  return sendAccepted(reply, view, accepted.kind === 'deduplicated');
}

/** Answers with a run, its output inside it where it is JSON and small. */
async function sendRunWithOutput(
  engine: Engine,
  reply: FastifyReply,
  view: RunView,
  isDeduplicated = false,
): Promise<FastifyReply> {
  return sendRun(reply, view, await embeddedOutput(engine, view), isDeduplicated);
}

/** Answers a GET with a run, or that nothing about it has changed since the client saw it. */
export async function sendSelectedRun(engine: Engine, reply: FastifyReply, view: RunView): Promise<FastifyReply> {
  const outputs = await embeddedOutput(engine, view);
  const text = runText(view, reply.request.base, null);
  // The text has the output's own hash: its bytes, which may be many, need not be hashed again.
  const tag = strongTag(sha256(`${outputs === null ? 'without' : 'with'} output ${text}`).slice(0, TAG_LENGTH));
  reply.header('etag', tag);
  if (isKnown(reply.request, tag)) return reply.code(304).send();
  if (!isEnded(view.run.status)) reply.header('retry-after', POLL_SECONDS);
  return reply.type('application/json').send(withOutputs(text, outputs));
}

async function embeddedOutput(engine: Engine, { run, output }: RunView): Promise<string | null> {
  if (!isEmbedded(run.output)) return null;
  const content = output ?? (await engine.runs.output(run).catch(unlessDamaged))?.content ?? null;
  return content === null ? null : new TextDecoder().decode(content);
}

/**
 * A run can be looked at though its output is damaged in the store; a request for the output is
 * told of it.
 */
function unlessDamaged(error: unknown): null {
  if (error instanceof ServiceError) return null;
  throw error;
}

/**
 * Answers a wait that has ended well: with the run, or (where another type than JSON is asked for)
 * with the output alone.
 */
export async function sendOutput(
  context: RouteContext,
  reply: FastifyReply,
  view: RunView,
  accept: string | null,
  isDeduplicated: boolean,
): Promise<FastifyReply> {
  return accept === null || isJson(accept)
    ? sendRunWithOutput(context.engine, reply, view, isDeduplicated)
    : sendRawOutput(context, reply, view.run);
}
