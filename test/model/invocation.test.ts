import { describe, expect, test } from 'vitest';
import type { InvokeModel, Model, ModelContext, Row, RowModel } from '../../src/model/define-model.ts';
import { answer, type Answer } from '../../src/model/invocation.ts';
import { checksOf, NO_CHECKS } from '../../src/model/schema.ts';
import { numberUnder, numberUnderLater } from '../fixtures/standard-schema.ts';

const context: ModelContext<undefined> = {
  model: undefined,
  signal: new AbortController().signal,
  state: undefined,
  run: { id: 'r', attempt: 1, deadline: null, metadata: {} },
  progress: () => {},
  log: () => {},
};

/** What a model answers to a body. */
const ask = async (
  model: Model<undefined>,
  body: string | Uint8Array,
  contentType: string,
  accept: string | null = null,
): Promise<Answer> =>
  answer(model, {
    checks: await checksOf(model),
    body: typeof body === 'string' ? new TextEncoder().encode(body) : body,
    contentType,
    accept,
    context,
  });

const textOf = (reply: Answer): string => {
  if (reply.kind !== 'output') throw new Error(`The model answered ${reply.kind}: ${reply.detail}`);
  return new TextDecoder().decode(reply.bytes);
};
const invalid = (detail: string): unknown => ({
  kind: 'invalid-output',
  detail: expect.stringContaining(detail) as string,
});

