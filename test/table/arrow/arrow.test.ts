import * as apache from 'apache-arrow';
import * as flechette from '@uwdata/flechette';
import pl from 'nodejs-polars';
import { describe, expect, test } from 'vitest';
import { linesToArrow } from '../../../src/table/arrow/from-lines.ts';
import { arrowToLines } from '../../../src/table/arrow/to-lines.ts';
import { convertBorder } from '../../../src/table/border.ts';
import { TableError } from '../../../src/table/format.ts';
import { bytesOf, textOf } from '../text.ts';
import { arrowOf, type Columns, contentOf, expectSomeTableOrNone } from './tables.ts';

const linesOf = (columns: Columns): string => textOf(arrowToLines(arrowOf(columns)).lines);
const arrowFrom = async (lines: string, like: Uint8Array | null = null) =>
  contentOf(await linesToArrow(bytesOf(lines), like)) as {
    schema: { name: string; type: { typeId: number } }[];
    rows: unknown[][];
  };

describe('from Arrow', () => {
  test('integers of every width keep their digits, those beyond 2^53 too', () => {
    const most = 2n ** 63n - 1n;
    expect(
      linesOf({
        u8: [[0, 255], flechette.uint8()],
        i16: [[-32_768, null], flechette.int16()],
        u32: [[4_294_967_295, 0], flechette.uint32()],
        i64: [[most, -most - 1n], flechette.int64()],
        u64: [[2n ** 64n - 1n, 9_007_199_254_740_993n], flechette.uint64()],
      }),
    ).toBe(
      '{"u8":0,"i16":-32768,"u32":4294967295,"i64":9223372036854775807,"u64":18446744073709551615}\n' +
        '{"u8":255,"i16":null,"u32":0,"i64":-9223372036854775808,"u64":9007199254740993}\n',
    );
  });

  test('floats have the fewest digits that lead back to them in their own width, and stay floats', () => {
    expect(
      linesOf({
        f16: [[0.5, 65_504], flechette.float16()],
        f32: [[0.1, -0], flechette.float32()],
        f64: [[0.1, 1e21], flechette.float64()],
      }),
    ).toBe('{"f16":0.5,"f32":0.1,"f64":0.1}\n{"f16":65504.0,"f32":-0.0,"f64":1e+21}\n');
  });

  test('dates and times are text with the digits of their unit, decimals have the digits of their scale', () => {
    const day = Date.UTC(2024, 1, 29);
    expect(
      linesOf({
        day: [[day], flechette.dateDay()],
        at: [[day + 1], flechette.timestamp(flechette.TimeUnit.MICROSECOND, 'Europe/Paris')],
        plain: [[day], flechette.timestamp(flechette.TimeUnit.SECOND)],
        time: [[86_399_000_000_001n], flechette.timeNanosecond()],
        price: [[-1_050n], flechette.decimal(10, 2)],
        span: [[90n], flechette.duration(flechette.TimeUnit.SECOND)],
      }),
    ).toBe(
      '{"day":"2024-02-29","at":"2024-02-29T00:00:00.001000Z","plain":"2024-02-29T00:00:00","time":"23:59:59.000000001","price":-10.50,"span":90}\n',
    );
  });

  test('lists, structs and dictionaries are what they hold', () => {
    const point = flechette.struct({ x: flechette.int32(), y: flechette.list(flechette.utf8()) });
    expect(
      linesOf({
        point: [[{ x: 1, y: ['a', null] }, null], point],
        colour: [['red', 'red'], flechette.dictionary(flechette.utf8())],
        pair: [
          [
            [1, 2],
            [3, 4],
          ],
          flechette.fixedSizeList(flechette.int8(), 2),
        ],
      }),
    ).toBe(
      '{"point":{"x":1,"y":["a",null]},"colour":"red","pair":[1,2]}\n{"point":null,"colour":"red","pair":[3,4]}\n',
    );
  });

  test('text is taken as it is: a byte order mark, quotes, line ends, columns with names that objects have', () => {
    const nasty = ['\uFEFFx', '"\n\\', '', '😀'];
    const columns = ['__proto__', 'constructor'].map((name) => [name, [nasty, flechette.utf8()] as const]);
    const { lines } = arrowToLines(arrowOf(Object.fromEntries(columns) as Columns));
    const rows = textOf(lines).trimEnd().split('\n');
    expect(rows).toEqual(
      nasty.map((text) => `{"__proto__":${JSON.stringify(text)},"constructor":${JSON.stringify(text)}}`),
    );
  });

  test('a table without rows has its columns', () => {
    expect(arrowToLines(arrowOf({ a: [[], flechette.int8()] }))).toEqual({
      lines: new Uint8Array(),
      rows: 0,
      columns: ['a'],
    });
  });

  test.each([
    ['NaN', Number.NaN],
    ['Infinity', Number.POSITIVE_INFINITY],
  ])('%s is refused with its row and column', (name, value) => {
    const columns = { a: [[1, 2, 3, 4, 5, value], flechette.float64()] } as const;
    expect(() => linesOf(columns)).toThrow(
      `Row 6, column "a": the value is ${name}, which would hide an error; send null where a value is missing.`,
    );
    expect(() => linesOf({ a: [[[1, value]], flechette.list(flechette.float32())] })).toThrow(
      `Row 1, column "a": the value is ${name}`,
    );
  });

  test.each([
    ['binary', [new Uint8Array([1])], flechette.binary()],
    ['fixed-size binary', [new Uint8Array([1])], flechette.fixedSizeBinary(1)],
    ['a map', [[['a', 1]]], flechette.map(flechette.utf8(), flechette.int8())],
  ])('a column that is %s is refused by its name', (what, values, type) => {
    expect(() => linesOf({ fine: [[1], flechette.int8()], blob: [values, type] })).toThrow(
      `The column "blob" is ${what}`,
    );
  });

  test('two columns of one name are refused', () => {
    const column = flechette.columnFromArray([1], flechette.int8());
    const bytes = flechette.tableToIPC(
      flechette.tableFromColumns([
        ['a', column],
        ['a', column],
      ]),
      {},
    )!;
    expect(() => arrowToLines(bytes)).toThrow('The Arrow table has two columns with the name "a"');
  });

  test('ten thousand columns are read and written', async () => {
    const columns = Object.fromEntries(
      Array.from({ length: 10_000 }, (_, k) => [`c${k}`, [[k], flechette.int32()] as const]),
    );
    const bytes = arrowOf(columns);
    const { lines } = arrowToLines(bytes);
    expect(contentOf(await linesToArrow(lines, bytes))).toEqual(contentOf(bytes));
  });
});

