// The output of a run as an answer: all of it or a range, flowing from the store where it is large.

import { Readable } from 'node:stream';
import type { FastifyReply } from 'fastify';
import { Type } from 'typebox';
import { ServiceError } from '../../domain/errors.ts';
import type { RunId } from '../../domain/ids.ts';
import type { ByteRange, PayloadFacts } from '../../domain/payload.ts';
import type { RunRecord } from '../../stores/ledger/ledger.ts';
import { inUtf8, outputTypeOf } from '../request/charset.ts';
import { isKnown, mayAnswerRange, strongTag } from '../request/conditions.ts';
import type { RouteContext } from '../context.ts';
import { outputExpired } from './problem.ts';
import { readRange } from '../request/range.ts';
import { sendStream } from './reader.ts';

const EXTENSIONS: Readonly<Record<string, string>> = {
  'application/json': 'json',
  'application/jsonlines': 'jsonl',
  'application/vnd.apache.arrow.file': 'arrow',
  'application/vnd.apache.arrow.stream': 'arrows',
  'text/csv': 'csv',
  'text/plain': 'txt',
};

/** What the name of a file of some content type ends with. */
export const extensionOf = (contentType: string): string =>
  EXTENSIONS[contentType.split(';')[0]!.trim().toLowerCase()] ?? 'bin';

/** An output as the document describes it. */
export const RAW_OUTPUT = Type.Unsafe<Uint8Array>({
  type: 'string',
  contentEncoding: 'binary',
  description: 'The bytes that the model returned, with their content type.',
});

/**
 * Answers with what a GET or HEAD asks for of a succeeded run's output: the bytes, a range of them,
 * or that the client has them already.
 *
 * @throws ServiceError `output-expired`, `range-not-satisfiable`
 */
export async function sendSelectedOutput(
  context: RouteContext,
  reply: FastifyReply,
  run: RunRecord,
): Promise<FastifyReply> {
  const { request } = reply;
  const { bytes, sha256 } = keptOutput(run);
  const tag = strongTag(sha256);
  if (isKnown(request, tag)) return reply.code(304).header('etag', tag).send();
  // RFC 9110, section 14.2: a range is of a GET alone.
  const selected =
    request.method === 'GET' && mayAnswerRange(request, tag) ? readRange(request.headers.range, bytes) : 'whole';
  if (selected === 'unsatisfiable') throw notSatisfiable(run.runId, bytes);
  if (selected === 'whole') return sendRawOutput(context, reply, run);
  const { from, to } = selected;
  const content = await open(context, reply, run, selected);
  reply.code(206).header('content-range', `bytes ${from}-${to - 1}/${bytes}`);
  return send(context, reply, run, content, to - from);
}

/**
 * Answers with all of a succeeded run's output.
 *
 * @throws ServiceError `output-expired`
 */
export async function sendRawOutput(context: RouteContext, reply: FastifyReply, run: RunRecord): Promise<FastifyReply> {
  const { bytes } = keptOutput(run);
  return send(context, reply, run, await open(context, reply, run), bytes);
}

/** The bytes, not opened where nobody will see them. */
async function open(
  { engine }: RouteContext,
  { request }: FastifyReply,
  run: RunRecord,
  range?: ByteRange,
): Promise<Content> {
  if (request.method === 'HEAD') return Readable.from([]);
  const output = await engine.runs.openOutput(run.runId, range);
  if (output === null) throw outputExpired(run);
  return output.content;
}

/** They are the model's, so a browser is told to save and not to show them. */
async function send(
  context: RouteContext,
  reply: FastifyReply,
  run: RunRecord,
  content: Content,
  length: number,
): Promise<FastifyReply> {
  const { runId, output } = run;
  const { contentType, sha256 } = output!;
  reply
    .type(await outputTypeOf(context.engine, run))
    .header('content-length', length)
    .header('etag', strongTag(sha256))
    .header('accept-ranges', 'bytes')
    .header('content-disposition', `attachment; filename="${runId}.${extensionOf(contentType)}"`)
    .header('content-security-policy', "default-src 'none'; sandbox");
  return content instanceof Readable
    ? sendStream(reply, context.turns.of(content), context.limits.readerIdle)
    : reply.send(Buffer.from(content.buffer, content.byteOffset, content.byteLength));
}

/**
 * Answers with what a batch without an output has done by now. It is put together while it is sent,
 * so nobody knows its length before.
 *
 * @throws ServiceError `output-expired`, `invalid-output`
 */
export async function sendPartialOutput(
  { engine, limits, turns, followSignal }: RouteContext,
  reply: FastifyReply,
  run: RunRecord,
): Promise<FastifyReply> {
  const partial = await engine.runs.partialOutput(run, followSignal(reply));
  if (partial === null) throw outputExpired(run, 'parts were');
  const { contentType, content } = partial;
  reply
    .type(inUtf8(contentType))
    .header('content-disposition', `attachment; filename="${run.runId}.partial.${extensionOf(contentType)}"`)
    .header('content-security-policy', "default-src 'none'; sandbox");
  if (reply.request.method === 'HEAD') return reply.send(Readable.from([]));
  return sendStream(reply, turns.of(Readable.from(content, { objectMode: false })), limits.readerIdle);
}

type Content = Uint8Array | Readable;

function keptOutput(run: RunRecord): PayloadFacts {
  if (run.output === null || !run.payloadsKept) throw outputExpired(run);
  return run.output;
}

function notSatisfiable(runId: RunId, bytes: number): ServiceError {
  return new ServiceError(
    'range-not-satisfiable',
    `The output has ${bytes} bytes; the range begins after the last of them.`,
    {
      runId,
      headers: { 'content-range': `bytes */${bytes}` },
    },
  );
}
