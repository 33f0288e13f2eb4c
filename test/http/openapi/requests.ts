// Requests made from the OpenAPI document: mostly what it allows, with anything else strewn in at
// every place.

import fc from 'fast-check';
import type { Operation, OpenApiDocument } from '../../../src/http/openapi/shape.ts';
import type { TestRequest } from '../../support/http.ts';

/** A request, ready to be sent. */
export interface MadeRequest extends TestRequest {
  readonly operationId: string;
  readonly method: string;
  readonly path: string;
}

interface Schema {
  readonly $ref?: string;
  readonly type?: string;
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
  readonly examples?: readonly unknown[];
  readonly anyOf?: readonly Schema[];
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly items?: Schema;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly exclusiveMinimum?: number;
  readonly maxLength?: number;
}

interface Parameter {
  readonly name: string;
  readonly in: 'path' | 'query' | 'header';
  readonly schema: Schema;
}

/** Texts that have broken a server before. */
const HOSTILE = fc.constantFrom(
  '',
  ' ',
  '\0',
  '..',
  '%2e%2e%2f',
  '%00',
  '-1',
  '1e9',
  'NaN',
  '٣',
  '__proto__',
  "' OR 1=1 --",
  '<script>',
  '\u202e',
  '🦊',
  'a'.repeat(300),
  '0198b0ff-0000-7000-8000-000000000000',
);
const ANY_TEXT = fc.oneof(HOSTILE, fc.string({ unit: 'binary', maxLength: 40 }), fc.string({ maxLength: 20 }));
const ANY_JSON = fc.oneof(HOSTILE, fc.jsonValue({ maxDepth: 3 }));
/** What a header can carry. */
const HEADER_TEXT = fc.string({
  unit: fc.integer({ min: 0x20, max: 0x7e }).map((code) => String.fromCharCode(code)),
  maxLength: 40,
});

/** Requests of every operation; `known` are values of path parameters that name something. */
export function requestsOf(
  { paths, components }: OpenApiDocument,
  known: Readonly<Record<string, readonly string[]>>,
): fc.Arbitrary<MadeRequest> {
  const all = Object.entries(paths).flatMap(([path, operations]) =>
    Object.entries(operations).map(([method, operation]) =>
      requestOf(components.schemas as Record<string, Schema>, { path, method, operation }, known),
    ),
  );
  return fc.oneof(...all);
}

interface Place {
  readonly path: string;
  readonly method: string;
  readonly operation: Operation;
}

function requestOf(
  shapes: Readonly<Record<string, Schema>>,
  { path, method, operation }: Place,
  known: Readonly<Record<string, readonly string[]>>,
): fc.Arbitrary<MadeRequest> {
  const parameters = operation.parameters as readonly Parameter[];
  const of = (where: Parameter['in']): Parameter[] => parameters.filter((one) => one.in === where);
  const inPath = fc.record(
    Object.fromEntries(
      of('path').map(({ name }) => [
        name,
        fc.oneof(
          { weight: 4, arbitrary: fc.constantFrom(...(known[name] ?? ['x'])) },
          { weight: 1, arbitrary: ANY_TEXT },
        ),
      ]),
    ),
  );
  const inQuery = fc.record(
    Object.fromEntries(of('query').map(({ name, schema }) => [name, valueOf(shapes, schema).map(asText)])),
    { requiredKeys: [] },
  );
  const strayQuery = seldom(fc.record({ name: ANY_TEXT, value: ANY_TEXT }));
  const headers = fc.record(Object.fromEntries(of('header').map(({ name }) => [name.toLowerCase(), HEADER_TEXT])), {
    requiredKeys: [],
  });
  const accept = seldom(fc.oneof(fc.constantFrom('application/json', 'text/csv', '*/*', 'image/png'), HEADER_TEXT));
  return fc
    .record({ inPath, inQuery, strayQuery, headers, accept, body: bodyOf(shapes, operation) })
    .map(({ body, ...parts }) => {
      const query = new URLSearchParams(parts.inQuery as Record<string, string>);
      if (parts.strayQuery !== null) query.append(parts.strayQuery.name, parts.strayQuery.value);
      const filled = path.replaceAll(/\{(\w+)\}/g, (_, name: string) =>
        encodeURIComponent(wellFormed(parts.inPath[name]!)),
      );
      return {
        operationId: operation.operationId,
        method: method.toUpperCase(),
        path: query.size === 0 ? filled : `${filled}?${query.toString()}`,
        headers: {
          ...(parts.headers as Record<string, string>),
          ...(parts.accept !== null && { accept: parts.accept }),
          ...(body !== null && { 'content-type': body.type }),
        },
        ...(body !== null && { body: body.bytes }),
      };
    });
}

