// PUT /endpoints/{endpoint}, GET /endpoints/{endpoint}/versions and POST /endpoints/{endpoint}/rollback.

import type { FastifyInstance, FastifyReply } from 'fastify';
import { ServiceError } from '../../domain/errors.ts';
import { toRfc3339 } from '../../domain/time.ts';
import type { Deploying } from '../../engine/deployment.ts';
import type { EndpointBody } from '../../wire/endpoints.ts';
import { RollbackRequest, type VersionList } from '../../wire/versions.ts';
import type { HttpParts } from '../parts.ts';
import { readNoQuery } from '../query.ts';
import { readOptions } from '../options.ts';
import { showEndpoint } from './endpoints.ts';

type ByName = { Params: { endpoint: string } };

/** What each outcome is answered with: a version that is tried is not there yet. */
const STATUS: Readonly<Record<Deploying['outcome'], number>> = { created: 201, starting: 202, unchanged: 200 };

const readRollback = readOptions(RollbackRequest);

/** Registers the routes. */
export function versionRoutes(app: FastifyInstance, parts: HttpParts): void {
  const { engine, deployments } = parts;
  const answer = async (reply: FastifyReply, name: string, deploying: Deploying): Promise<EndpointBody> => {
    reply.code(STATUS[deploying.outcome]).header('location', `/endpoints/${name}`);
    return showEndpoint(engine, name);
  };
  app.put<ByName>('/endpoints/:endpoint', async (request, reply) => {
    readNoQuery(request.query);
    const { endpoint: name } = request.params;
    return answer(reply, name, await deployments.deploy(name, jsonOf(request.body)));
  });
  app.get<ByName>('/endpoints/:endpoint/versions', async (request): Promise<VersionList> => {
    readNoQuery(request.query);
    const versions = await deployments.versions(request.params.endpoint);
    return {
      versions: versions.map(({ version, state, reason, source, deployedAt }) => ({
        version,
        state,
        reason,
        source,
        deployed_at: toRfc3339(deployedAt),
      })),
    };
  });
  app.post<ByName>('/endpoints/:endpoint/rollback', async (request, reply) => {
    readNoQuery(request.query);
    const { spec } = engine.endpoint(request.params.endpoint);
    const { version = null } = readRollback(request.body);
    return answer(reply, spec.name, await deployments.rollBack(spec.name, version));
  });
}

function jsonOf(body: unknown): unknown {
  const text = new TextDecoder().decode(body instanceof Uint8Array ? body : new Uint8Array());
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new ServiceError('malformed-body', `The body is not JSON: ${(cause as SyntaxError).message}.`, { cause });
  }
}
