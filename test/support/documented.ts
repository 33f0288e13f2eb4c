// Holds every answer that a test sees against the OpenAPI document: its status must be there for
// that route, its content type, and its body must fit.

import { Ajv2020 } from 'ajv/dist/2020.js';
import { methodsOf, ROUTES } from '../../src/http/routes.ts';
import { openApiDocument, templateOf } from '../../src/http/openapi/document.ts';

const DOCUMENT = openApiDocument(ROUTES, []);

/** What of an answer the document speaks of. */
export interface SeenAnswer {
  readonly status: number;
  readonly contentType: string | null;
  /** Whether it is a model's output and nothing of ours, which is always an attachment. */
  readonly isAttachment: boolean;
  readonly text: string;
}

const patterns = ROUTES.map(({ method, path }) => ({
  method,
  path,
  pattern: new RegExp(`^${path.replaceAll(/:\w+/g, '[^/]+')}$`),
}));

const ajv = new Ajv2020({ strict: false, allErrors: true, validateFormats: false });
ajv.addSchema(closed({ components: DOCUMENT.components }) as object, 'document');

/**
 * What an answer has that the document does not say, as sentences; empty where they agree. Paths
 * that do not exist, and methods that a path does not have, are no part of the document, and
 * answers to them are not looked at.
 */
export function undocumented(method: string, target: string, answer: SeenAnswer): string[] {
  const path = target.split('?')[0]!;
  // HEAD is a GET whose body stays away.
  const route = patterns.find((one) => one.method === method && one.pattern.test(path));
  if (route === undefined || !methodsOf(path).includes(method)) return [];
  const where = `${method} ${route.path} → ${answer.status}`;
  const { responses } = DOCUMENT.paths[templateOf(route.path)]![method.toLowerCase()]!;
  const response = responses[answer.status] as { content?: Record<string, { schema: unknown }> } | undefined;
  if (response === undefined) return [`${where} is not in the document: ${answer.text.slice(0, 200)}`];
  const type = answer.contentType?.split(';')[0]!.trim() ?? null;
  if (response.content === undefined) return answer.text === '' ? [] : [`${where} has a body, and should have none`];
  if (answer.isAttachment && '*/*' in response.content) return [];
  const known = Object.keys(response.content);
  const key = known.find((one) => one === type) ?? known.find((one) => one === '*/*');
  if (key === undefined) return [`${where} is ${type}, and should be ${known.join(' or ')}`];
  if (key !== 'application/json' && key !== 'application/problem+json') return [];
  const check = checkOf(`${where} ${key}`, response.content[key]!.schema);
  if (check(JSON.parse(answer.text))) return [];
  return check.errors!.map(
    ({ instancePath, message, params }) => `${where}: ${instancePath} ${message} ${JSON.stringify(params)}`,
  );
}

const checks = new Map<string, ReturnType<typeof ajv.compile>>();

function checkOf(name: string, schema: unknown): ReturnType<typeof ajv.compile> {
  const known = checks.get(name);
  if (known !== undefined) return known;
  const check = ajv.compile(JSON.parse(JSON.stringify(schema).replaceAll('"#/', '"document#/')) as object);
  checks.set(name, check);
  return check;
}

/**
 * The same schemas without room for members that they do not name, but for those that a problem may
 * bring along.
 */
function closed(schema: unknown, name = ''): unknown {
  if (Array.isArray(schema)) return schema.map((one) => closed(one));
  if (typeof schema !== 'object' || schema === null) return schema;
  const members = Object.fromEntries(Object.entries(schema).map(([key, value]) => [key, closed(value, key)]));
  const isClosed = members['type'] === 'object' && 'properties' in members && name !== 'Problem';
  return isClosed ? { additionalProperties: false, ...members } : members;
}