describe('a model that takes rows', () => {
  const rows: RowModel<undefined> = { predict: (given) => given };
  const predicting = (predict: (given: Row[]) => unknown): RowModel<undefined> => ({
    predict: predict as RowModel<undefined>['predict'],
  });

  test.each([
    [
      'text/csv',
      'a,b\n1,x\n2,"y,z"\n',
      [
        { a: '1', b: 'x' },
        { a: '2', b: 'y,z' },
      ],
    ],
    ['text/csv; charset=utf-8', 'a\n00\n', [{ a: '00' }]],
    ['application/jsonlines', '{"a":1}\n{"a":null}\n', [{ a: 1 }, { a: null }]],
    ['application/x-ndjson', '{"a":1}', [{ a: 1 }]],
    ['application/json', '[{"a":1},{"b":[2]}]', [{ a: 1 }, { b: [2] }]],
    ['application/json', '[]', []],
    ['text/csv', 'a\n', []],
  ])('is given the rows of %s: %j', async (contentType, body, expected) => {
    let given: Row[] | null = null;
    await ask(
      predicting((seen) => (given = seen)),
      body,
      contentType,
    );
    expect(given).toEqual(expected);
  });

  test.each([
    ['text/csv', null, 'text/csv', 'a\n1\n2\n'],
    ['text/csv', 'application/jsonlines', 'application/jsonlines', '{"a":"1"}\n{"a":"2"}\n'],
    ['text/csv', 'application/json', 'application/json', '[{"a":"1"},{"a":"2"}]'],
    ['text/csv', 'application/x-ndjson', 'application/jsonlines', '{"a":"1"}\n{"a":"2"}\n'],
    ['text/csv', 'image/png', 'text/csv', 'a\n1\n2\n'],
  ])(
    'answers %s with the format of Accept (%s), else with its own: %s',
    async (type, accept, expectedType, expected) => {
      const reply = await ask(rows, 'a\n1\n2\n', type, accept);
      expect(reply).toMatchObject({ kind: 'output', contentType: expectedType });
      expect(expectedType === 'application/json' ? JSON.stringify(JSON.parse(textOf(reply))) : textOf(reply)).toBe(
        expected,
      );
    },
  );

  test('answers one object with one object, so that it can be tried with one', async () => {
    expect(textOf(await ask(rows, '{"a":1}', 'application/json'))).toBe('{"a":1}');
    expect(textOf(await ask(rows, ' {"a":1}', 'application/json', 'text/csv'))).toBe('a\n1\n');
  });

  test('is handed its context', async () => {
    const model: RowModel<string> = {
      predict: (given, { model: loaded, run }) => given.map(() => ({ loaded, id: run.id })),
    };
    const reply = await answer(model, {
      checks: NO_CHECKS,
      body: new TextEncoder().encode('[{}]'),
      contentType: 'application/json',
      accept: null,
      context: { ...context, model: 'weights' },
    });
    expect(JSON.parse(textOf(reply))).toEqual([{ loaded: 'weights', id: 'r' }]);
  });

  test('keeps the order of columns whose names are whole numbers, which objects do not', async () => {
    const scored = predicting((given: Row[]) => given.map((row) => ({ score: 1, ...row })));
    const reply = await ask(scored, 'smiles,1,0,name\nC,0,1,x\n', 'text/csv');
    expect(textOf(reply)).toBe('smiles,1,0,name,score\nC,0,1,x,1\n');
    const named = await ask(scored, 'smiles,a1,name\nC,0,x\n', 'text/csv');
    expect(textOf(named)).toBe('score,smiles,a1,name\n1,C,0,x\n');
    for (const row of [null, 7])
      expect(
        await ask(
          predicting(() => [row]),
          '0\n1\n',
          'text/csv',
        ),
      ).toEqual(invalid('output row is'));
  });

  test.each([
    ['fewer rows', (given: Row[]) => given.slice(1), 'given 2 rows and returned 1'],
    ['more rows', (given: Row[]) => [...given, {}], 'given 2 rows and returned 3'],
    ['no rows', () => undefined, 'array of rows'],
    ['an object', () => ({ length: 2 }), 'array of rows'],
    ['what is no row', () => [{ a: 1 }, 7], 'ow 2'],
    ['promises of rows', (given: Row[]) => given.map(async (row) => row), 'ow 1 is a Promise that nobody has awaited'],
    ['NaN', () => [{ a: 1 }, { a: 1, score: Number.NaN }], 'score'],
    ['undefined', () => [{ a: 1 }, { a: 1, score: undefined }], 'Row 2, column "score": the value is undefined'],
    ['undefined in an array', () => [{ a: 1 }, { a: [1, undefined] }], 'Row 2, column "a": the value holds undefined'],
    ['an infinite number', () => [{ a: 1 }, { a: Number.POSITIVE_INFINITY }], 'a'],
  ])('that returns %s has an invalid output, and the place is named', async (_, predict, says) => {
    for (const accept of ['text/csv', 'application/jsonlines', 'application/json'])
      expect(await ask(predicting(predict), 'a\n1\n2\n', 'text/csv', accept)).toEqual(invalid(says));
  });

  test('names the row of what cannot be written', async () => {
    const reply = await ask(
      predicting(() => [{ a: 1 }, { score: Number.NaN }]),
      'a\n1\n2\n',
      'text/csv',
    );
    expect(reply).toEqual(invalid('2'));
  });

  test('says of a row that is alone no number, which would be taken for its place in its table', async () => {
    const answers = [[{ a: Number.NaN }], [7], []];
    const said = await Promise.all(
      answers.map(async (answer) =>
        ask(
          predicting(() => answer),
          'a\n1\n',
          'text/csv',
        ),
      ),
    );
    expect(said.map((reply) => ('detail' in reply ? reply.detail.split(/[:;]/, 1)[0] : null))).toEqual([
      'The output row, column "a"',
      'The output row is a number',
      'predict() was given a row and returned 0.',
    ]);
  });

  test('that throws has failed with its own message', async () => {
    const throwing = (error: unknown) =>
      ask(
        predicting(() => {
          throw error;
        }),
        'a\n1\n',
        'text/csv',
      );
    expect(await throwing(new Error('No such atom.'))).toEqual({ kind: 'model-error', detail: 'No such atom.' });
    expect(await throwing(new TypeError())).toEqual({ kind: 'model-error', detail: 'TypeError' });
    expect(await throwing('a text')).toEqual({ kind: 'model-error', detail: 'The model threw a text.' });
    expect(
      await ask(
        predicting(() => Promise.reject(new Error('later'))),
        'a\n1\n',
        'text/csv',
      ),
    ).toEqual({
      kind: 'model-error',
      detail: 'later',
    });
  });

  test.each(['image/png', 'text/plain', ''])('refuses %s, and says what it takes', async (contentType) => {
    expect(await ask(rows, 'x', contentType)).toMatchObject({
      kind: 'model-error',
      detail: expect.stringContaining('CSV, JSON Lines, JSON records') as string,
    });
  });

  test.each([
    ['text/csv', 'a,b\n1\n', 'line 2'],
    ['application/json', '[{"a":1},', 'line 1'],
    ['application/json', '{"a":', ''],
    ['application/json', '7', ''],
  ])('fails for a table that is none (%s), with its place', async (contentType, body, place) => {
    expect(await ask(rows, body, contentType)).toMatchObject({
      kind: 'model-error',
      detail: expect.stringContaining(place) as string,
    });
  });
});

