import { Type } from 'typebox';
import { expect, test } from 'vitest';
import { ServiceError } from '../../../src/domain/errors.ts';
import { parseQuery, queryReader } from '../../../src/http/request/query.ts';

const read = queryReader(
  Type.Object(
    {
      limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 10 })),
      wait: Type.Optional(Type.Number({ minimum: 0 })),
      async: Type.Optional(Type.Boolean()),
      run_name: Type.Optional(Type.String()),
    },
    { additionalProperties: false },
  ),
);

/** The problem that a query is refused with. */
function refusal(query: unknown): ServiceError {
  try {
    read(query);
  } catch (error) {
    if (error instanceof ServiceError) return error;
    throw error;
  }
  throw new Error('The query was taken.');
}

test('texts become the numbers and booleans that the schema asks for', () => {
  expect(read({ limit: '5', wait: '0.25', async: 'false', run_name: 'a' })).toEqual({
    limit: 5,
    wait: 0.25,
    async: false,
    run_name: 'a',
  });
});

test.each([
  ['wait', '0.30000000000000004', 0.1 + 0.2],
  ['wait', '1e1', 10],
  ['wait', '1E+1', 10],
  ['wait', '1e-7', 1e-7],
  ['wait', '3.3333333333333335', 10 / 3],
  ['wait', '0.1000000000000000055511151231257827', 0.1],
  ['wait', '9223372036854775808', 2 ** 63],
  ['wait', '-0', -0],
  ['limit', '1e1', 10],
  ['limit', '10.0', 10],
  ['limit', '0.5e1', 5],
  ['limit', '05', 5],
])('%s=%s is the number that it is in a body', (name, text, value) => {
  expect(read({ [name]: text })).toEqual({ [name]: value });
});

test('a text that looks like a number stays a text where a text is asked for', () => {
  expect(read({ run_name: '007' })).toEqual({ run_name: '007' });
});

test.each([
  ['limit', '0'],
  ['limit', '11'],
  ['limit', '-1'],
  ['limit', '1.5'],
  ['limit', '1e2'],
  ['limit', '1e'],
  ['limit', '.5'],
  ['limit', '5.'],
  ['limit', '+5'],
  ['limit', '1_0'],
  ['limit', '0x5'],
  ['limit', ' 5'],
  ['limit', '٣'],
  ['limit', 'NaN'],
  ['limit', ''],
  ['limit', '99999999999999999999'],
  ['wait', '-0.5'],
  ['wait', 'Infinity'],
  ['wait', '1e400'],
  ['async', 'yes'],
  ['async', '1'],
  ['async', 'TRUE'],
])('%s=%s is refused, with its place', (name, value) => {
  const problem = refusal({ [name]: value });
  expect(problem.slug).toBe('invalid-request');
  expect(problem.extras.errors).toMatchObject([{ pointer: `query:${name}` }]);
  expect(problem.message).toContain(name);
});

test('a parameter that is given twice is refused, and not taken for its first or its last value', () => {
  expect(refusal({ limit: ['1', '2'] }).extras.errors).toEqual([
    { pointer: 'query:limit', detail: 'is given more than once' },
  ]);
});

test('a parameter that is not known is refused, with the one that was probably meant', () => {
  expect(refusal({ runName: 'a' }).message).toContain('did you mean "run_name"?');
});

test('every mistake is named at once', () => {
  expect(refusal({ limit: '0', wait: 'x', colour: 'red' }).extras.errors).toHaveLength(3);
});

test.each([
  ['a NUL character', 'a\0b'],
  ['half a surrogate pair', 'a\ud800b'],
  ['a line end', 'a\nb'],
  ['another control character', 'a\u0085b'],
])('a text with %s is refused, with its place', (_what, run_name) => {
  const problem = refusal({ run_name });
  expect(problem.slug).toBe('invalid-request');
  expect(problem.extras.errors).toMatchObject([{ pointer: 'query:run_name' }]);
});

test('a text of any language is read as it was meant', () => {
  expect(read(parseQuery('run_name=%D0%B6+%F0%9F%98%80%20%26'))).toEqual({ run_name: 'ж 😀 &' });
});

test.each(['%FF', 'a%FE', '%C3', '%', '%zz', '%ED%A0%80', '%C0%80'])(
  'run_name=%s is refused, and not taken for another text: its bytes are no UTF-8',
  (text) => {
    const problem = refusal(parseQuery(`run_name=${text}`));
    expect(problem.slug).toBe('invalid-request');
    expect(problem.extras.errors).toMatchObject([{ pointer: 'query:run_name' }]);
  },
);