/** Null, but for one in eight. */
const seldom = <T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T | null> =>
  fc.oneof({ weight: 7, arbitrary: fc.constant(null) }, { weight: 1, arbitrary });

const wellFormed = (text: string): string => text.toWellFormed();
const asText = (value: unknown): string => wellFormed(typeof value === 'string' ? value : JSON.stringify(value));

interface Body {
  readonly type: string;
  readonly bytes: Uint8Array;
}

function bodyOf(shapes: Readonly<Record<string, Schema>>, { requestBody }: Operation): fc.Arbitrary<Body | null> {
  const garbage = fc.record({
    type: fc.oneof(
      fc.constantFrom('application/json', 'text/csv', 'application/jsonlines', 'application/octet-stream'),
      HEADER_TEXT,
    ),
    bytes: fc.uint8Array({ maxLength: 200 }),
  });
  const content = (requestBody as { content: Record<string, { schema: Schema }> } | undefined)?.content ?? {};
  const json = content['application/json'];
  if (json === undefined) return seldom(garbage);
  const fitting = valueOf(shapes, json.schema).map((value) => ({
    type: 'application/json',
    bytes: Buffer.from(JSON.stringify(value)),
  }));
  return fc.oneof(
    { weight: 6, arbitrary: fitting },
    { weight: 1, arbitrary: garbage },
    { weight: 1, arbitrary: fc.constant(null) },
  );
}

/** Values that fit a schema, and now and then one that does not. */
function valueOf(shapes: Readonly<Record<string, Schema>>, schema: Schema): fc.Arbitrary<unknown> {
  return fc.oneof({ weight: 9, arbitrary: fittingValue(shapes, schema) }, { weight: 1, arbitrary: ANY_JSON });
}

function fittingValue(shapes: Readonly<Record<string, Schema>>, schema: Schema): fc.Arbitrary<unknown> {
  if (schema.$ref !== undefined) return fittingValue(shapes, shapes[schema.$ref.split('/').at(-1)!]!);
  if (schema.enum !== undefined) return fc.constantFrom(...schema.enum);
  if (schema.const !== undefined) return fc.constant(schema.const);
  if (schema.examples !== undefined) return fc.constantFrom(...schema.examples);
  if (schema.anyOf !== undefined) return fc.oneof(...schema.anyOf.map((one) => valueOf(shapes, one)));
  switch (schema.type) {
    case 'object': {
      const members = Object.entries(schema.properties ?? {}).map(
        ([name, one]) => [name, valueOf(shapes, one)] as const,
      );
      return fc.record(Object.fromEntries(members), { requiredKeys: [...(schema.required ?? [])] });
    }
    case 'array':
      return fc.array(valueOf(shapes, schema.items ?? {}), { maxLength: 4 });
    case 'string':
      return fc.string({ unit: 'grapheme', maxLength: Math.min(schema.maxLength ?? 30, 30) });
    case 'integer':
      return fc.integer({ min: schema.minimum ?? -10, max: schema.maximum ?? 1_000_000 });
    case 'number':
      return fc.double({
        min: schema.minimum ?? schema.exclusiveMinimum ?? -10,
        max: schema.maximum ?? 1e6,
        noNaN: true,
      });
    case 'boolean':
      return fc.boolean();
    case undefined:
    default:
      return ANY_JSON;
  }
}
