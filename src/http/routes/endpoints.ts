// GET /endpoints, GET /endpoints/{endpoint} and DELETE /endpoints/{endpoint}/queue.

import type { FastifyInstance } from 'fastify';
import { seconds } from '../../domain/time.ts';
import { type EndpointBody, type EndpointList, type PurgeBody, PurgeQuery } from '../../wire/endpoints.ts';
import type { HttpParts } from '../parts.ts';
import { queryReader } from '../query.ts';
import { endpointBody } from '../run-view.ts';

const readPurgeQuery = queryReader(PurgeQuery);

/** Registers the routes. */
export function endpointRoutes(app: FastifyInstance, { engine }: HttpParts): void {
  app.get('/endpoints', async (): Promise<EndpointList> => ({
    endpoints: (await engine.endpoints()).map(endpointBody),
  }));
  app.get<{ Params: { endpoint: string } }>('/endpoints/:endpoint', async (request): Promise<EndpointBody> => {
    const { spec } = engine.endpoint(request.params.endpoint);
    return endpointBody((await engine.endpoints()).find(({ deployed }) => deployed.spec.name === spec.name)!);
  });
  app.delete<{ Params: { endpoint: string } }>('/endpoints/:endpoint/queue', async (request): Promise<PurgeBody> => {
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
