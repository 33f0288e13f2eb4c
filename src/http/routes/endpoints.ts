// GET /endpoints and GET /endpoints/{endpoint}.

import type { FastifyInstance } from 'fastify';
import type { EndpointBody, EndpointList } from '../../wire/endpoints.ts';
import type { HttpParts } from '../parts.ts';
import { endpointBody } from '../run-view.ts';

/** Registers the routes. */
export function endpointRoutes(app: FastifyInstance, { engine }: HttpParts): void {
  app.get('/endpoints', async (): Promise<EndpointList> => ({
    endpoints: (await engine.endpoints()).map(endpointBody),
  }));
  app.get<{ Params: { endpoint: string } }>('/endpoints/:endpoint', async (request): Promise<EndpointBody> => {
    const { spec } = engine.endpoint(request.params.endpoint);
    return endpointBody((await engine.endpoints()).find(({ deployed }) => deployed.spec.name === spec.name)!);
  });
}
