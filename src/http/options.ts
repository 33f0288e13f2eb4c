// Bodies that hold nothing but a few options: all may be left out, and so may the body.

import type { Static, TSchema } from 'typebox';
import { ServiceError } from '../domain/errors.ts';
import { compileCheck } from '../validation.ts';
import { readEnvelope } from './envelope.ts';

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
    const places = errors.map(({ pointer, detail }) => `${pointer} ${detail}`).join('; ');
    throw new ServiceError('invalid-request', `The request is not valid: ${places}.`, { errors });
  };
}
