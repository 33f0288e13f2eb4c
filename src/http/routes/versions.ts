// PUT and DELETE /endpoints/{endpoint}, GET /endpoints/{endpoint}/versions and POST
// /endpoints/{endpoint}/rollback.

import { toRfc3339 } from '../../domain/time.ts';
import type { Deploying } from '../../engine/deployment.ts';
import type { Engine } from '../../engine/engine.ts';
import { EndpointBody } from '../../wire/endpoints.ts';
import { DeployRequest, RemoveQuery, RollbackRequest, VersionList } from '../../wire/versions.ts';
import { jsonBody, optionsBody } from '../request/body-rules.ts';
import { type Answer, type Call, type Route, route } from '../route.ts';
import { showEndpoint } from './endpoints.ts';

/** What each outcome is answered with: a version that is tried is not there yet. */
const STATUS: Readonly<Record<Deploying['outcome'], number>> = { created: 201, starting: 202, unchanged: 200 };

const answer = (description: string): Answer => ({
  description,
  content: { 'application/json': EndpointBody },
  headers: ['Location'],
});

/** See the head of this file. */
export const VERSION_ROUTES: readonly Route[] = [
  route({
    method: 'PUT',
    path: '/endpoints/:endpoint',
    operationId: 'deployEndpoint',
    tag: 'endpoints',
    summary: 'Deploy an endpoint, or a new version of it',
    description:
      'The body is the endpoint as a configuration file has it, with absolute paths. New runs go to the new version once a replica of it is ready; old ones finish on theirs.',
    scope: 'manage',
    body: jsonBody(DeployRequest),
    answers: {
      200: answer('Nothing has changed: this is what is deployed.'),
      201: answer('The endpoint is new.'),
      202: answer('The new version is being tried.'),
    },
    problems: ['malformed-body', 'draining'],
    async handle({ engine, deployments }, call) {
      const name = call.params['endpoint']!;
      return answerDeploying(engine, call, name, await deployments.deploy(name, call.body, call.principal));
    },
  }),
  route({
    method: 'DELETE',
    path: '/endpoints/:endpoint',
    operationId: 'removeEndpoint',
    tag: 'endpoints',
    summary: 'Take an endpoint away',
    description:
      'It takes no more runs, and its replicas end. Its runs and their outputs stay as long as they would have.',
    scope: 'manage',
    query: RemoveQuery,
    answers: { 204: { description: 'It is gone.' } },
    problems: ['endpoint-not-found', 'endpoint-in-use', 'draining'],
    async handle({ deployments }, { params, principal, query, reply }) {
      await deployments.remove(params['endpoint']!, query.force ?? false, principal);
      return reply.code(204).send();
    },
  }),
  route({
    method: 'GET',
    path: '/endpoints/:endpoint/versions',
    operationId: 'listVersions',
    tag: 'endpoints',
    summary: 'List the versions of an endpoint',
    scope: 'read',
    answers: { 200: { description: 'Oldest first.', content: { 'application/json': VersionList } } },
    problems: ['endpoint-not-found'],
    async handle({ deployments }, { params, principal }): Promise<VersionList> {
      const versions = await deployments.versions(params['endpoint']!, principal);
      return {
        versions: versions.map(({ version, state, reason, source, deployedAt }) => ({
          version,
          state,
          reason,
          source,
          deployed_at: toRfc3339(deployedAt),
        })),
      };
    },
  }),
  route({
    method: 'POST',
    path: '/endpoints/:endpoint/rollback',
    operationId: 'rollBackEndpoint',
    tag: 'endpoints',
    summary: 'Go back to an earlier version',
    scope: 'manage',
    body: optionsBody(RollbackRequest),
    answers: {
      200: answer('That version is the active one already.'),
      202: answer('That version is being tried.'),
    },
    problems: ['endpoint-not-found', 'malformed-body', 'draining'],
    async handle({ engine, deployments }, call) {
      const { params, principal, body } = call;
      const { name } = engine.endpoints.resolve(params['endpoint']!, principal).spec;
      return answerDeploying(engine, call, name, await deployments.rollBack(name, body.version ?? null, principal));
    },
  }),
];

async function answerDeploying(
  engine: Engine,
  { reply, principal }: Pick<Call<unknown, unknown>, 'reply' | 'principal'>,
  name: string,
  deploying: Deploying,
): Promise<EndpointBody> {
  reply.code(STATUS[deploying.outcome]).header('location', `/endpoints/${name}`);
  return showEndpoint(engine, principal, name);
}
