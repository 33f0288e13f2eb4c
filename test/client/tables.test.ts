import * as flechette from '@uwdata/flechette';
import * as apache from 'apache-arrow';
import fc from 'fast-check';
import pl from 'nodejs-polars';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { InferenceCache } from '../../src/client/cache/inference-cache.ts';
import { connect } from '../../src/client/connect.ts';
import { InvalidRequestError, MalformedBodyError } from '../../src/client/errors.ts';
import type { Content } from '../../src/client/content.ts';
import type { Endpoint } from '../../src/client/endpoint.ts';
import { openTable } from '../../src/client/tables.ts';
import { textRowsFrom } from '../../src/table/text-rows.ts';
import { BORDER_TYPES, TableError } from '../../src/table/format.ts';
import { decodeRows, encodeRows, type Row } from '../../src/table/rows.ts';
import { arrowTable } from '../table/arrow/arbitrary.ts';
import { arrowOf, contentOf } from '../table/arrow/tables.ts';
import { hasPython } from '../support/python.ts';
import { startTestService, type TestService } from '../support/service.ts';

const REPLICAS = { max: 1, concurrency: 4 };
const SIZES = [1, 3, 10, 100];

let service: TestService;
const endpoint = (name: string): Endpoint => connect({ url: service.url }).endpoint(name);

beforeAll(async () => {
  service = await startTestService({
    endpoints: {
      // Rows come back as they went in; the second is a program whose integers have no end, the
      // third never looks at what it is given.
      rows: { model: './careful-rows.ts', replicas: REPLICAS },
      ...(hasPython && { python: { model: './careful-rows.py', replicas: REPLICAS } }),
      bytes: { model: './anything.ts', replicas: REPLICAS },
      described: { model: './described-rows.ts', replicas: REPLICAS },
      echo: { model: './echo.ts', replicas: REPLICAS, retry: { maxAttempts: 1 } },
    },
  });
});
afterAll(() => service.stop());

const batchSize = fc.constantFrom(...SIZES);
const text = fc.oneof(
  fc.constantFrom('', '"', ',', '\n', '\r\n', ' ', 'NA', 'null', '007', '1e5', '\uFEFF', '😀', 'é,"\n'),
  fc.string({ unit: 'grapheme' }).map((given) => given.replaceAll('\0', '')),
);
const name = text.filter((given) => given !== '' && given !== 'inference_error' && given !== 'fail');
const value = fc.oneof(
  text,
  fc.double({ noNaN: true, noDefaultInfinity: true }).map((given) => given + 0),
  fc.integer(),
  fc.boolean(),
  fc.constant(null),
  fc.array(fc.oneof(text, fc.integer()), { maxLength: 3 }),
);

/** Rows that all have the same columns. */
const tableOf = (values: fc.Arbitrary<unknown>): fc.Arbitrary<Row[]> =>
  fc.uniqueArray(name, { minLength: 1, maxLength: 4 }).chain((columns) => {
    const row = fc.array(values, { minLength: columns.length, maxLength: columns.length });
    return fc
      .array(row, { minLength: 1, maxLength: 8 })
      .map((rows) => rows.map((made) => Object.fromEntries(columns.map((column, k) => [column, made[k]]))));
  });

describe('any table comes back unchanged, in chunks of any size', () => {
  test('rows, of everything that JSON has', async () => {
    await fc.assert(
      fc.asyncProperty(tableOf(value), batchSize, async (rows, size) => {
        expect(await endpoint('rows').inference(rows, { batchSize: size })).toEqual(rows);
      }),
      { numRuns: 40 },
    );
  });

  test.each(['csv', 'jsonl', 'json'] as const)('%s, of strings', async (format) => {
    await fc.assert(
      fc.asyncProperty(tableOf(text), batchSize, async (rows, size) => {
        const content = { bytes: encodeRows(rows, format), contentType: BORDER_TYPES[format] };
        const back = await endpoint('rows').inference(content, { batchSize: size });
        expect(back.contentType).toBe(content.contentType);
        expect(decodeRows(back.bytes, format)).toEqual(rows);
      }),
      { numRuns: 25 },
    );
  });

  const arrow = (endpointName: string, range: 'safe' | 'every') =>
    fc.assert(
      fc.asyncProperty(arrowTable(range), batchSize, async (bytes, size) => {
        const contentType = BORDER_TYPES.arrow;
        const back = await endpoint(endpointName).inference({ bytes, contentType }, { batchSize: size });
        expect(back.contentType).toBe(contentType);
        expect(contentOf(back.bytes)).toEqual(contentOf(bytes));
      }),
      { numRuns: 40 },
    );

  test('Arrow, through a model in TypeScript', () => arrow('rows', 'safe'));
  test('Arrow, through a model that hands on what it is given', () => arrow('bytes', 'every'));
  test.skipIf(!hasPython)('Arrow, through a model in Python', () => arrow('python', 'every'));
});

