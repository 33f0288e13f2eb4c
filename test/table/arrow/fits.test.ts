import { tableFromIPC } from 'apache-arrow';
import { describe, expect, test } from 'vitest';
import { checkFits, withoutUnfit } from '../../../src/table/arrow/fits.ts';
import { linesToArrow, openLines } from '../../../src/table/arrow/from-lines.ts';
import { arrowToLines } from '../../../src/table/arrow/to-lines.ts';
import { readMessages } from '../../../src/table/arrow/stream.ts';
import written from './polars.json' with { type: 'json' };

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const text = (given: Uint8Array): string => new TextDecoder().decode(given);

type Unfit = readonly [what: string, lines: string, message: RegExp];
const UNFIT: readonly Unfit[] = [
  ['half of a surrogate pair', '{"a":"x"}\n{"a":"\\ud800"}\n', /^Row 2, column "a": .*half of a surrogate pair/],
  ['the other half', '{"a":"x\\uDFFF"}\n', /^Row 1, column "a": .*half of a surrogate pair/],
  ['half of one within a list', '{"a":[["\\ud800"]]}\n', /^Row 1, column "a": .*half of a surrogate pair/],
  ['half of one in the name of a member', '{"a":{"\\ud800":1}}\n', /^Row 1, column "a": .*half of a surrogate pair/],
];

describe('a value that no Arrow column holds', () => {
  test.each<Unfit>([
    ...UNFIT,
    [
      'half of one in a column’s name',
      '{"\\ud800":1}\n',
      /^Row 1, column "\\ud800": .*name .*half of a surrogate pair/,
    ],
    ['a number beyond any double', '{"a":1}\n{"a":[-1e400]}\n', /^Row 2, column "a": .*no float holds/],
    ['one of 300 digits and an exponent', `{"a":${'9'.repeat(300)}e20}\n`, /^Row 1, column "a": .*no float holds/],
    ['one of 400 digits', `{"a":${'9'.repeat(400)}}\n`, /^Row 1, column "a": .*no float holds/],
  ])('is named with its row before the table is made: %s', (_, lines, message) => {
    expect(() => checkFits(bytes(lines))).toThrow(message);
    expect(() => checkFits(withoutUnfit(bytes(lines)))).not.toThrow();
  });

  test.each<Unfit>([
    ...UNFIT,
    ['half of one in a column’s name', '{"\\ud800":1}\n', /^The column "\\ud800" .*half of a surrogate pair/],
    ['a number beyond any double', '{"a":1}\n{"a":1e400}\n', /^Column "a" has in row 2 a number that no float holds/],
    ['an integer above uint64', '{"a":1}\n{"a":18446744073709551617}\n', /^Column "a" has in row 2 an integer/],
    ['one below int64', '{"a":1}\n{"a":-9223372036854775809}\n', /^Column "a" has in row 2 an integer/],
    [
      'one above int64 beside a negative one',
      '{"a":-1}\n{"a":9223372036854775809}\n',
      /^Column "a" has in row 2 an integer that 64 bits do not hold beside the negative one in row 1/,
    ],
  ])('is named where it is found at the end alone: %s', async (_, lines, message) => {
    await expect(linesToArrow(bytes(lines), null)).rejects.toThrow(message);
  });

  test('is null in a row that has failed, and a name that no column has is left out', () => {
    const lines = '{"a":"ok","b":1e3}\n{"a":"\\ud800","b":[1e400],"c":75003283610278.63,"\\ud800":1}\n';
    expect(text(withoutUnfit(bytes(lines)))).toBe('{"a":"ok","b":1e3}\n{"a":null,"b":null,"c":75003283610278.63}\n');
  });
});

test('a whole pair, an exponent and 300 digits are values like any other', () => {
  expect(() => checkFits(bytes(`{"a":"\\ud83d\\ude00","b":1e300,"c":${'9'.repeat(300)},"d":1e-999}\n`))).not.toThrow();
});

test('whole numbers beyond 64 bits are floats where each is one', async () => {
  const table = tableFromIPC(await linesToArrow(bytes('{"a":100000000000000000000}\n{"a":-5}\n'), null));
  expect(table.schema.fields.map(String)).toEqual(['a: Float64']);
  expect([...table.getChild('a')!]).toEqual([1e20, -5]);
});

test.each(['stream', 'file'] as const)(
  'a %s without columns, or with nothing but nulls, is one that others read',
  async (frame) => {
    const none = await openLines(bytes(''), null).write(frame);
    expect(tableFromIPC(none).schema.fields).toEqual([]);
    expect(arrowToLines(none)).toMatchObject({ rows: 0, columns: [] });
    const nulls = await openLines(bytes('{"a":null,"b":null}\n{}\n'), null).write(frame);
    expect(tableFromIPC(nulls).schema.fields.map(String)).toEqual(['a: Null', 'b: Null']);
    // pyarrow and Polars refuse a batch whose list of buffers is left out (field 2 of RecordBatch
    // in Message.fbs).
    const batch = readMessages(nulls).find(({ kind }) => kind === 'rows')!;
    expect(batch.header.sizes(2, 2).length).toBeGreaterThan(0);
    expect(text(arrowToLines(nulls).lines)).toBe('{"a":null,"b":null}\n'.repeat(2));
    const some = await openLines(bytes('{"a":null,"b":1}\n'), null).write(frame);
    expect(tableFromIPC(some).schema.fields.map(String)).toEqual(['a: Null', 'b: Int64']);
  },
);

describe('what write_ipc of Polars 2 writes', () => {
  const read = (name: keyof typeof written) => arrowToLines(Buffer.from(written[name], 'base64'));

  test.each(['every', 'lz4', 'zstd'] as const)('is read: %s', (name) => {
    const { lines, columns } = read(name);
    expect(columns).toEqual(['i', 's', 'b', 'd', 'c', 'l']);
    expect(text(lines).split('\n').slice(0, 2)).toEqual([
      '{"i":1,"s":"a","b":true,"d":"2024-02-29","c":"x","l":[1]}',
      '{"i":2,"s":"ü","b":false,"d":"2024-02-29","c":"y","l":[2,3]}',
    ]);
  });

  test('is read without rows, without columns and with nulls alone', () => {
    expect(read('noRows')).toMatchObject({ rows: 0, columns: ['n'] });
    expect(read('noColumns')).toMatchObject({ rows: 0, columns: [] });
    expect(text(read('nulls').lines)).toBe('{"n":null}\n{"n":null}\n');
  });

  test('is read as some table with any byte changed, or refused as none', () => {
    const whole = Buffer.from(written.every, 'base64');
    for (let at = 0; at < whole.length; at += 1) {
      const damaged = Uint8Array.from(whole);
      damaged[at]! ^= 0xff;
      try {
        arrowToLines(damaged);
      } catch (error) {
        expect((error as Error).name, `byte ${at}: ${String(error)}`).toBe('TableError');
      }
    }
  });
});
