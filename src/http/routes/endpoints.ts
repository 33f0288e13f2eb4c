// GET /endpoints, GET /endpoints/{endpoint}, POST /endpoints/{endpoint}/warm and DELETE
// /endpoints/{endpoint}/queue.

import type { Viewer } from '../../domain/access.ts';
import { seconds } from '../../domain/time.ts';
import type { Engine } from '../../engine/engine.ts';
import { EndpointBody, EndpointList, PurgeBody, PurgeQuery, WarmRequest } from '../../wire/endpoints.ts';
import { optionsBody } from '../request/body-rules.ts';
import { type Route, route } from '../route.ts';
import { endpointBody } from '../answer/run-view.ts';

/** See the head of this file. */
export const ENDPOINT_ROUTES: readonly Route[] = [
  route({
    method: 'GET',
    path: '/endpoints',
    operationId: 'listEndpoints',
    tag: 'endpoints',
    summary: 'List what is deployed',
    scope: 'read',
    answers: {
      200: { description: 'Every endpoint as it stands.', content: { 'application/json': EndpointList } },
    },
    problems: [],
    handle: async ({ engine }, { principal }): Promise<EndpointList> => ({
      endpoints: (await engine.endpoints.views(principal)).map(endpointBody),
    }),
  }),
  route({
    method: 'GET',
    path: '/endpoints/:endpoint',
    operationId: 'getEndpoint',
    tag: 'endpoints',
    summary: 'See an endpoint, its replicas and its queue',
    scope: 'read',
    answers: { 200: { description: 'The endpoint as it stands.', content: { 'application/json': EndpointBody } } },
    problems: ['endpoint-not-found'],
    handle: ({ engine }, { params, principal }) => showEndpoint(engine, principal, params['endpoint']!),
  }),
  route({
    method: 'POST',
    path: '/endpoints/:endpoint/warm',
    operationId: 'warmEndpoint',
    tag: 'endpoints',
    summary: 'Have replicas ready before there is work',
    scope: 'manage',
    body: optionsBody(WarmRequest),
    answers: { 202: { description: 'They are being started.', content: { 'application/json': EndpointBody } } },
    problems: ['endpoint-not-found', 'malformed-body', 'draining'],
    handle({ engine }, { params, principal, body, reply }) {
      const deployed = engine.endpoints.resolve(params['endpoint']!, principal);
      engine.warm(deployed, body.replicas ?? null);
      reply.code(202);
      return showEndpoint(engine, principal, deployed.spec.name);
    },
  }),
  route({
    method: 'DELETE',
    path: '/endpoints/:endpoint/queue',
    operationId: 'purgeQueue',
    tag: 'endpoints',
    summary: 'Cancel what is queued',
    description: 'Cancels every queued run of the endpoint that the query describes. Running ones are not touched.',
    scope: 'manage',
    query: PurgeQuery,
    answers: {
      200: { description: 'How many were cancelled, or would be.', content: { 'application/json': PurgeBody } },
    },
    problems: ['endpoint-not-found'],
    async handle({ engine }, { params, principal: viewer, query }): Promise<PurgeBody> {
      const { spec } = engine.endpoints.resolve(params['endpoint']!, viewer);
      const { older_than: olderThan, run_name: runName = null, dry_run: isDryRun } = query;
      const age = olderThan === undefined ? null : seconds(olderThan);
      const purge = { viewer, endpoint: spec.name, olderThan: age, runName };
      return isDryRun === true
        ? { cancelled: await engine.countPurgeable(purge), dry_run: true }
        : { cancelled: await engine.purge(purge) };
    },
  }),
];

/** An endpoint as it stands. */
export async function showEndpoint(engine: Engine, viewer: Viewer, name: string): Promise<EndpointBody> {
  const { spec } = engine.endpoints.resolve(name, viewer);
  return endpointBody((await engine.endpoints.views(viewer)).find(({ deployed }) => deployed.spec.name === spec.name)!);
}