describe('a table of a library is answered with one of that library', () => {
  test('a frame of Polars', async () => {
    const frame = pl
      .DataFrame({ id: [1, 2, 3], s: ['x', null, 'é'], at: [new Date(0), new Date(1), null] })
      .withColumns(pl.col('id').cast(pl.Int16), pl.col('s').cast(pl.Categorical).alias('category'));
    const back = await endpoint('echo').inference(frame, { batchSize: 2 });
    expect(back.drop('seen').frameEqual(frame)).toBe(true);
    expect(back.drop('seen').schema).toEqual(frame.schema);
    expect(back.getColumn('seen').toArray()).toEqual([true, true, true]);
  });

  test('a table of Apache Arrow', async () => {
    const table = apache.tableFromArrays({ id: Int16Array.of(1, 2, 3), s: ['x', null, 'é'] });
    const back = await endpoint('echo').inference(table, { batchSize: 2 });
    expect(back).toBeInstanceOf(apache.Table);
    expect(back.toArray().map(String)).toEqual([
      '{"id": 1, "s": "x", "seen": true}',
      '{"id": 2, "s": null, "seen": true}',
      '{"id": 3, "s": "é", "seen": true}',
    ]);
    expect(String(back.schema.fields[0]!.type)).toBe('Int16');
  });

  test('a table of flechette, with bigints where it had bigints', async () => {
    const table = flechette.tableFromArrays({ id: [1n, 2n], s: ['x', 'y'] }, { useBigInt: true });
    const back = await endpoint('echo').inference(table);
    expect(back.toArray()).toEqual([
      { id: 1n, s: 'x', seen: true },
      { id: 2n, s: 'y', seen: true },
    ]);
  });

  test('without rows, a table without rows and with its columns', async () => {
    const frame = pl.DataFrame({ id: [1], s: ['x'] }).limit(0);
    const back = await endpoint('echo').inference(frame);
    expect([back.height, back.columns]).toEqual([0, ['id', 's']]);
    expect((await endpoint('echo').inference(apache.tableFromArrays({ id: new Int8Array() }))).numRows).toBe(0);
    expect(await endpoint('echo').inference([])).toEqual([]);
  });

  test('without rows, with the columns of the output where the model says what they are', async () => {
    const frame = pl
      .DataFrame({ id: [1], s: ['x'] })
      .withColumns(pl.col('id').cast(pl.Int8))
      .limit(0);
    const back = await endpoint('described').inference(frame);
    expect([back.height, back.columns, back.dtypes]).toEqual([
      0,
      ['id', 'score', 'note'],
      [pl.Int8, pl.Float64, pl.String],
    ]);
    const csv = { bytes: new TextEncoder().encode('id,s\n'), contentType: 'text/csv' };
    expect(new TextDecoder().decode((await endpoint('described').inference(csv)).bytes)).toBe('id,score,note\n');
  });

  test('rows that fail are marked in it, with the values that they came with', async () => {
    const frame = pl.DataFrame({ id: [1, 2, 3], fail: ['', 'throw', ''] });
    const back = await endpoint('echo').inference(frame, { batchSize: 3 });
    expect(back.getColumn('id').toArray()).toEqual([1, 2, 3]);
    expect(back.getColumn('inference_error').toArray()).toEqual([null, expect.stringContaining('Row 2 is bad.'), null]);
  });

  test('submitted, its handle answers rows', async () => {
    const run = await endpoint('echo').submit(pl.DataFrame({ id: [1, 2], s: ['x', null] }), { batch: true });
    const again = connect({ url: service.url }).run(run.id);
    expect(await again.result()).toEqual([
      { id: 1, s: 'x', seen: true },
      { id: 2, s: null, seen: true },
    ]);
  });

  test('rows are made into a table like any other', async () => {
    const rows = [{ id: 1, score: 0.5 }];
    const texts = textRowsFrom(rows);
    const frame = pl.DataFrame({ id: [7] }).withColumns(pl.col('id').cast(pl.UInt8));
    const made = await (await openTable(frame)).like(texts);
    expect([made.dtypes, made.toRecords()]).toEqual([[pl.UInt8, pl.Float64], rows]);
    expect(await (await openTable<Row[]>([])).like(texts)).toEqual(rows);
    const empty = { bytes: new TextEncoder().encode('id\n'), contentType: 'text/csv; charset=utf-8' };
    const csv = await (await openTable(empty)).like(texts);
    expect(csv).toEqual({ bytes: new TextEncoder().encode('id,score\n1,0.5\n'), contentType: 'text/csv' });
  });
});

