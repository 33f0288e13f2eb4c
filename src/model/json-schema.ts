// Mistakes of a JSON Schema. A checker takes a keyword that it cannot read for one that is not
// there, so a slip of the pen would let everything through.

import type { FieldError } from '../domain/errors.ts';

/** What may stand behind a keyword, in words, and how it is told. */
type Rule = readonly [wanted: string, fits: (value: unknown) => boolean];

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const isSchema = (value: unknown): boolean => isObject(value) || typeof value === 'boolean';
const isListOf = (value: unknown, fits: (one: unknown) => boolean): boolean =>
  Array.isArray(value) && value.every(fits);
const isText = (value: unknown): boolean => typeof value === 'string';
const isCount = (value: unknown): boolean => Number.isInteger(value) && (value as number) >= 0;
const isPattern = (value: unknown): boolean => {
  if (typeof value !== 'string') return false;
  try {
    return new RegExp(value, 'u').source !== '';
  } catch {
    return false;
  }
};

const TYPES = ['array', 'boolean', 'integer', 'null', 'number', 'object', 'string'];
const isType = (value: unknown): boolean => TYPES.includes(value as string);

const SCHEMA: Rule = ['must be a schema: an object, true or false', isSchema];
const SCHEMAS: Rule = ['must be a list of schemas', (value) => isListOf(value, isSchema)];
const NAMED_SCHEMAS: Rule = [
  'must be an object of schemas',
  (value) => isObject(value) && Object.values(value).every(isSchema),
];
const NUMBER: Rule = ['must be a number', Number.isFinite];
const COUNT: Rule = ['must be a whole number from 0', isCount];
const FLAG: Rule = ['must be true or false', (value) => typeof value === 'boolean'];
const TEXT: Rule = ['must be a string', isText];

/**
 * Source: JSON Schema 2020-12, core and validation; `items` as a list and `definitions` are of
 * draft 7, which checkers still take.
 */
const RULES: Readonly<Record<string, Rule>> = {
  type: [`must be one of ${TYPES.join(', ')}, or a list of them`, (value) => isType(value) || isListOf(value, isType)],
  enum: ['must be a list', Array.isArray],
  required: ['must be a list of names', (value) => isListOf(value, isText)],
  pattern: ['must be a regular expression', isPattern],
  format: TEXT,
  $ref: TEXT,
  $id: TEXT,
  $anchor: TEXT,
  items: ['must be a schema, or a list of schemas', (value) => isSchema(value) || isListOf(value, isSchema)],
  patternProperties: [
    'must be an object of schemas under regular expressions',
    (value) => isObject(value) && Object.entries(value).every(([name, one]) => isPattern(name) && isSchema(one)),
  ],
  multipleOf: ['must be a number above 0', (value) => Number.isFinite(value) && (value as number) > 0],
  uniqueItems: FLAG,
  ...under(NUMBER, ['minimum', 'maximum', 'exclusiveMinimum', 'exclusiveMaximum']),
  ...under(COUNT, ['minLength', 'maxLength', 'minItems', 'maxItems', 'minContains', 'maxContains']),
  ...under(COUNT, ['minProperties', 'maxProperties']),
  ...under(SCHEMA, [
    'additionalProperties',
    'additionalItems',
    'propertyNames',
    'contains',
    'not',
    'if',
    'then',
    'else',
  ]),
  ...under(SCHEMA, ['unevaluatedItems', 'unevaluatedProperties']),
  ...under(SCHEMAS, ['allOf', 'anyOf', 'oneOf', 'prefixItems']),
  ...under(NAMED_SCHEMAS, ['properties', 'dependentSchemas', '$defs', 'definitions']),
};

function under(rule: Rule, keywords: readonly string[]): Record<string, Rule> {
  return Object.fromEntries(keywords.map((keyword) => [keyword, rule]));
}

/** Keywords that hold schemas: alone, in a list, or under names. */
const HOLDERS = new Set(
  Object.keys(RULES).filter(
    (keyword) =>
      keyword === 'items' ||
      keyword === 'patternProperties' ||
      [SCHEMA, SCHEMAS, NAMED_SCHEMAS].includes(RULES[keyword]!),
  ),
);

/** One schema, the whole or a part, and the place where it stands. */
interface Part {
  readonly schema: Readonly<Record<string, unknown>>;
  readonly place: string;
}

/**
 * What is wrong with a JSON Schema, with its place; an empty list where nothing is. Keywords that
 * are not known are notes, as the standard has it.
 *
 * @param root made of JSON values alone
 */
export function schemaMistakes(root: Readonly<Record<string, unknown>>): FieldError[] {
  const parts = partsOf({ schema: root, place: '' });
  const names = parts.flatMap(({ schema: { $id, $anchor } }) => [
    ...(typeof $id === 'string' ? [$id] : []),
    ...(typeof $anchor === 'string' ? [`#${$anchor}`] : []),
  ]);
  return parts.flatMap((part) => [...keywordMistakes(part), ...referenceMistakes(part, root, names)]);
}

function partsOf(part: Part): Part[] {
  const inner = Object.entries(part.schema)
    .filter(([keyword]) => HOLDERS.has(keyword))
    .flatMap(([keyword, held]) => {
      const place = `${part.place}/${keyword}`;
      if (isObject(held) && RULES[keyword] !== NAMED_SCHEMAS && keyword !== 'patternProperties')
        return [{ schema: held, place }];
      if (typeof held !== 'object' || held === null) return [];
      return Object.entries(held).flatMap(([name, schema]) =>
        isObject(schema) ? [{ schema, place: `${place}/${escapeStep(name)}` }] : [],
      );
    });
  return [part, ...inner.flatMap(partsOf)];
}

function keywordMistakes({ schema, place }: Part): FieldError[] {
  return Object.entries(schema).flatMap(([keyword, value]) => {
    const rule = Object.hasOwn(RULES, keyword) ? RULES[keyword]! : null;
    return rule === null || rule[1](value) ? [] : [{ pointer: `${place}/${keyword}`, detail: rule[0] }];
  });
}

/** Nothing is fetched, so a reference must lead to a place of the same schema. */
function referenceMistakes({ schema: { $ref }, place }: Part, root: object, names: readonly string[]): FieldError[] {
  if (typeof $ref !== 'string' || leadsSomewhere($ref, root, names)) return [];
  return [{ pointer: `${place}/$ref`, detail: `leads to ${$ref}, which is no place of this schema` }];
}

function leadsSomewhere(reference: string, root: object, names: readonly string[]): boolean {
  if (reference === '#') return true;
  if (reference.startsWith('#/')) return isSchema(valueAt(root, reference));
  const name = reference.startsWith('#') ? reference : reference.split('#')[0]!;
  return names.some((known) => known === name || known.endsWith(`/${name}`));
}

function valueAt(root: object, reference: string): unknown {
  let at: unknown = root;
  for (const step of decoded(reference).split('/').slice(1)) {
    if (typeof at !== 'object' || at === null) return undefined;
    at = (at as Readonly<Record<string, unknown>>)[unescapeStep(step)];
  }
  return at;
}

const escapeStep = (name: string): string => name.replaceAll('~', '~0').replaceAll('/', '~1');

const unescapeStep = (step: string): string => step.replaceAll('~1', '/').replaceAll('~0', '~');

/** A reference is part of a URL; one that cannot be decoded stands for itself. */
function decoded(reference: string): string {
  try {
    return decodeURIComponent(reference);
  } catch {
    return reference;
  }
}
