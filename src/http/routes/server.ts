// GET /info and GET /metrics.

import { Type } from 'typebox';
import { ANYBODY } from '../../domain/access.ts';
import { ServiceError } from '../../domain/errors.ts';
import { toRfc3339 } from '../../domain/time.ts';
import { InfoBody } from '../../wire/server.ts';
import { type Route, route } from '../route.ts';

/** See the head of this file. */
export const SERVER_ROUTES: readonly Route[] = [
  route({
    method: 'GET',
    path: '/info',
    operationId: 'getInfo',
    tag: 'server',
    summary: 'See what server this is',
    description: 'Nothing that a stranger may not know: no paths, no names of endpoints, nothing of its configuration.',
    scope: null,
    answers: { 200: { description: 'It is this one.', content: { 'application/json': InfoBody } } },
    problems: [],
    handle({ engine, about, limits }) {
      return {
        name: 'claimcheck',
        version: about.version,
        ledger: about.ledger,
        started_at: toRfc3339(about.startedAt),
        draining: engine.draining,
        endpoints: engine.endpoints.visibleTo(ANYBODY).length,
        limits: { body_bytes: limits.bodyBytes },
      } satisfies InfoBody;
    },
  }),
  route({
    method: 'GET',
    path: '/metrics',
    operationId: 'getMetrics',
    tag: 'server',
    summary: 'Scrape the metrics',
    description: 'In the text format of Prometheus. What there is, the page docs/metrics.md lists.',
    scope: 'read',
    answers: { 200: { description: 'All metrics.', content: { 'text/plain': Type.String() } } },
    problems: [],
    async handle({ metrics }, { principal, reply }) {
      if (principal.endpoints !== null)
        throw new ServiceError('forbidden', 'The metrics are of every endpoint, and this key is bound to some.');
      const { contentType, text } = await metrics.scrape();
      return reply.type(contentType).send(text);
    },
  }),
];