describe('few bytes that stand for very many', () => {
  const long = 'x'.repeat(1_000_000);

  test('rows of a dictionary, beyond what is allowed for all of them', () => {
    const bytes = arrowOf(
      { s: [Array.from({ length: 1_000 }, () => long), flechette.dictionary(flechette.utf8())] },
      1_000,
    );
    expect(bytes.length).toBeLessThan(1_100_000);
    expect(() => arrowToLines(bytes, 20_000_000)).toThrow('has more than 20000000 bytes as JSON Lines');
  });

  test('lists of a dictionary, beyond what is allowed for a row', () => {
    const values = [Array.from({ length: 1_000 }, () => long)];
    const bytes = arrowOf({ s: [values, flechette.list(flechette.dictionary(flechette.utf8()))] });
    expect(() => arrowToLines(bytes)).toThrow('Row 1, column "s": the value makes the row longer than 128 MiB as JSON');
  });

  test('rows without bytes', () => {
    const nulls = Array.from({ length: 1_000_001 }, () => null);
    expect(() => arrowToLines(arrowOf({ n: [nulls, flechette.nullType()] }, 2_000_000))).toThrow(
      'it has 1000001 rows that take no bytes',
    );
  });
});

describe('few bytes that would be very many values', () => {
  const rowsOf = (count: number, row: (k: number) => string): string =>
    Array.from({ length: count }, (_, k) => row(k)).join('\n');

  test('of rows that each have a column of their own are refused with how many there are, and what to do', async () => {
    await expect(linesToArrow(bytesOf(rowsOf(10_000, (k) => `{"k${k}":1}`)), null)).rejects.toThrow(
      /100000000 for the 10000 columns of these 10000 rows, .* Ask for JSON Lines \(application\/jsonlines\)/,
    );
  });

  test.each([
    ['objects', rowsOf(5_000, (k) => `{"o":{"k${k}":1}}`)],
    ['a list of objects', `{"l":[${rowsOf(5_000, (k) => `{"k${k}":1}`).replaceAll('\n', ',')}]}`],
  ])('of %s that each have a member of their own are refused', async (_, lines) => {
    await expect(linesToArrow(bytesOf(lines), null)).rejects.toThrow(/for the 1 columns of these \d+ rows/);
  });

  test('are written where they are not that many', async () => {
    const table = await linesToArrow(bytesOf(rowsOf(1_000, (k) => `{"k${k}":1}`)), null);
    expect(arrowToLines(table)).toMatchObject({
      rows: 1_000,
      columns: Array.from({ length: 1_000 }, (_, k) => `k${k}`),
    });
  });
});