describe('what is no table is refused in one sentence before anything is sent', () => {
  // Nobody listens there, and a sender hears of it.
  const nowhere = connect({ url: 'http://127.0.0.1:9', retry: { tries: 1 } }).endpoint('rows');
  const asked = {
    'an endpoint': (table: unknown) => nowhere.inference(table as Row[]),
    'a cache': (table: unknown) => new InferenceCache(nowhere, { keyColumns: ['n'] }).inference(table as Row[]),
  };

  describe.each(Object.entries(asked))('by %s', (_name, ask) => {
    test.each([
      [undefined, 'undefined'],
      [null, 'null'],
      [7, 'a number'],
      ['a,b', 'a string'],
      [{ a: 1 }, 'an object'],
      [new Uint8Array(), 'bytes'],
      [{ bytes: 'a,b', contentType: 'text/csv' }, '{ bytes: a string, contentType: a string }'],
      [{ bytes: new Uint8Array() }, '{ bytes: bytes, contentType: undefined }'],
    ])('%o', async (table, kind) => {
      const error = await ask(table).catch((thrown: unknown) => thrown);
      expect(error).toBeInstanceOf(TypeError);
      expect((error as Error).message).toBe(
        `This is no table but ${kind}. A table is an array of rows, [{ column: value, ... }], bytes with their type, { bytes, contentType }, or a table of apache-arrow, flechette or Polars.`,
      );
    });

    test.each([[[{ n: 1 }, null], 'null'] as const, [[{ n: 1 }, 'x'], 'a string'] as const])(
      'an array with a row that is no object: %o',
      async (table, kind) => {
        const error = await ask(table).catch((thrown: unknown) => thrown);
        expect(error).toBeInstanceOf(TableError);
        expect((error as Error).message).toBe(`Row 2 is ${kind}; every row must be an object, {column: value, ...}.`);
      },
    );
  });
});

describe('between formats', () => {
  const ask = (contentType: string, body: Uint8Array | string, accept: string) =>
    service.postRaw('/endpoints/rows/invoke', contentType, body, { accept });

  test('a CSV is answered as Arrow, its strings as strings', async () => {
    const answer = await ask('text/csv', 'id,x\n007,1e5\n', BORDER_TYPES.arrow);
    expect(answer.headers['content-type']).toBe(BORDER_TYPES.arrow);
    expect(contentOf(answer.bytes)).toMatchObject({ rows: [['007'], ['1e5']] });
  });

  test.each([
    ['text/csv', 'id,s\n1,"a,b"\n2,\n'],
    ['application/jsonlines', '{"id":1,"s":"a,b"}\n{"id":2,"s":null}\n'],
  ])('an Arrow table is answered as %s', async (accept, text) => {
    const bytes = arrowOf({ id: [[1, 2], flechette.int8()], s: [['a,b', null], flechette.utf8()] });
    const answer = await ask(BORDER_TYPES.arrow, bytes, accept);
    expect([answer.headers['content-type'], answer.text]).toEqual([`${accept}; charset=utf-8`, text]);
  });
});

describe.each(['lz4', 'zstd'] as const)('a table that is compressed with %s', (compression) => {
  const frame = pl.DataFrame({ id: [1, 2], s: ['a,b', null] }).withColumns(pl.col('id').cast(pl.Int16));

  test('comes back with its types, and without compression', async () => {
    const bytes = frame.writeIPC({ compression });
    const answer = await endpoint('rows').inference({ bytes, contentType: BORDER_TYPES.arrow });
    expect(contentOf(answer.bytes)).toEqual(contentOf(frame.writeIPC()));
  });

  test('is read for its rows by a cache', async () => {
    const bytes = frame.writeIPCStream({ compression });
    const opened = await openTable({ bytes, contentType: BORDER_TYPES.arrow });
    expect(opened.rows).toHaveLength(2);
    expect(contentOf(((await opened.like(opened.rows)) as Content).bytes)).toEqual(contentOf(frame.writeIPCStream()));
  });
});

describe('a table that cannot be taken is refused before anything runs', () => {
  const send = (bytes: Uint8Array) =>
    endpoint('rows')
      .inference({ bytes, contentType: BORDER_TYPES.arrow })
      .then(
        () => null,
        (error: unknown) => error,
      );

  test('NaN, with its row and column', async () => {
    const error = await send(arrowOf({ x: [[1, Number.NaN], flechette.float64()] }));
    expect(error).toBeInstanceOf(MalformedBodyError);
    expect((error as Error).message).toContain('Row 2, column "x": the value is NaN');
  });

  test('cut short', async () => {
    const bytes = arrowOf({ x: [[1, 2], flechette.float64()] });
    expect(await send(bytes.subarray(0, bytes.length - 8))).toBeInstanceOf(MalformedBodyError);
  });

  test('with the column that marks failed rows', async () => {
    expect(await send(arrowOf({ inference_error: [[], flechette.utf8()] }))).toBeInstanceOf(InvalidRequestError);
  });
});
