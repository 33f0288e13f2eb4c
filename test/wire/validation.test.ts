import { Type } from 'typebox';
import { expect, test } from 'vitest';
import { compileCheck } from '../../src/wire/validation.ts';

const check = compileCheck(
  Type.Object({
    batch: Type.Optional(
      Type.Union([
        Type.Boolean(),
        Type.Object(
          { size: Type.Optional(Type.Integer()), order: Type.Optional(Type.Array(Type.Integer())) },
          { additionalProperties: false },
        ),
      ]),
    ),
  }),
);

test('what one alternative takes is not said to be of the wrong kind for another', () => {
  expect(check({ batch: { size: 1.5 } })).toEqual([{ pointer: '/batch/size', detail: 'must be integer' }]);
  expect(check({ batch: { order: [1, 2.5] } })).toEqual([{ pointer: '/batch/order/1', detail: 'must be integer' }]);
  expect(check({ batch: { sise: 3 } })).toEqual([
    { pointer: '/batch/sise', detail: 'is not known here; did you mean "size"?' },
  ]);
});

test('a text of another form is told in words as well, where the schema has some', () => {
  const named = (schema: object) => compileCheck(Type.Object({ name: Type.String({ pattern: '^a$', ...schema }) }));
  expect(named({ description: 'An a.' })({ name: 'b' })).toEqual([
    { pointer: '/name', detail: 'must match pattern "^a$". An a.' },
  ]);
  expect(named({})({ name: 'b' })).toEqual([{ pointer: '/name', detail: 'must match pattern "^a$"' }]);
});

test('what no alternative takes is said to be of the wrong kind', () => {
  expect(check({ batch: 'yes' })).toMatchObject([{ pointer: '/batch' }]);
  expect(check({ batch: { size: 1 } })).toEqual([]);
});
