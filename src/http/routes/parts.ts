// GET /runs/{id}/parts.

import { Readable } from 'node:stream';
import type { FastifyReply } from 'fastify';
import { Type } from 'typebox';
import { ServiceError } from '../../domain/errors.ts';
import { PartBody } from '../../wire/parts.ts';
import { inUtf8 } from '../request/charset.ts';
import { EVENT_STREAM, partTexts, SAW_END } from '../answer/event-stream.ts';
import type { RouteContext } from '../context.ts';
import { outputExpired } from '../answer/problem.ts';
import { sendStream } from '../answer/reader.ts';
import { type Call, type Route, route } from '../route.ts';
import { idOf } from './run-id.ts';

/** See the head of this file. */
export const PART_ROUTES: readonly Route[] = [
  route({
    method: 'GET',
    path: '/runs/:id/parts',
    operationId: 'followParts',
    tag: 'runs',
    summary: 'Follow a batch part by part',
    description:
      'Server-sent events: `part` for every range of rows that has its output or never will, those of before first and then as they come, and `end` last of all. The data of a `part` are like the schema of this answer, those of `end` the run without its output. A stream that ends without `end` was cut off: connect again, and every part is told anew.',
    scope: 'read',
    headers: ['Last-Event-ID'],
    answers: {
      200: {
        description: 'The parts up to now, and then as they end, until the batch has ended.',
        content: { [EVENT_STREAM]: Type.String({ description: 'Events, `part` like this.', contentSchema: PartBody }) },
      },
      204: { description: 'The client has seen the `end`: nothing will ever follow.' },
    },
    problems: ['run-not-found', 'output-expired', 'too-many-streams', 'draining'],
    handle: parts,
  }),
];

async function parts(
  { engine, limits, streams, followSignal }: RouteContext,
  { request, reply, params, principal }: Call<object, null>,
): Promise<FastifyReply> {
  const { run } = await engine.runs.view(idOf(params['id']!), principal);
  if (run.kind !== 'batch')
    throw new ServiceError(
      'invalid-request',
      `Run ${run.runId} is no batch and has no parts. Its output comes whole: GET /runs/${run.runId}/output.`,
      { runId: run.runId },
    );
  if (request.headers['last-event-id'] === SAW_END) return reply.code(204).send();
  engine.assertNotDraining('follows no runs');
  if (!(await engine.runs.hasAllParts(run))) throw outputExpired(run, 'parts were');
  reply.type(inUtf8(EVENT_STREAM)).header('x-accel-buffering', 'no');
  if (request.method === 'HEAD') return reply.send(Readable.from([]));
  streams.enter(reply);
  const told = engine.runs.followParts(run, { silence: limits.keepAlive, signal: followSignal(reply) });
  return sendStream(reply, Readable.from(partTexts(reply.request.base, told)), limits.readerIdle);
}
