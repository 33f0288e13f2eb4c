import { describe, expect, test } from 'vitest';
import { Type } from 'typebox';
import { type Checked, checksOf, jsonSchemaOf, misfitSentence } from '../../src/model/schema.ts';
import type { Schema } from '../../src/model/define-model.ts';
import { numberUnder, numberUnderInJson, numberUnderLater } from '../fixtures/standard-schema.ts';

const check = async (input: Schema, value: unknown): Promise<Checked> =>
  (await checksOf({ schema: { input } })).input!(value);

describe('a JSON Schema', () => {
  test('gives back what fits, as it is', async () => {
    const value = { a: [1] };
    expect(await check({ properties: { a: { items: { type: 'number' } } } }, value)).toEqual({ value });
  });

  test.each([
    [{ type: 'object' }, 3, 'it must be object'],
    [{ properties: { a: { properties: { b: { type: 'number' } } } } }, { a: { b: '3' } }, '/a/b must be number'],
    [{ required: ['a'] }, {}, '/a is required'],
    [{ items: { enum: ['red', 'blue'] } }, ['red', 'green'], '/1 must be one of "red", "blue"'],
    [{ properties: { a: false } }, { a: 1 }, '/a is not allowed'],
    [{ items: { $ref: '#/$defs/x' }, $defs: { x: { type: 'null' } } }, [0], '/0 must be null'],
  ])('%j says of %j: %s', async (schema, value, misfit) => {
    expect(await check(schema, value)).toEqual({ misfits: [misfit] });
  });

  test("may be typebox's", async () => {
    const schema = Type.Object({ a: Type.Number() });
    expect(await check(schema, { a: '1' })).toEqual({ misfits: ['/a must be number'] });
    expect(await jsonSchemaOf({ schema: { input: schema } }, 'input')).toEqual({
      type: 'object',
      properties: { a: { type: 'number' } },
      required: ['a'],
    });
  });
});

describe('a Standard Schema', () => {
  test.each([
    ['at once', numberUnder('x')],
    ['later', numberUnderLater('x')],
  ])('that answers %s may change what fits, and names the place of what does not', async (_, schema) => {
    expect(await check(schema, { x: '2' })).toEqual({ value: { x: 2 } });
    expect(await check(schema, { x: 'two' })).toEqual({ misfits: ['/x: Expected a number, received "two"'] });
    expect(await check(schema, 'two')).toEqual({ misfits: ['Expected an object, received "two"'] });
  });

  test('may be a function with members', async () => {
    const schema = Object.assign(() => {}, numberUnder('x'));
    expect(await check(schema, { x: '2' })).toEqual({ value: { x: 2 } });
  });

  test('is known as JSON Schema where its library can say it so, and not where it cannot', async () => {
    expect(await jsonSchemaOf({ schema: { input: numberUnderInJson('x') } }, 'input')).toMatchObject({
      required: ['x'],
    });
    expect(await jsonSchemaOf({ schema: { input: numberUnder('x') } }, 'input')).toBeNull();
    const standard = numberUnder('x')['~standard'];
    const input = (): object => {
      throw new Error('A transformation cannot be said.');
    };
    const unable = { '~standard': { ...standard, jsonSchema: { input } } };
    expect(await jsonSchemaOf({ schema: { input: unable } }, 'input')).toBeNull();
  });
});

describe('a schema that cannot be used', () => {
  const circular: Record<string, unknown> = {};
  circular['not'] = circular;

  test.each([
    ['is none', 'string', 'schema.input must be a JSON Schema object, or a Standard Schema'],
    ['is a list', [], 'schema.input must be a JSON Schema object'],
    ['has a mistake', { type: 'nubmer' }, 'schema.input is no JSON Schema: /type must be one of array'],
    ['contains itself', circular, 'schema.input is no JSON'],
    ['has no end', { $ref: '#' }, 'schema.input cannot be used'],
  ])('because it %s is named', async (_, input, message) => {
    await expect(checksOf({ schema: { input: input as Schema } })).rejects.toThrow(message);
  });

  test('is named too as the schema of outputs, and under a key that there is not', async () => {
    await expect(checksOf({ schema: { output: { type: 7 } } })).rejects.toThrow(
      'schema.output is no JSON Schema: /type',
    );
    await expect(checksOf({ schema: { inputs: {} } as object })).rejects.toThrow('has a key inputs');
    await expect(checksOf({ schema: [] as object })).rejects.toThrow('must be an object: { input, output }');
  });
});

test('a sentence names a few misfits and counts the others', () => {
  const misfits = Array.from({ length: 1_000 }, (_, row) => `/${row} must be number`);
  expect(misfitSentence('The input', misfits)).toBe(
    "The input does not fit the model's schema: /0 must be number; /1 must be number; /2 must be number; /3 must be number; /4 must be number; and 995 more.",
  );
});