describe('a model that takes anything', () => {
  const invoking = (invoke: (input: unknown) => unknown): InvokeModel<undefined> => ({ invoke });

  test('is given the value of JSON', async () => {
    let given: unknown;
    await ask(
      invoking((input) => (given = input)),
      '{"a":[1,"x",null]}',
      'application/json; charset=utf-8',
    );
    expect(given).toEqual({ a: [1, 'x', null] });
  });

  test('is given the bytes of everything else', async () => {
    const bytes = Uint8Array.from({ length: 256 }, (_, byte) => byte);
    let given: unknown;
    const reply = await ask(
      invoking((input) => (given = input)),
      bytes,
      'image/png',
    );
    expect(given).toEqual(bytes);
    expect(reply).toEqual({ kind: 'output', contentType: 'application/octet-stream', bytes });
  });

  test('answers bytes as the type that was asked for', async () => {
    expect(
      await ask(
        invoking(() => Uint8Array.of(1)),
        'null',
        'application/json',
        'image/png',
      ),
    ).toMatchObject({
      contentType: 'image/png',
    });
  });

  test.each([
    [{ a: 1 }, '{"a":1}'],
    ['text', '"text"'],
    [0, '0'],
    [false, 'false'],
    [null, 'null'],
    [undefined, 'null'],
    [[], '[]'],
    [new Date(0), '"1970-01-01T00:00:00.000Z"'],
    [{ embedding: Float32Array.of(0.5, 2) }, '{"embedding":[0.5,2]}'],
    [Object.create(null, { a: { value: 1, enumerable: true } }), '{"a":1}'],
  ])('answers %j as JSON', async (value, text) => {
    const reply = await ask(
      invoking(() => value),
      'null',
      'application/json',
    );
    expect(reply).toMatchObject({ contentType: 'application/json' });
    expect(textOf(reply)).toBe(text);
  });

  test('may answer later', async () => {
    expect(
      textOf(
        await ask(
          invoking(() => Promise.resolve(1)),
          'null',
          'application/json',
        ),
      ),
    ).toBe('1');
  });

  class Hidden {
    readonly #a = 1;
    get a(): number {
      return this.#a;
    }
  }
  const circle: unknown[] = [];
  circle.push(circle);
  test.each([
    ['NaN', { score: Number.NaN }, 'score'],
    ['NaN further down', { a: [{ score: Number.NaN }] }, 'score'],
    ['an infinite number in a list', [1, Number.NEGATIVE_INFINITY], '1'],
    ['a bare NaN', Number.NaN, 'NaN'],
    ['a function', () => 1, 'function'],
    ['a symbol', Symbol('x'), 'symbol'],
    ['undefined in an array', { scores: [1, undefined] }, 'undefined at place 1'],
    ['a number too large for JSON', { big: 2n ** 64n }, 'BigInt'],
    ['a circle', circle, 'circular'],
    ['a date that is not valid', { at: new Date(Number.NaN) }, 'a date at "at" that is not valid'],
    ['NaN in a typed array', { a: Float64Array.of(Number.NaN) }, 'NaN'],
    ['a map', { counts: new Map([['a', 1]]) }, 'a Map at "counts"'],
    ['a set in a list', [new Set([1])], 'a Set at "0"'],
    ['a promise', { later: Promise.resolve(1) }, 'a Promise at "later"'],
    ['an object that has getters alone', { a: new Hidden() }, 'a Hidden without members of its own at "a"'],
    ['an error with a code', { e: Object.assign(new Error('no'), { code: 1 }) }, 'a Error at "e", which JSON would'],
    ['a function inside', { f: () => 1 }, 'a function at "f", which JSON would leave out'],
  ])('that returns %s has an invalid output, and the place is named', async (_, value, says) => {
    expect(
      await ask(
        invoking(() => value),
        'null',
        'application/json',
      ),
    ).toEqual(invalid(says));
  });

  test('that throws has failed with its own message', async () => {
    const throwing = invoking(() => {
      throw new Error('No.');
    });
    expect(await ask(throwing, 'null', 'application/json')).toEqual({ kind: 'model-error', detail: 'No.' });
  });

  test('fails for JSON that is none', async () => {
    expect(
      await ask(
        invoking((input) => input),
        '{',
        'application/json',
      ),
    ).toMatchObject({ kind: 'model-error' });
  });
});

