// Checking a value against a schema, with errors that a person can act on: one per place, each
// naming what may stand there.

import type { TSchema } from 'typebox';
import { Compile } from 'typebox/compile';
import { Errors } from 'typebox/schema';
import { Settings } from 'typebox/system';
import type { FieldError } from '../domain/errors.ts';

/** Finds what is wrong with a value; an empty list means that it fits. */
export type Check = (value: unknown) => FieldError[];

interface SchemaError {
  readonly keyword: string;
  readonly instancePath: string;
  readonly schemaPath: string;
  readonly params: object;
  readonly message: string;
}

/** Keywords that ask for a kind of value, or for one of several. */
const OF_A_KIND: ReadonlySet<string> = new Set(['type', 'const', 'enum', 'anyOf', 'oneOf']);

/** A value that does not fit, as much of it as a sentence needs. */
export interface Misfit {
  readonly keyword: string;
  readonly params: object;
  /** What the schema says of the place, in words. */
  readonly description: string | undefined;
  readonly value: unknown;
}

/** How the errors of a check are told, where that is otherwise than the checker does. */
export interface CheckOptions {
  /** How many are looked for, in place of the checker's eight. */
  readonly errorsMax: number;
  /** A sentence without its subject; null where the checker's own will do. */
  readonly words: (misfit: Misfit) => string | null;
}

/** Compiles a schema, once; what it answers may be called often. */
export function compileCheck(schema: TSchema, options?: CheckOptions): Check {
  const compiled = Compile(schema);
  if (options === undefined) return (value) => (compiled.Check(value) ? [] : describe(compiled.Errors(value), schema));
  return (value) => {
    if (compiled.Check(value)) return [];
    const errors = withErrorsMax(options.errorsMax, () => compiled.Errors(value));
    return describe(
      errors.map((error) => inWords(error, schema, value, options)),
      schema,
    );
  };
}

/** The checker knows one limit for all of a process, so it is another one only for this call. */
function withErrorsMax<Result>(errorsMax: number, work: () => Result): Result {
  const { maxErrors } = Settings.Get();
  Settings.Set({ maxErrors: errorsMax });
  try {
    return work();
  } finally {
    Settings.Set({ maxErrors });
  }
}

function inWords(error: SchemaError, schema: TSchema, value: unknown, { words }: CheckOptions): SchemaError {
  const { params, instancePath, schemaPath } = error;
  // That one of several kinds was not met says nothing: all of them are what may stand there.
  const whole = schemaPath.replace(/\/anyOf\/\d+$/, '');
  const keyword = whole === schemaPath || error.keyword !== 'type' ? error.keyword : 'anyOf';
  const { description } = schemaAt(schema, keyword === 'anyOf' ? whole : schemaPath);
  const message = words({ keyword, params, description, value: valueAt(value, instancePath) });
  return message === null ? error : { ...error, message };
}

function valueAt(value: unknown, pointer: string): unknown {
  return pointer
    .split('/')
    .slice(1)
    .reduce<unknown>((at, step) => (at as Record<string, unknown> | undefined)?.[plainStep(step)], value);
}

const plainStep = (step: string): string => step.replaceAll('~1', '/').replaceAll('~0', '~');

/**
 * The same for a schema that somebody else wrote: it is read anew for every value, since compiling
 * would make code of it.
 */
export function interpretedCheck(schema: TSchema): Check {
  return (value) => {
    const [fits, errors] = Errors(schema, value);
    return fits ? [] : describe(errors, schema);
  };
}

function describe(errors: readonly SchemaError[], schema: TSchema): FieldError[] {
  const found = new Map<string, string>();
  const lookedInto = placesLookedInto(errors);
  for (const error of errors) {
    if (OF_A_KIND.has(error.keyword) && lookedInto.has(error.instancePath)) continue;
    for (const { pointer, detail } of places(error, schema)) {
      // The first error of a place is the most specific: later ones (of an alternative, of the
      // whole) repeat it.
      if (!found.has(pointer)) found.set(pointer, detail);
    }
  }
  // Nothing may stand where the schema is `false`.
  if (found.size === 0) return errors.map(({ instancePath }) => ({ pointer: instancePath, detail: 'is not allowed' }));
  return [...found].map(([pointer, detail]) => ({ pointer, detail }));
}

