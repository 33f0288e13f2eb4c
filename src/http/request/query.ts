// Reading a query: texts become the numbers and booleans that the schema asks for, strictly, and
// everything that does not fit is named.

import { parse } from 'node:querystring';
import type { Static, TObject } from 'typebox';
import { type FieldError, ServiceError } from '../../domain/errors.ts';
import { compileCheck } from '../../wire/validation.ts';
import { lineErrors } from './text.ts';

/**
 * A reader for the queries of one route.
 *
 * @returns a function that answers the values that the schema describes
 * @throws ServiceError `invalid-request` that names every parameter that is unknown, given twice,
 *   or of the wrong form, or holds text that cannot be stored
 */
export function queryReader<Schema extends TObject>(schema: Schema): (query: unknown) => Static<Schema> {
  const check = compileCheck(schema);
  // Most requests have no query, and this is on the path of every submit.
  const empty = check({}).length === 0 ? (Object.freeze({}) as Static<Schema>) : null;
  return (query) => {
    const given = Object.entries(query as Record<string, string | string[]>);
    if (given.length === 0 && empty !== null) return empty;
    const twice = given
      .filter(([, value]) => Array.isArray(value))
      .map(([name]): FieldError => ({ pointer: `/${name}`, detail: 'is given more than once' }));
    const values = Object.fromEntries(given.map(([name, value]) => [name, typed(schema.properties[name], value)]));
    const texts = given.flatMap(([name, value]) => [value].flat().flatMap((text) => lineErrors(`/${name}`, text)));
    const errors = twice.length > 0 ? twice : [...check(values), ...texts];
    if (errors.length === 0) return values as Static<Schema>;
    const places = errors.map(({ pointer, detail }) => ({ pointer: `query:${pointer.slice(1)}`, detail }));
    throw new ServiceError(
      'invalid-request',
      `The query is not valid: ${places.map(({ pointer, detail }) => `${pointer.slice(6)} ${detail}`).join('; ')}.`,
      { errors: places },
    );
  };
}

/**
 * The parameters of a query. Bytes that are no UTF-8 become half a surrogate, which no reader
 * takes: as U+FFFD, two of them would be one text.
 */
export function parseQuery(text: string): Record<string, string | string[] | undefined> {
  return parse(text, '&', '=', { decodeURIComponent: decoded });
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return '\ud800';
  }
}

/**
 * A number as JSON writes one, which is how every language prints those that it has computed; zeros
 * in front of it do no harm.
 */
const NUMBER = /^-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?$/;

/**
 * A text that is not written exactly like a number or a boolean stays a text, and the schema
 * refuses it.
 */
function typed(schema: unknown, value: string | string[]): unknown {
  const type = (schema as { type?: string } | undefined)?.type;
  if (typeof value !== 'string') return value;
  if (type === 'boolean') return value === 'true' ? true : value === 'false' ? false : value;
  if ((type === 'number' || type === 'integer') && NUMBER.test(value)) return Number(value);
  return value;
}