describe('the schemas of a model', () => {
  const order = { type: 'object', properties: { a: { properties: { b: { type: 'number' } } } } };
  const misfit = (kind: string, detail: string): unknown => ({ kind, detail: `${detail}.` });

  test('keep an input that does not fit from the model', async () => {
    let calls = 0;
    const model: InvokeModel<undefined> = { schema: { input: order }, invoke: () => (calls += 1) };
    expect(await ask(model, '{"a":{"b":"1"}}', 'application/json')).toEqual(
      misfit('model-error', "The input does not fit the model's schema: /a/b must be number"),
    );
    expect(calls).toBe(0);
    expect(textOf(await ask(model, '{"a":{"b":1}}', 'application/json'))).toBe('1');
  });

  test('hand the model what a Standard Schema makes of the input', async () => {
    const model: InvokeModel<undefined> = { schema: { input: numberUnderLater('x') }, invoke: (input) => input };
    expect(textOf(await ask(model, '{"x":"7"}', 'application/json'))).toBe('{"x":7}');
    expect(await ask(model, '{"x":"y"}', 'application/json')).toEqual(
      misfit('model-error', `The input does not fit the model's schema: /x: Expected a number, received "y"`),
    );
  });

  test('say nothing of bytes, which come in and go out as they are', async () => {
    const model: InvokeModel<undefined> = { schema: { input: order, output: order }, invoke: (input) => input };
    expect(textOf(await ask(model, 'bytes', 'image/png'))).toBe('bytes');
  });

  test('make an output that does not fit invalid', async () => {
    const model: InvokeModel<undefined> = { schema: { output: order }, invoke: () => ({ a: { b: null } }) };
    expect(await ask(model, '1', 'application/json')).toEqual(
      misfit('invalid-output', "The output does not fit the model's schema: /a/b must be number"),
    );
  });

  test('name the row and the column of a table', async () => {
    const model: RowModel<undefined> = { schema: { input: numberUnder('price') }, predict: (rows) => rows };
    expect(await ask(model, 'price\n1\n2\nmuch\n', 'text/csv')).toEqual(
      misfit(
        'model-error',
        `Row 3 of the input does not fit the model's schema: /price: Expected a number, received "much"`,
      ),
    );
    expect(await ask(model, 'price\nmuch\n', 'text/csv')).toEqual(
      misfit(
        'model-error',
        `The input row does not fit the model's schema: /price: Expected a number, received "much"`,
      ),
    );
  });

  test('turn the text of a CSV into what the model works with', async () => {
    const model: RowModel<undefined> = {
      schema: { input: numberUnder('price') },
      predict: (rows) => rows.map(({ price }) => ({ type: typeof price })),
    };
    expect(textOf(await ask(model, 'price\n1\n', 'text/csv'))).toBe('type\nnumber\n');
  });

  test('name the row of an output, and put what they make of one in its place', async () => {
    const model: RowModel<undefined> = { schema: { output: numberUnder('price') }, predict: (rows) => rows };
    expect(textOf(await ask(model, '[{"price":"1"},{"price":2}]', 'application/json'))).toBe(
      '[{"price":1},{"price":2}]',
    );
    expect(await ask(model, '[{"price":1},{}]', 'application/json')).toEqual(
      misfit(
        'invalid-output',
        "Row 2 of the output does not fit the model's schema: /price: Expected a number, received nothing",
      ),
    );
  });
});
