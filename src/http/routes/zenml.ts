// GET /endpoints/{endpoint}/health and GET /endpoints/{endpoint}/info, of endpoints with `face:
// 'zenml'`. Their clients append these to the address of a deployment, which is
// /endpoints/{endpoint}. The server's own /health and /info stay what they are.

import { Type } from 'typebox';
import type { Viewer } from '../../domain/access.ts';
import { ServiceError } from '../../domain/errors.ts';
import { between, inSeconds } from '../../domain/time.ts';
import type { Deployed } from '../../engine/deployment.ts';
import type { Engine } from '../../engine/engine.ts';
import { ZenmlInfoBody } from '../../wire/zenml.ts';
import { hasZenmlFace, ZENML_REFUSAL, zenmlInfo } from '../faces/zenml.ts';
import { type Route, route } from '../route.ts';

/** See the head of this file. */
export const ZENML_ROUTES: readonly Route[] = [
  route({
    method: 'GET',
    path: '/endpoints/:endpoint/health',
    operationId: 'getZenmlHealth',
    tag: 'endpoints',
    summary: 'Ask, as a client of ZenML, whether a pipeline is served',
    scope: 'read',
    answers: { 200: { description: 'It is.', content: { 'application/json': Type.Null() } }, 401: ZENML_REFUSAL },
    problems: ['endpoint-not-found', 'not-found'],
    handle({ engine }, { params, principal, reply }) {
      withFace(engine, params['endpoint']!, principal);
      return reply.type('application/json').send('null');
    },
  }),
  route({
    method: 'GET',
    path: '/endpoints/:endpoint/info',
    operationId: 'getZenmlInfo',
    tag: 'endpoints',
    summary: 'See an endpoint as a client of ZenML knows it',
    scope: 'read',
    answers: {
      200: { description: 'The endpoint.', content: { 'application/json': ZenmlInfoBody } },
      401: ZENML_REFUSAL,
    },
    problems: ['endpoint-not-found', 'not-found'],
    handle({ engine, metrics, about, now }, { params, principal, request }) {
      const deployed = withFace(engine, params['endpoint']!, principal);
      return zenmlInfo(engine, principal, deployed, {
        executions: metrics.executions(deployed.spec.name),
        uptimeSeconds: inSeconds(between(about.startedAt, now())),
        asksForKeys: principal.keyId !== null,
        base: request.base,
      });
    },
  }),
];

function withFace(engine: Engine, name: string, viewer: Viewer): Deployed {
  const deployed = engine.endpoints.resolve(name, viewer);
  if (hasZenmlFace(deployed)) return deployed;
  throw new ServiceError('not-found', `Endpoint ${name} has no such path: only one with face: 'zenml' has.`);
}
