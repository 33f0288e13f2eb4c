// What is wrong with a configuration, in words: a person wrote it by hand, and reads no JSON
// Schema.

import type { TSchema } from 'typebox';
import type { FieldError } from '../domain/errors.ts';
import { type Check, compileCheck, type Misfit } from '../wire/validation.ts';
import { ConfigFile, EndpointFile } from './config-file.ts';

/** Mistakes that are looked for: more than anybody makes. */
const MISTAKES_MAX = 1_000;

/** Compiles a schema of a configuration: every mistake is found, and told in words. */
export const checkInWords = (schema: TSchema): Check => compileCheck(schema, { errorsMax: MISTAKES_MAX, words });

const KINDS: Readonly<Record<string, string>> = {
  integer: 'a whole number',
  number: 'a number',
  string: 'text',
  boolean: 'true or false',
  array: 'a list',
  object: 'a group of keys with values',
};

/** What is wrong with the content of a configuration file. */
export const checkConfig: Check = checkInWords(ConfigFile);

function words({ keyword, params, description, value }: Misfit): string | null {
  const is = value === undefined ? '' : `, and is ${shown(value)}`;
  switch (keyword) {
    case 'type': {
      const { type } = params as { readonly type: string | readonly string[] };
      return `must be ${[type]
        .flat()
        .map((one) => KINDS[one] ?? one)
        .join(' or ')}${is}`;
    }
    case 'anyOf':
      return description === undefined
        ? null
        : `cannot be ${shown(value)}: write ${description.replace(/^A(?=n? )/, 'a').replace(/\.$/, '')}`;
    case 'minimum':
    case 'maximum': {
      const { limit } = params as { readonly limit: number };
      return `must be ${limit} or ${keyword === 'minimum' ? 'more' : 'less'}${is}`;
    }
    case 'minLength':
      return 'must not be empty';
    case 'minItems':
      return 'must name at least one';
    default:
      return null;
  }
}

/** A value in a sentence: as it is written, and only its kind where that is long. */
function shown(value: unknown): string {
  const text = JSON.stringify(value);
  if (text.length <= 60) return text;
  return typeof value === 'string' ? 'a long text' : Array.isArray(value) ? 'a list' : 'a group of keys with values';
}

const keysOf = (schema: unknown): ReadonlySet<string> =>
  new Set(Object.keys((schema as { readonly properties?: object }).properties ?? {}));
const partsOf = (schema: { readonly properties: object }): [string, ReadonlySet<string>][] =>
  Object.entries(schema.properties).map(([name, part]) => [name, keysOf(part)]);

const TOP = keysOf(ConfigFile);
const ENDPOINT = keysOf(EndpointFile);

/**
 * The same mistakes, where a key that nobody knows in its place is known in another: with that
 * place.
 *
 * @param content the whole configuration, as it is written
 */
export function withPlaces(mistakes: readonly FieldError[], content: unknown): FieldError[] {
  return mistakes.map((mistake) => {
    if (!mistake.detail.startsWith('is not known here')) return mistake;
    const place = placeOf(mistake.pointer.split('.'), content);
    return place === null ? mistake : { ...mistake, detail: `is not known here: it belongs ${place}` };
  });
}

function placeOf(steps: readonly string[], content: unknown): string | null {
  const key = steps.at(-1)!;
  const [first, name] = steps;
  if (steps.length === 1) {
    const value = (content as Readonly<Record<string, unknown>>)[key];
    if (typeof value === 'object' && value !== null && 'model' in value) return `under endpoints, as endpoints.${key}`;
    return (
      under('endpoints.<name>', ENDPOINT, partsOf(EndpointFile), key) ?? under('', new Set(), partsOf(ConfigFile), key)
    );
  }
  if (first !== 'endpoints') return TOP.has(key) ? 'at the top of the file' : null;
  const own = under(`endpoints.${name}`, steps.length > 3 ? ENDPOINT : new Set(), partsOf(EndpointFile), key);
  if (own !== null) return own;
  return TOP.has(key) ? 'at the top of the file' : under('', new Set(), partsOf(ConfigFile), key);
}

/** Where a key belongs in a group, or in one of its parts. */
function under(
  group: string,
  keys: ReadonlySet<string>,
  parts: readonly [string, ReadonlySet<string>][],
  key: string,
): string | null {
  if (keys.has(key)) return `under ${group}`;
  const part = parts.find(([, known]) => known.has(key));
  return part === undefined ? null : `under ${group === '' ? '' : `${group}.`}${part[0]}`;
}
