// CORS, for the sites that the configuration names: exact origins, no cookies, and the headers that
// a client of ours needs to see.

import type { FastifyInstance } from 'fastify';
import { REQUEST_HEADERS, RESPONSE_HEADERS } from '../request/headers.ts';

/**
 * How long a browser may remember what it was allowed, in seconds: Chromium keeps it for two hours
 * at the most.
 */
const REMEMBERED_SECONDS = 600;

/** Registers it. The plugin is loaded only now, since most servers never need it. */
export function registerCors(app: FastifyInstance, origins: readonly string[]): void {
  app.register(import('@fastify/cors'), {
    origin: [...origins],
    methods: ['GET', 'HEAD', 'POST', 'PUT', 'DELETE'],
    allowedHeaders: ['Authorization', 'Content-Type', ...Object.keys(REQUEST_HEADERS)],
    exposedHeaders: Object.keys(RESPONSE_HEADERS),
    maxAge: REMEMBERED_SECONDS,
  });
}
