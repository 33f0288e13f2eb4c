// Bodies that hold nothing but a few options: all may be left out, and so may the body.

import type { Static, TSchema } from 'typebox';
import { compileCheck } from '../validation.ts';
import { readEnvelope } from './envelope.ts';
import { invalidRequest } from './problem.ts';

/**
 * Makes a reader of such bodies.
 *
 * @throws ServiceError `malformed-body` or `invalid-request`, when it is called
 */
export function readOptions<Schema extends TSchema>(schema: Schema): (body: unknown) => Static<Schema> {
  const check = compileCheck(schema);
  return (body) => {
    const bytes = body instanceof Uint8Array ? body : new Uint8Array();
    const value = bytes.length === 0 ? {} : readEnvelope(bytes).value;
    const errors = check(value);
    if (errors.length === 0) return value as Static<Schema>;
    throw invalidRequest('The request is not valid', errors);
  };
}
