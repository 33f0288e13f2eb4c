// A run, or its output, as an answer.

import type { FastifyReply } from 'fastify';
import { Type } from 'typebox';
import { ServiceError } from '../domain/errors.ts';
import { isJson } from '../domain/payload.ts';
import { isEnded } from '../domain/run.ts';
import type { Engine, RunSight } from '../engine/engine.ts';
import type { Accepted } from '../engine/intake.ts';
import { runPath } from './paths.ts';
import { outputExpired } from './problem.ts';
import type { Call } from './route.ts';
import { isEmbedded, runText } from './run-view.ts';

/** Hint for clients that poll, in seconds. */
const POLL_SECONDS = '1';
const EXTENSIONS: Readonly<Record<string, string>> = {
  'application/json': 'json',
  'application/jsonlines': 'jsonl',
  'text/csv': 'csv',
  'text/plain': 'txt',
};

/** An output as the document describes it. */
export const RAW_OUTPUT = Type.Unsafe<Uint8Array>({
  type: 'string',
  contentEncoding: 'binary',
  description: 'The bytes that the model returned, with their content type.',
});

/** Answers with a run; `outputs` is the text of its output where it is shown inside, `isDeduplicated` as `runText` has it. */
export function sendRun(
  reply: FastifyReply,
  sight: RunSight,
  outputs: string | null,
  isDeduplicated = false,
): FastifyReply {
  if (!isEnded(sight.run.status)) reply.header('retry-after', POLL_SECONDS);
  return reply.type('application/json').send(runText(sight, outputs, isDeduplicated));
}

/** Answers that a run is written down, and where it is. */
export function sendAccepted(reply: FastifyReply, sight: RunSight, isDeduplicated = false): FastifyReply {
  return sendRun(reply.code(202).header('location', runPath(sight.run.runId)), sight, null, isDeduplicated);
}

/** Answers to a submission that is not waited for, with its run. */
export async function sendSubmitted(
  engine: Engine,
  { reply, principal }: Pick<Call<unknown, unknown>, 'reply' | 'principal'>,
  accepted: Accepted,
): Promise<FastifyReply> {
  const sight =
    accepted.kind === 'new' ? engine.newRun(accepted.run, accepted.ahead) : await engine.run(accepted.runId, principal);
  return sendAccepted(reply, sight, accepted.kind === 'deduplicated');
}

/** Answers with a run, its output inside it where it is JSON and small. */
export async function sendRunWithOutput(
  engine: Engine,
  reply: FastifyReply,
  sight: RunSight,
  isDeduplicated = false,
): Promise<FastifyReply> {
  return sendRun(reply, sight, await embeddedOutput(engine, sight), isDeduplicated);
}

async function embeddedOutput(engine: Engine, { run, output }: RunSight): Promise<string | null> {
  if (!isEmbedded(run.output)) return null;
  const content = output ?? (await engine.output(run).catch(unlessDamaged))?.content ?? null;
  return content === null ? null : new TextDecoder().decode(content);
}

/** A run can be looked at though its output is damaged in the store; whoever asks for the output is told. */
function unlessDamaged(error: unknown): null {
  if (error instanceof ServiceError) return null;
  throw error;
}

/** Answers a wait that has ended well: with the run, or (where another type than JSON is asked for) with the output alone. */
export async function sendOutput(
  engine: Engine,
  reply: FastifyReply,
  sight: RunSight,
  accept: string | null,
  isDeduplicated: boolean,
): Promise<FastifyReply> {
  return accept === null || isJson(accept)
    ? sendRunWithOutput(engine, reply, sight, isDeduplicated)
    : sendRawOutput(engine, reply, sight);
}

/**
 * Answers with the bytes of a succeeded run's output. They are the model's, so a browser is told to save and not to show them.
 *
 * @throws ServiceError `output-expired`
 */
export async function sendRawOutput(engine: Engine, reply: FastifyReply, { run }: RunSight): Promise<FastifyReply> {
  const output = await engine.output(run);
  if (output === null) throw outputExpired(run);
  const extension = EXTENSIONS[output.contentType.split(';')[0]!.trim().toLowerCase()] ?? 'bin';
  return reply
    .type(output.contentType)
    .header('content-disposition', `attachment; filename="${run.runId}.${extension}"`)
    .header('content-security-policy', "default-src 'none'; sandbox")
    .send(Buffer.from(output.content.buffer, output.content.byteOffset, output.content.byteLength));
}
