// The OpenAPI document: the table of routes and the table of problems, in the words of OpenAPI 3.1.

import manifest from '../../../package.json' with { type: 'json' };
import { formatBytes } from '../../domain/bytes.ts';
import { PROBLEMS, type ProblemSlug } from '../../domain/errors.ts';
import { InvokedBody } from '../../wire/zenml.ts';
import { WebhookBody } from '../../wire/deliveries.ts';
import { RunBody } from '../../wire/runs.ts';
import { PROBLEM_BASE, PROBLEM_TYPE } from '../../wire/problems.ts';
import {
  HEADER_SCHEMAS,
  PATH_PARAMETERS,
  REQUEST_HEADERS,
  RESPONSE_HEADERS,
  type ResponseHeader,
} from '../request/headers.ts';
import type { TSchema } from 'typebox';
import { type Answer, type Route, TAGS } from '../route.ts';
import { schemaInDocument, schemasOfComponents } from './components.ts';
import type { DocumentedEndpoint, OpenApiDocument, Operation } from './shape.ts';

/** What may go wrong wherever a request is read. */
const EVERYWHERE: readonly ProblemSlug[] = [
  'malformed-body',
  'misdirected-request',
  'uri-too-long',
  'expectation-failed',
  'header-too-large',
  'request-timeout',
  'invalid-request',
  'internal',
  'storage-unavailable',
];
/** What may go wrong where a key is asked for. */
const WITH_KEY: readonly ProblemSlug[] = ['unauthorized', 'forbidden', 'too-many-attempts'];

/** What may go wrong where a request can have a body, be it one too many. */
const WITH_BODY: readonly ProblemSlug[] = ['payload-too-large', 'unsupported-media-type'];

/** Headers of problems. */
const HEADERS_OF_PROBLEMS: Partial<Record<ProblemSlug, readonly ResponseHeader[]>> = {
  draining: ['Retry-After'],
  'queue-full': ['Retry-After', 'retry-after-ms', 'RateLimit-Policy', 'RateLimit'],
  'replica-unavailable': ['Location', 'Retry-After'],
  'storage-full': ['Retry-After'],
  'storage-unavailable': ['Retry-After'],
  'too-many-attempts': ['Retry-After'],
  forbidden: ['WWW-Authenticate'],
  unauthorized: ['WWW-Authenticate'],
  'wait-exceeded': ['Location', 'Retry-After'],
};

/**
 * Writes the document of a table of routes; every endpoint gets an operation of its own, with its
 * schemas. `base` stands before their paths.
 */
export function openApiDocument(
  routes: readonly Route[],
  endpoints: readonly DocumentedEndpoint[],
  base = '',
): OpenApiDocument {
  const paths: Record<string, Record<string, Operation>> = {};
  const add = (path: string, method: string, operation: Operation): void => {
    paths[path] = { ...paths[path], [method]: operation };
  };
  for (const route of routes) add(templateOf(route.path), route.method.toLowerCase(), operationOf(route));
  const invoke = routes.find(({ operationId }) => operationId === 'invokeEndpoint');
  if (invoke !== undefined)
    for (const endpoint of endpoints)
      add(`/endpoints/${endpoint.name}/invoke`, 'post', operationOfEndpoint(operationOf(invoke), endpoint));
  return {
    openapi: '3.1.1',
    info: {
      title: manifest.name,
      version: manifest.version,
      summary: manifest.description,
      license: { name: 'Apache License 2.0', identifier: manifest.license },
    },
    servers: [{ url: base === '' ? '/' : base, description: 'This server.' }],
    tags: Object.entries(TAGS).map(([name, description]) => ({ name, description })),
    paths,
    components: {
      schemas: schemasOfComponents(),
      securitySchemes: {
        key: {
          type: 'http',
          scheme: 'bearer',
          description: 'A key of `claimcheck keys create`. A server without keys asks for none.',
        },
      },
    },
  };
}

/** The path of a route as OpenAPI writes it. */
export const templateOf = (path: string): string => path.replaceAll(/:(\w+)/g, '{$1}');

function operationOf(route: Route): Operation {
  const { operationId, tag, summary, description, scope } = route;
  return {
    operationId,
    tags: [tag],
    summary,
    ...(description !== undefined && { description }),
    security: scope === null ? [] : [{ key: [scope] }, {}],
    parameters: [...pathParameters(route), ...queryParameters(route), ...headerParameters(route)],
    ...requestBodyOf(route),
    responses: responsesOf(route),
    ...(route.callsBack === true && { callbacks: CALLBACKS }),
  } as Operation;
}

const pathParameters = ({ path }: Route): object[] =>
  [...path.matchAll(/:(\w+)/g)].map(([, name]) => ({ name, in: 'path', required: true, ...PATH_PARAMETERS[name!]! }));

function queryParameters({ query }: Route): object[] {
  const required = new Set((query as { required?: readonly string[] }).required);
  return Object.entries(query.properties).map(([name, schema]) => {
    const { description, ...rest } = schemaInDocument(schema) as { description?: string };
    return { name, in: 'query', required: required.has(name), ...(description && { description }), schema: rest };
  });
}

const headerParameters = ({ headers = [] }: Route): object[] =>
  headers
    // OpenAPI leaves Accept to the content types of the answers.
    .filter((name) => name !== 'Accept')
    .map((name) => ({
      name,
      in: 'header',
      description: REQUEST_HEADERS[name],
      schema: HEADER_SCHEMAS[name] ?? { type: 'string' },
    }));

