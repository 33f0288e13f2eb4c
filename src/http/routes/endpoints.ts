// GET /endpoints, GET /endpoints/{endpoint}, POST /endpoints/{endpoint}/warm and DELETE /endpoints/{endpoint}/queue.

import type { FastifyInstance } from 'fastify';
import { seconds } from '../../domain/time.ts';
import type { Engine } from '../../engine/engine.ts';
import { type EndpointBody, type EndpointList, type PurgeBody, PurgeQuery, WarmRequest } from '../../wire/endpoints.ts';
import { readOptions } from '../options.ts';
import type { HttpParts } from '../parts.ts';
import { queryReader, readNoQuery } from '../query.ts';
import { endpointBody } from '../run-view.ts';

const readPurgeQuery = queryReader(PurgeQuery);
const readWarmRequest = readOptions(WarmRequest);

type ByName = { Params: { endpoint: string } };

/** Registers the routes. */
export function endpointRoutes(app: FastifyInstance, { engine }: HttpParts): void {
  app.get('/endpoints', async (): Promise<EndpointList> => ({
    endpoints: (await engine.endpoints()).map(endpointBody),
  }));
  app.get<ByName>('/endpoints/:endpoint', (request) => showEndpoint(engine, request.params.endpoint));
  app.post<ByName>('/endpoints/:endpoint/warm', async (request, reply): Promise<EndpointBody> => {
    const { spec } = engine.endpoint(request.params.endpoint);
    readNoQuery(request.query);
    engine.warm(spec.name, readWarmRequest(request.body).replicas ?? null);
    reply.code(202);
    return showEndpoint(engine, spec.name);
  });
  app.delete<ByName>('/endpoints/:endpoint/queue', async (request): Promise<PurgeBody> => {
    const { spec } = engine.endpoint(request.params.endpoint);
    const { older_than: olderThan, run_name: runName, dry_run: isDryRun } = readPurgeQuery(request.query);
    const purge = {
      endpoint: spec.name,
      olderThan: olderThan === undefined ? null : seconds(olderThan),
      runName: runName ?? null,
    };
    return isDryRun === true
      ? { cancelled: await engine.countPurgeable(purge), dry_run: true }
      : { cancelled: await engine.purge(purge) };
  });
}

/** An endpoint as it stands. */
export async function showEndpoint(engine: Engine, name: string): Promise<EndpointBody> {
  const { spec } = engine.endpoint(name);
  return endpointBody((await engine.endpoints()).find(({ deployed }) => deployed.spec.name === spec.name)!);
}
