// GET /health and GET /ready.

import type { FastifyInstance } from 'fastify';
import { ServiceError } from '../../domain/errors.ts';
import type { HttpParts } from '../parts.ts';

/** Registers the routes. */
export function healthRoutes(app: FastifyInstance, { engine }: HttpParts): void {
  app.get('/health', async () => ({ status: 'alive' }));
  app.get('/ready', async () => {
    if (engine.draining)
      throw new ServiceError('draining', 'The server is stopping.', { headers: { 'retry-after': '5' } });
    return { status: 'ready' };
  });
}