describe('to Arrow', () => {
  test('a column of the input keeps its type where it holds every value exactly, and has another where it does not', async () => {
    const like = arrowOf({
      small: [[1], flechette.int8()],
      single: [[0.5], flechette.float32()],
      day: [[0], flechette.dateDay()],
      colour: [['red', 'green'].slice(0, 1), flechette.dictionary(flechette.utf8())],
    });
    const { type } = flechette.tableFromIPC(like).schema.fields[3]!;
    const kept = await arrowFrom('{"small":-128,"single":0.1,"day":"1969-12-31","colour":"red"}\n', like);
    expect(kept.schema.map(({ type }) => type.typeId)).toEqual([2, 3, 8, type.typeId]);
    expect(kept.rows).toEqual([[-128], [Math.fround(0.1)], [-86_400_000], ['red']]);
    const other = await arrowFrom('{"small":128,"single":0.123456789012,"day":"2024-02-30","colour":"blue"}\n', like);
    expect(other.schema.map(({ type }) => type.typeId)).toEqual([2, 3, 5, 5]);
    expect(other.rows).toEqual([['128n'], [0.123_456_789_012], ['2024-02-30'], ['blue']]);
  });

  test('a float beyond 2^53 is one still when JavaScript has written it without its point', async () => {
    const like = arrowOf({ x: [[4.942_966_797_973_401e16], flechette.float64()] });
    const kept = await arrowFrom('{"x":49429667979734010}\n', like);
    expect([kept.schema[0]!.type.typeId, kept.rows]).toEqual([3, [[49_429_667_979_734_010]]]);
    const fresh = await arrowFrom('{"x":49429667979734010}\n{"x":0.5}\n');
    expect([fresh.schema[0]!.type.typeId, fresh.rows]).toEqual([3, [[49_429_667_979_734_010, 0.5]]]);
    const exact = await arrowFrom('{"x":49429667979734011}\n', like);
    expect([exact.schema[0]!.type.typeId, exact.rows]).toEqual([2, [['49429667979734011n']]]);
  });

  test('a new column has the type that all of its values have', async () => {
    const { schema, rows } = await arrowFrom(
      '{"i":1,"f":1,"s":"a","b":true,"n":null,"l":[1],"o":{"x":1}}\n' +
        '{"i":9007199254740993,"f":2.5,"s":null,"l":[],"o":{"y":"z"}}\n',
    );
    expect(schema.map(({ name, type }) => [name, type.typeId])).toEqual([
      ['i', 2],
      ['f', 3],
      ['s', 5],
      ['b', 6],
      ['n', 1],
      ['l', 12],
      ['o', 13],
    ]);
    expect(rows).toEqual([
      ['1n', '9007199254740993n'],
      [1, 2.5],
      ['a', null],
      [true, null],
      [null, null],
      [['1n'], []],
      [
        { x: '1n', y: null },
        { x: null, y: 'z' },
      ],
    ]);
  });

  test.each([
    ['{"a":1}\n{"a":null}\n{"a":"x"}', 'Column "a" has in row 1 a number and in row 3 text'],
    ['{"a":[1]}\n{"a":[true]}', 'Column "a" has in row 1 a number and in row 2 true or false'],
    [
      '{"a":1.5}\n{"a":9007199254740993}',
      'Column "a" has in row 2 an integer that no float holds, and in row 1 a number',
    ],
    ['{"a":1e999}', 'Column "a" has in row 1 a number that no float holds'],
    ['{"a":18446744073709551617}', 'Column "a" has in row 1 an integer that 64 bits do not hold'],
    ['{"a":1,"a":2}', 'Row 1 (line 1) names "a" more than once'],
    ['{}', 'The rows have no columns'],
  ])('%s has no honest type, and the message says where', async (lines, message) => {
    await expect(linesToArrow(bytesOf(lines), null)).rejects.toThrow(message);
  });

  test('what is written is read by Apache Arrow and by Polars', async () => {
    const lines = '{"i":1,"s":"a long text, longer than a view","l":[0.5]}\n{"i":null,"s":"b","l":null}\n';
    const bytes = await linesToArrow(bytesOf(lines), null);
    expect(apache.tableFromIPC(bytes).toArray().map(String)).toEqual([
      '{"i": 1, "s": "a long text, longer than a view", "l": [0.5]}',
      '{"i": null, "s": "b", "l": null}',
    ]);
    expect(pl.readIPCStream(Buffer.from(bytes)).height).toBe(2);
  });

  test('a frame of Polars comes back equal, types, categories and time zones too', async () => {
    const plain = pl.DataFrame({
      f: [1, 2, null],
      s: ['x', 'é'.repeat(20), ''],
      d: [new Date(0), new Date(1e12), null],
      l: [[1, 2], [3], []],
      b: [true, false, null],
    });
    const frame = plain.withColumns(
      pl.col('s').cast(pl.Categorical).alias('category'),
      pl.col('f').cast(pl.Int64).alias('i64'),
      pl.col('f').cast(pl.UInt8).alias('u8'),
      pl.col('f').cast(pl.Float32).alias('f32'),
      pl.col('d').cast(pl.Date).alias('day'),
      pl.col('d').cast(pl.Datetime('ns')).alias('ns'),
    );
    const bytes = frame.writeIPCStream();
    const back = pl.readIPCStream(Buffer.from(await linesToArrow(arrowToLines(bytes).lines, bytes)));
    expect(back.schema).toEqual(frame.schema);
    expect(back.frameEqual(frame)).toBe(true);
    const empty = pl.readIPCStream(Buffer.from(await linesToArrow(new Uint8Array(), frame.limit(0).writeIPCStream())));
    expect([empty.height, empty.schema]).toEqual([0, frame.schema]);
  });
});