/**
 * The values that some error looks into. An error that such a value is of the wrong kind is of an
 * alternative that it was not meant for, since another one takes its kind.
 */
function placesLookedInto(errors: readonly SchemaError[]): ReadonlySet<string> {
  const places = new Set<string>();
  for (const { keyword, instancePath } of errors) {
    if (keyword === 'additionalProperties' || keyword === 'required') places.add(instancePath);
    for (let place = instancePath; place !== '';) {
      place = place.slice(0, place.lastIndexOf('/'));
      places.add(place);
    }
  }
  return places;
}

function places({ keyword, instancePath, schemaPath, params, message }: SchemaError, schema: TSchema): FieldError[] {
  switch (keyword) {
    // Said again, and better, by `additionalProperties` of the object that the member stands in.
    case 'boolean':
      return [];
    case 'additionalProperties': {
      const known = Object.keys(propertiesAt(schema, schemaPath));
      const unknown = (params as { additionalProperties: string[] }).additionalProperties;
      return unknown.map((name) => ({
        pointer: `${instancePath}/${escapeStep(name)}`,
        detail: `is not known here${suggestion(name, known)}`,
      }));
    }
    case 'required':
      return (params as { requiredProperties: string[] }).requiredProperties.map((name) => ({
        pointer: `${instancePath}/${escapeStep(name)}`,
        detail: 'is required',
      }));
    case 'enum':
      return [
        {
          pointer: instancePath,
          detail: `must be one of ${(params as { allowedValues: unknown[] }).allowedValues.map((value) => JSON.stringify(value)).join(', ')}`,
        },
      ];
    case 'pattern': {
      // Few read patterns: where the schema says in words what it asks for, those come as well.
      const { description } = schemaAt(schema, schemaPath);
      return [{ pointer: instancePath, detail: description === undefined ? message : `${message}. ${description}` }];
    }
    default:
      return [{ pointer: instancePath, detail: message }];
  }
}

/** The properties that the schema at a path knows; empty where it has none. */
const propertiesAt = (schema: TSchema, schemaPath: string): object => schemaAt(schema, schemaPath).properties ?? {};

function schemaAt(
  schema: TSchema,
  schemaPath: string,
): { readonly properties?: object; readonly description?: string } {
  let at: unknown = schema;
  for (const step of schemaPath.split('/').slice(1))
    at = (at as Record<string, unknown> | undefined)?.[plainStep(step)];
  return at ?? {};
}

const escapeStep = (name: string): string => name.replaceAll('~', '~0').replaceAll('/', '~1');

function suggestion(name: string, known: readonly string[]): string {
  const plain = (text: string): string => text.toLowerCase().replaceAll(/[^a-z0-9]/g, '');
  const close = known.find((candidate) => isClose(plain(name), plain(candidate)));
  if (close !== undefined) return `; did you mean "${close}"?`;
  return known.length === 0 ? '' : `; known are ${known.join(', ')}`;
}

/**
 * Whether two names differ by no more than a slip: one letter more, less or other, or two that
 * changed places.
 */
function isClose(a: string, b: string): boolean {
  if (a === b) return true;
  if (Math.abs(a.length - b.length) > 1 || Math.min(a.length, b.length) < 4) return false;
  let start = 0;
  while (start < Math.min(a.length, b.length) && a[start] === b[start]) start += 1;
  let end = 0;
  while (end < Math.min(a.length, b.length) - start && a.at(-1 - end) === b.at(-1 - end)) end += 1;
  const [left, right] = [a.slice(start, a.length - end), b.slice(start, b.length - end)];
  return Math.max(left.length, right.length) <= 1 || (left.length === 2 && left === `${right[1]}${right[0]}`);
}
