// GET /openapi.json.

import { OpenApiBody } from '../../wire/server.ts';
import { type Route, route } from '../route.ts';

/** See the head of this file. */
export const OPENAPI_ROUTES: readonly Route[] = [
  route({
    method: 'GET',
    path: '/openapi.json',
    operationId: 'getOpenApi',
    tag: 'server',
    summary: 'Read this document',
    description: 'It describes single endpoints only to callers that may see them.',
    scope: null,
    looksAtKeys: true,
    answers: {
      200: { description: 'An OpenAPI 3.1 document.', content: { 'application/json': OpenApiBody } },
    },
    problems: [],
    handle: ({ document }, { principal, request }) => document(principal, request.base),
  }),
];