function requestBodyOf({ body }: Route): { requestBody?: object } {
  const types = Object.entries(body.content);
  if (types.length === 0) return {};
  const description =
    body.bytesMax === null
      ? 'As long as `limits` of the server’s configuration allows.'
      : `${formatBytes(body.bytesMax)} at the most.`;
  return { requestBody: { description, required: body.required, content: contentOf(body.content) } };
}

const contentOf = (content: NonNullable<Answer['content']>): object =>
  Object.fromEntries(Object.entries(content).map(([type, schema]) => [type, { schema: schemaInDocument(schema) }]));

/** What is sent to the `callback_url` of a run. */
const CALLBACKS = {
  runEnded: {
    '{$request.body#/callback_url}': {
      post: {
        summary: 'The run has ended',
        description:
          'A Standard Webhook, signed with the secrets of the endpoint; at least once, always under the same `webhook-id`.',
        security: [],
        parameters: ['webhook-id', 'webhook-timestamp', 'webhook-signature'].map((name) => ({
          name,
          in: 'header',
          required: true,
          schema: { type: 'string' },
        })),
        requestBody: { content: { 'application/json': { schema: schemaInDocument(WebhookBody) } } },
        responses: {
          '2XX': { description: 'It has arrived.' },
          '410': { description: 'Nobody wants to hear of this run any more.' },
          default: { description: 'It is sent again, for three days.' },
        },
      },
    },
  },
};

/** Where to go on from a run. */
const RUN_LINKS = Object.fromEntries(
  ['getRun', 'getOutput', 'getLogs', 'cancelRun'].map((operationId) => [
    operationId,
    { operationId, parameters: { id: '$response.body#/run_id' } },
  ]),
);

const isRun = (schema: TSchema | undefined): boolean => schema === RunBody || schema === InvokedBody;

function responsesOf(route: Route): Record<string, unknown> {
  const problems = problemResponses(problemsOf(route));
  const answers = Object.entries(route.answers).map(([status, { description, content, headers = [] }]) => [
    status,
    {
      description: [description, problems[status]?.description ?? []].flat().join('\n\n'),
      ...(headers.length > 0 && { headers: headersOf(headers) }),
      // A face may say in its own form what is a problem everywhere else.
      ...(content !== undefined && { content: { ...contentOf(content), ...problems[status]?.content } }),
      ...(isRun(content?.['application/json']) && { links: RUN_LINKS }),
    },
  ]);
  return { ...problems, ...(Object.fromEntries(answers) as Record<string, unknown>) };
}

/** Everything that may go wrong at a route. */
export function problemsOf({ method, scope, problems }: Route): ReadonlySet<ProblemSlug> {
  return new Set([
    ...EVERYWHERE,
    ...(scope === null ? [] : WITH_KEY),
    ...(method === 'GET' ? [] : WITH_BODY),
    ...problems,
  ]);
}

interface ProblemResponse {
  readonly description: string;
  readonly content: object;
}

function problemResponses(problems: ReadonlySet<ProblemSlug>): Record<string, ProblemResponse> {
  const byStatus = Map.groupBy(problems, (slug) => PROBLEMS[slug].status);
  return Object.fromEntries(
    [...byStatus].map(([status, slugs]) => {
      const headers = [...new Set(slugs.flatMap((slug) => HEADERS_OF_PROBLEMS[slug] ?? []))];
      return [
        status,
        {
          description: slugs.map((slug) => `\`${slug}\`: ${PROBLEMS[slug].meaning}`).join('\n\n'),
          ...(headers.length > 0 && { headers: headersOf(headers) }),
          content: { [PROBLEM_TYPE]: { schema: problemSchema(slugs) } },
        },
      ];
    }),
  );
}

const problemSchema = (slugs: readonly ProblemSlug[]): object => ({
  allOf: [
    { $ref: '#/components/schemas/Problem' },
    { type: 'object', properties: { type: { enum: slugs.map((slug) => `${PROBLEM_BASE}${slug}`) } } },
  ],
});

const headersOf = (names: readonly ResponseHeader[]): object =>
  Object.fromEntries(names.map((name) => [name, { description: RESPONSE_HEADERS[name], schema: { type: 'string' } }]));

/** The invocation of one endpoint, with what its model takes and gives. */
function operationOfEndpoint(invoke: Operation, endpoint: DocumentedEndpoint): Operation {
  const { name, description, takesRows, inputSchema, outputSchema } = endpoint;
  const body = invoke.requestBody as { content: Record<string, { schema: unknown }> };
  const asTable = (schema: object): object => (takesRows ? { type: 'array', items: schema } : schema);
  const envelope = { ...(schemasOfComponents()['InvokeEnvelope'] as { properties: object }) };
  const answers = invoke.responses as Record<string, { content?: Record<string, { schema: unknown }> }>;
  return {
    ...invoke,
    operationId: `invoke_${name}`,
    summary: `Run ${name}`,
    ...(description !== null && { description }),
    parameters: invoke.parameters.filter((parameter) => (parameter as { in: string }).in !== 'path'),
    requestBody: {
      ...body,
      content: {
        ...body.content,
        ...(inputSchema !== null && {
          'application/json': {
            schema: { ...envelope, properties: { ...envelope.properties, input: asTable(inputSchema) } },
          },
        }),
      },
    },
    responses: {
      ...answers,
      ...(outputSchema !== null && {
        200: {
          ...answers['200'],
          content: {
            ...answers['200']!.content,
            'application/json': {
              schema: {
                allOf: [
                  { $ref: '#/components/schemas/Run' },
                  { type: 'object', properties: { outputs: { anyOf: [asTable(outputSchema), { type: 'null' }] } } },
                ],
              },
            },
          },
        },
      }),
    },
  };
}
