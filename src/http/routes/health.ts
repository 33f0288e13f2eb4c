// GET /health and GET /ready.

import { ServiceError } from '../../domain/errors.ts';
import { StoreAway } from '../../engine/heartbeat.ts';
import { HealthBody, ReadyBody } from '../../wire/server.ts';
import { type Route, route } from '../route.ts';

/** See the head of this file. */
export const HEALTH_ROUTES: readonly Route[] = [
  route({
    method: 'GET',
    path: '/health',
    operationId: 'getHealth',
    tag: 'server',
    summary: 'Ask whether the server is alive',
    description: 'Answered off the path of work: a server that is busy, or stops, is alive.',
    scope: null,
    answers: { 200: { description: 'It is.', content: { 'application/json': HealthBody } } },
    problems: [],
    handle: () => ({ status: 'alive' }) satisfies HealthBody,
  }),
  route({
    method: 'GET',
    path: '/ready',
    operationId: 'getReadiness',
    tag: 'server',
    summary: 'Ask whether the server takes work',
    description: 'Answered at once, from what the server knows: it asks its store every second whether it is there.',
    scope: null,
    answers: { 200: { description: 'It does.', content: { 'application/json': ReadyBody } } },
    problems: ['draining', 'storage-unavailable'],
    handle({ engine }) {
      if (engine.draining)
        throw new ServiceError('draining', 'The server is stopping.', { headers: { 'retry-after': '5' } });
      const away = engine.store.away;
      if (away !== null) throw new StoreAway(away);
      return { status: 'ready' } satisfies ReadyBody;
    },
  }),
];
