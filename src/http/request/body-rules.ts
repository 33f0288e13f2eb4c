// What the body of a route may be, and how it is read.

import { type Static, type TSchema, Type } from 'typebox';
import { ServiceError } from '../../domain/errors.ts';
import { compileCheck } from '../../wire/validation.ts';
import { readEnvelope } from './envelope.ts';
import type { IncomingBody } from './incoming-body.ts';
import { invalidRequest } from '../answer/problem.ts';
import { halfPairErrors } from './text.ts';

/**
 * Longest body that holds nothing but options, in bytes. Far more than any takes, and little to
 * hold.
 */
const OPTIONS_BYTES_MAX = 64 * 1_024;

/** The rule of a route's body. */
export interface BodyRule<Body> {
  readonly required: boolean;
  /** Its schema by content type; empty where there is no body. */
  readonly content: Readonly<Record<string, TSchema>>;
  /**
   * Longest that it may be, in bytes; null for an input, for which the configuration says it, and
   * which may come as an `IncomingBody`.
   */
  readonly bytesMax: number | null;
  /**
   * Reads it.
   *
   * @param bytes undefined where the request has none
   * @throws ServiceError `malformed-body` or `invalid-request`, with the place
   */
  read(bytes: Uint8Array | undefined): Body;
}

const EMPTY = new Uint8Array();

/**
 * No body: a client that sends one believes that it counts. An empty object says nothing and is let
 * pass, since some clients always send one.
 */
export const NO_BODY: BodyRule<null> = {
  required: false,
  content: {},
  bytesMax: OPTIONS_BYTES_MAX,
  read(bytes) {
    const text = bytes === undefined ? '' : new TextDecoder().decode(bytes).trim();
    if (text === '' || text === '{}') return null;
    throw invalidRequest('This request takes no body', [{ pointer: '', detail: 'must be empty' }]);
  },
};

/** A JSON object of options, all of which may be left out, and so may the body. */
export function optionsBody<Schema extends TSchema>(schema: Schema): BodyRule<Static<Schema>> {
  const check = compileCheck(schema);
  return {
    required: false,
    content: { 'application/json': schema },
    bytesMax: OPTIONS_BYTES_MAX,
    read(bytes = EMPTY) {
      const value = bytes.length === 0 ? {} : readEnvelope(bytes).value;
      const errors = [...check(value), ...halfPairErrors('', value)];
      if (errors.length === 0) return value as Static<Schema>;
      throw invalidRequest('The request is not valid', errors);
    },
  };
}

/** A JSON document that its handler checks. */
export function jsonBody(schema: TSchema): BodyRule<unknown> {
  return {
    required: true,
    content: { 'application/json': schema },
    bytesMax: 1_024 * 1_024,
    read(bytes = EMPTY) {
      let value: unknown;
      try {
        value = JSON.parse(new TextDecoder().decode(bytes));
      } catch (cause) {
        throw new ServiceError('malformed-body', `The body is not JSON: ${(cause as SyntaxError).message}.`, { cause });
      }
      const errors = halfPairErrors('', value);
      if (errors.length === 0) return value;
      throw invalidRequest('The request is not valid', errors);
    },
  };
}

const JSON_TABLE = Type.Unsafe<unknown>({
  anyOf: [
    { type: 'array', items: { type: 'object' } },
    {
      type: 'object',
      required: ['instances'],
      properties: { instances: { type: 'array', items: { type: 'object' } } },
      additionalProperties: false,
    },
  ],
  description:
    'A table without an envelope, for an endpoint or a request that runs it as a batch; options are in the query then. What came as instances is answered as {"predictions": […]}.',
});

/**
 * Bytes as the document describes them. Most generators of clients leave out content types that
 * they do not know, and an operation that has no other; what every one of them knows is
 * `application/octet-stream`.
 */
export const bytesSchema = (description: string): TSchema =>
  Type.Unsafe<Uint8Array>({ type: 'string', format: 'binary', contentEncoding: 'binary', description });

/**
 * The input of a run: an envelope, or bytes of any other content type, which are not read yet where
 * they may be many. What they mean depends on the headers as well.
 */
export function inputBody(envelope: TSchema): BodyRule<Uint8Array | IncomingBody> {
  return {
    required: true,
    content: {
      'application/json': Type.Union([envelope, JSON_TABLE]),
      'text/csv': Type.String({ description: 'A table: a header line, then a row per line.' }),
      'application/jsonlines': Type.String({ description: 'A table: a JSON object per line.' }),
      'application/vnd.apache.arrow.stream': bytesSchema(
        'A table: an Arrow stream, whose buffers may be compressed with LZ4 or ZSTD.',
      ),
      'application/octet-stream': bytesSchema('Raw bytes.'),
      '*/*': bytesSchema('Raw bytes of any other type, which the model is told.'),
    },
    bytesMax: null,
    read: (body: Uint8Array | IncomingBody = EMPTY) => body,
  };
}
