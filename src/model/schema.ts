// The schemas of a model: what its inputs and outputs must look like, written as JSON Schema or in
// any library that follows Standard Schema.

import type { FieldError } from '../domain/errors.ts';
import type { Model, StandardSchema } from './define-model.ts';
import { schemaMistakes } from './json-schema.ts';

/** Misfits that a message names. The thousandth says nothing new. */
const MISFITS_NAMED_MAX = 5;

/**
 * The value to go on with, which a Standard Schema may have changed; or what does not fit, each
 * with its place.
 */
export type Checked = { readonly value: unknown } | { readonly misfits: readonly string[] };

/** Checks a value against a schema. */
export type SchemaCheck = (value: unknown) => Checked | Promise<Checked>;

/** The schemas of a model, ready to be used; null where the model has none. */
export interface ModelChecks {
  readonly input: SchemaCheck | null;
  readonly output: SchemaCheck | null;
}

/** Of a model without schemas. */
export const NO_CHECKS: ModelChecks = { input: null, output: null };

type JsonSchema = Readonly<Record<string, unknown>>;

/**
 * Makes the schemas of a model ready.
 *
 * @throws Error that names what is wrong with a schema, and where
 */
export async function checksOf({ schema }: Pick<Model, 'schema'>): Promise<ModelChecks> {
  if (schema === undefined) return NO_CHECKS;
  if (!isObject(schema)) throw new Error(`The model's schema must be an object: { input, output }.`);
  const other = Object.keys(schema).find((key) => key !== 'input' && key !== 'output');
  if (other !== undefined) throw new Error(`The model's schema has a key ${other}; it may have input and output.`);
  const { input, output } = schema;
  return {
    input: input === undefined ? null : await checkOf(input, 'schema.input'),
    output: output === undefined ? null : await checkOf(output, 'schema.output'),
  };
}

/**
 * One of a model's schemas as JSON Schema, to judge or describe a value without the model; null
 * where the model has none, or its library cannot say it so.
 */
export async function jsonSchemaOf(
  { schema }: Pick<Model, 'schema'>,
  side: 'input' | 'output',
): Promise<object | null> {
  const one = schema?.[side];
  if (one === undefined) return null;
  const where = `schema.${side}`;
  if (!isStandard(one)) return plain(one, where);
  try {
    // Throws where there is something that JSON Schema has no words for. Then the library alone
    // judges.
    const written = one['~standard'].jsonSchema?.[side]({ target: 'draft-2020-12' });
    if (written === undefined) return null;
    const asJsonSchema = plain(written, where);
    await jsonCheck(asJsonSchema, where);
    return asJsonSchema;
  } catch {
    return null;
  }
}

/** A sentence about what does not fit. `subject` begins it: `The input`. */
export function misfitSentence(subject: string, misfits: readonly string[]): string {
  const more = misfits.length - MISFITS_NAMED_MAX;
  const named = misfits.slice(0, MISFITS_NAMED_MAX).join('; ');
  return `${subject} does not fit the model's schema: ${named}${more > 0 ? `; and ${more} more` : ''}.`;
}

async function checkOf(schema: unknown, where: string): Promise<SchemaCheck> {
  if (isStandard(schema)) return standardCheck(schema);
  return jsonCheck(plain(schema, where), where);
}

async function jsonCheck(schema: JsonSchema, where: string): Promise<SchemaCheck> {
  const mistakes = schemaMistakes(schema);
  if (mistakes.length > 0)
    throw new Error(`The model's ${where} is no JSON Schema: ${sentencesOf(mistakes).join('; ')}.`);
  // Imported here, so that a replica of a model without one starts without the checker.
  const { compileCheck } = await import('../wire/validation.ts');
  const check = compileCheck(schema);
  try {
    check(null);
  } catch (cause) {
    throw new Error(`The model's ${where} cannot be used: ${cause instanceof Error ? cause.message : String(cause)}`, {
      cause,
    });
  }
  return (value) => {
    const errors = check(value);
    return errors.length === 0 ? { value } : { misfits: sentencesOf(errors) };
  };
}

const sentencesOf = (errors: readonly FieldError[]): string[] =>
  errors.map(({ pointer, detail }) => `${pointer === '' ? 'it' : pointer} ${detail}`);

function standardCheck({ '~standard': standard }: StandardSchema): SchemaCheck {
  return async (value) => {
    const result = await standard.validate(value);
    if (result.issues === undefined) return { value: result.value };
    return {
      misfits: result.issues.map(({ message, path }) => `${pointerOf(path)}${message.replace(/\.$/, '')}`),
    };
  };
}

/** Source: standardschema.dev, where a step of a path is a key, or an object that has it. */
function pointerOf(path: readonly (PropertyKey | { readonly key: PropertyKey })[] = []): string {
  const steps = path.map((step) => String(typeof step === 'object' ? step.key : step));
  const pointer = steps.map((step) => `/${step.replaceAll('~', '~0').replaceAll('/', '~1')}`).join('');
  return pointer === '' ? '' : `${pointer}: `;
}

/** The schema of some libraries is a function with members. */
function isStandard(schema: unknown): schema is StandardSchema {
  if ((typeof schema !== 'object' && typeof schema !== 'function') || schema === null) return false;
  const standard: unknown = (schema as Partial<StandardSchema>)['~standard'];
  return isObject(standard) && typeof standard['validate'] === 'function';
}

/**
 * A schema as it is sent to the server: a copy of JSON values, without what a library keeps beside
 * them.
 */
function plain(schema: unknown, where: string): JsonSchema {
  if (!isObject(schema)) throw new Error(`The model's ${where} must be a JSON Schema object, or a Standard Schema.`);
  try {
    return JSON.parse(JSON.stringify(schema)) as JsonSchema;
  } catch (cause) {
    throw new Error(`The model's ${where} is no JSON: ${cause instanceof Error ? cause.message : String(cause)}`, {
      cause,
    });
  }
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
