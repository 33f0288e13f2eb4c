// The pages at /docs: the OpenAPI document in Swagger's own viewer, whose files come with it, so
// that nothing is loaded from elsewhere.

import swagger from '@fastify/swagger';
import swaggerUi from '@fastify/swagger-ui';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { OpenApiDocument } from './shape.ts';

/** Where the pages are. */
const DOCS_PATH = '/docs';

/**
 * The viewer needs its own scripts and styles, its data: images, and this server; it styles some
 * elements in place.
 */
const POLICY = {
  'default-src': "'none'",
  'script-src': "'self'",
  'style-src': "'self' 'unsafe-inline'",
  'img-src': "'self' data:",
  'font-src': "'self'",
  'connect-src': "'self'",
  'base-uri': "'none'",
  'form-action': "'none'",
  'frame-ancestors': "'none'",
};

/**
 * Registers the pages; `documentFor` is asked anew each time, since endpoints come and go, and not
 * everybody sees all of them.
 */
export function registerDocsPages(
  app: FastifyInstance,
  documentFor: (request: FastifyRequest) => OpenApiDocument,
): void {
  // The viewer takes its document from this plugin; what it is given here is never shown.
  app.register(swagger, {
    mode: 'static',
    specification: { document: { openapi: '3.1.1', info: { title: '', version: '' }, paths: {} } },
  });
  app.register(swaggerUi, {
    routePrefix: DOCS_PATH,
    staticCSP: POLICY,
    theme: { title: 'claimcheck: HTTP API' },
    uiConfig: {
      layout: 'BaseLayout',
      tryItOutEnabled: true,
      persistAuthorization: false,
      displayRequestDuration: true,
    },
    uiHooks: {
      // Its page has absolute paths in it where its own has no slash at the end, and relative ones
      // where it has.
      onRequest(request, reply, done) {
        if (request.base === '' || request.url !== DOCS_PATH) done();
        else reply.redirect(`${DOCS_PATH}/`);
      },
    },
    transformSpecification: (_, request) => documentFor(request) as unknown as Readonly<Record<string, unknown>>,
    transformSpecificationClone: false,
  });
}
