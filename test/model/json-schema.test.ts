import { describe, expect, test } from 'vitest';
import { schemaMistakes } from '../../src/model/json-schema.ts';

describe('a JSON Schema', () => {
  test.each([
    ['nothing', {}],
    [
      'keywords of every kind',
      { type: ['string', 'null'], pattern: '^a', enum: ['a', null], minLength: 0, format: 'email' },
    ],
    ['schemas in schemas', { properties: { a: { items: { anyOf: [true, { type: 'null' }] } }, b: false } }],
    ['keywords that nobody knows', { 'x-unit': 'mg', markdownDescription: 7, constructor: 1 }],
    [
      'values that look like broken schemas',
      { const: { type: 'nothing' }, default: { minLength: 'x' }, enum: [{ $ref: 7 }] },
    ],
    ['a property that is named like a keyword', { properties: { type: { type: 'string' }, required: true } }],
    ['a reference to itself', { properties: { next: { $ref: '#' } } }],
    ['a reference to a definition', { $ref: '#/$defs/a~1b%20c', $defs: { 'a/b c': { type: 'string' } } }],
    ['a reference to an anchor', { $ref: '#here', $defs: { a: { $anchor: 'here' } } }],
    ['a reference to an id', { $ref: 'part', $defs: { a: { $id: 'https://example.org/part' } } }],
    ['items as draft 7 has them', { items: [{ type: 'string' }], definitions: {} }],
  ])('with %s has no mistake', (_, schema) => {
    expect(schemaMistakes(schema)).toEqual([]);
  });

  test.each([
    ['/type', { type: 'nubmer' }],
    ['/type', { type: ['string', 'nil'] }],
    ['/properties', { properties: 3 }],
    ['/properties/a/type', { properties: { a: { type: 'text' } } }],
    ['/properties/a~1b/minLength', { properties: { 'a/b': { minLength: '3' } } }],
    ['/properties/a/items/1/maxItems', { properties: { a: { items: [true, { maxItems: -1 }] } } }],
    ['/anyOf', { anyOf: { type: 'string' } }],
    ['/allOf/0/required', { allOf: [{ required: 'name' }] }],
    ['/not/pattern', { not: { pattern: '(' } }],
    ['/patternProperties', { patternProperties: { '[': true } }],
    ['/patternProperties/^a/type', { patternProperties: { '^a': { type: 1 } } }],
    ['/exclusiveMinimum', { minimum: 1, exclusiveMinimum: true }],
    ['/multipleOf', { multipleOf: 0 }],
    ['/uniqueItems', { uniqueItems: 'yes' }],
    ['/additionalProperties/type', { additionalProperties: { type: 'any' } }],
    ['/$ref', { $ref: '#/$defs/b', $defs: { a: {} } }],
    ['/$ref', { $ref: '#/%zz' }],
    ['/items/$ref', { items: { $ref: 'https://example.org/elsewhere.json' } }],
    ['/$defs/a/enum', { $defs: { a: { enum: 'red' } } }],
  ])('has a mistake at %s: %j', (pointer, schema) => {
    expect(schemaMistakes(schema)).toEqual([{ pointer, detail: expect.any(String) as string }]);
  });

  test('has all of its mistakes named', () => {
    const schema = { type: 'obj', properties: { a: { type: 'str' }, b: { $ref: '#/a' } } };
    expect(schemaMistakes(schema).map(({ pointer }) => pointer)).toEqual([
      '/type',
      '/properties/a/type',
      '/properties/b/$ref',
    ]);
  });
});