describe('between Arrow and the other formats', () => {
  test('strings of a CSV stay strings', async () => {
    const { rows } = contentOf(await convertBorder(bytesOf('id,x\n007,1e5\n,\n'), 'csv', 'arrow')) as { rows: unknown };
    expect(rows).toEqual([
      ['007', ''],
      ['1e5', ''],
    ]);
  });

  test('a table goes to CSV, JSON Lines and JSON as the text that its values have', async () => {
    const bytes = arrowOf({ i: [[1n, null], flechette.int64()], s: [['a,b', 'c'], flechette.utf8()] });
    expect(textOf(await convertBorder(bytes, 'arrow', 'csv'))).toBe('i,s\n1,"a,b"\n,c\n');
    expect(textOf(await convertBorder(bytes, 'arrow', 'json'))).toBe('[{"i":1,"s":"a,b"},{"i":null,"s":"c"}]');
    expect(contentOf(await convertBorder(bytes, 'arrow', 'arrow'))).toEqual(contentOf(bytes));
  });

  test('a table without columns is one in Arrow as well', async () => {
    expect(contentOf(await convertBorder(bytesOf('[]'), 'json', 'arrow'))).toEqual({ schema: [], rows: [] });
  });
});

describe('a stream that is not whole', () => {
  const whole = arrowOf({
    a: [[1, 2, 3, 4, 5], flechette.int32()],
    s: [['a', 'b', 'a', null, 'c'], flechette.dictionary(flechette.utf8())],
  });

  test('cut short anywhere, it is refused', () => {
    for (let length = 0; length < whole.length; length += 1)
      expect(() => arrowToLines(whole.subarray(0, length)), `${length} bytes`).toThrow(TableError);
  });

  test('cut between two messages, the missing end is named', () => {
    expect(() => arrowToLines(whole.subarray(0, whole.length - 8))).toThrow('it has no end-of-stream mark');
  });

  test('with bytes after its end it is refused', () => {
    expect(() => arrowToLines(Buffer.concat([whole, whole]))).toThrow(`${whole.length} bytes stand after its end`);
  });

  test.each(['a,b\n1,2\n', '{"a":1}', 'PAR1', '\0\0\0\0', '\0'])('%j is no stream', (text) => {
    expect(() => arrowToLines(bytesOf(text))).toThrow(TableError);
  });

  test('with any byte changed it is read as some table, or refused as none', () => {
    expectSomeTableOrNone(whole);
  });
});
