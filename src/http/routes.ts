// The table of routes, and how it becomes a server's. A path that is not in it does not exist.

import type { FastifyInstance } from 'fastify';
import type { RouteContext } from './context.ts';
import type { Route } from './route.ts';
import { CAPTURE_ROUTES } from './routes/captures.ts';
import { CACHE_ROUTES } from './routes/cache.ts';
import { EVENT_ROUTES } from './routes/events.ts';
import { DELIVERY_ROUTES } from './routes/deliveries.ts';
import { ENDPOINT_ROUTES } from './routes/endpoints.ts';
import { HEALTH_ROUTES } from './routes/health.ts';
import { INVOKE_ROUTES } from './routes/invoke.ts';
import { OPENAPI_ROUTES } from './routes/openapi.ts';
import { PART_ROUTES } from './routes/parts.ts';
import { RUN_ROUTES } from './routes/runs.ts';
import { SERVER_ROUTES } from './routes/server.ts';
import { VERSION_ROUTES } from './routes/versions.ts';
import { ZENML_ROUTES } from './routes/zenml.ts';

/** Every route. */
export const ROUTES: readonly Route[] = [
  ...INVOKE_ROUTES,
  ...RUN_ROUTES,
  ...EVENT_ROUTES,
  ...PART_ROUTES,
  ...DELIVERY_ROUTES,
  ...ENDPOINT_ROUTES,
  ...VERSION_ROUTES,
  ...CAPTURE_ROUTES,
  ...CACHE_ROUTES,
  ...HEALTH_ROUTES,
  ...OPENAPI_ROUTES,
  ...SERVER_ROUTES,
  ...ZENML_ROUTES,
];

/** Registers every route. */
export function registerRoutes(app: FastifyInstance, context: RouteContext): void {
  app.decorateRequest('principal');
  for (const route of ROUTES) {
    app.route({
      method: route.method,
      url: route.path,
      config: { route },
      handler: (request, reply) => route.run(context, request, reply),
    });
  }
}

const PATTERNS = ROUTES.map(({ method, path }) => ({
  method,
  pattern: new RegExp(`^${path.replaceAll(/:\w+/g, '[^/]+')}$`),
}));

/** The methods that a path has; empty for a path that does not exist. */
export function methodsOf(path: string): string[] {
  const methods = PATTERNS.filter(({ pattern }) => pattern.test(path)).map(({ method }) => method);
  return [...new Set(methods.flatMap((method) => (method === 'GET' ? ['GET', 'HEAD'] : [method])))];
}
