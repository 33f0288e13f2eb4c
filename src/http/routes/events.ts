// GET /runs/{id}/events.

import { Readable } from 'node:stream';
import type { FastifyReply } from 'fastify';
import { type Static, Type } from 'typebox';
import { placeOfEnd } from '../../engine/following.ts';
import { EventsQuery } from '../../wire/events.ts';
import { inUtf8 } from '../request/charset.ts';
import { EVENT_STREAM, eventTexts, placeOf } from '../answer/event-stream.ts';
import type { RouteContext } from '../context.ts';
import { sendStream } from '../answer/reader.ts';
import { type Call, type Route, route } from '../route.ts';
import { idOf } from './run-id.ts';

/** See the head of this file. */
export const EVENT_ROUTES: readonly Route[] = [
  route({
    method: 'GET',
    path: '/runs/:id/events',
    operationId: 'followRun',
    tag: 'runs',
    summary: 'Follow a run',
    description:
      'Server-sent events: `status`, `attempt`, `progress` (the newest alone), `log`, and `end` last of all, each with JSON for data. What has happened before comes first, also after the end. A stream that ends without `end` was cut off: connect again with the last id, and what came after it follows.',
    scope: 'read',
    headers: ['Last-Event-ID'],
    query: EventsQuery,
    answers: {
      200: {
        description: 'The events up to now, and then as they come, until the run has ended.',
        content: { [EVENT_STREAM]: Type.String() },
      },
      204: { description: 'The client has seen the `end` of the run: nothing will ever follow.' },
    },
    problems: ['run-not-found', 'too-many-streams', 'draining'],
    handle: events,
  }),
];

async function events(
  { engine, limits, streams, followSignal }: RouteContext,
  { request, reply, params, principal, query }: Call<Static<typeof EventsQuery>, null>,
): Promise<FastifyReply> {
  const view = await engine.runs.view(idOf(params['id']!), principal);
  const { runId } = view.run;
  const header = request.headers['last-event-id'];
  const from = placeOf(typeof header === 'string' ? header : query.last_event_id);
  const end = placeOfEnd(view);
  if (end !== null && from.moment >= end) return reply.code(204).send();
  // A stream that said nothing would be opened again at once, and again, for as long as the server
  // takes to stop.
  engine.assertNotDraining('follows no runs');
  reply.type(inUtf8(EVENT_STREAM)).header('x-accel-buffering', 'no');
  if (request.method === 'HEAD') return reply.send(Readable.from([]));
  streams.enter(reply);
  const told = engine.runs.follow(runId, { from, silence: limits.keepAlive, signal: followSignal(reply) });
  return sendStream(reply, Readable.from(eventTexts(runId, request.base, told)), limits.readerIdle);
}
