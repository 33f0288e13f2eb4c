import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { SchemaElement } from 'hyparquet';
import { parquetWriteBuffer } from 'hyparquet-writer';
import fc from 'fast-check';
import pl from 'nodejs-polars';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { UsageError } from '../../../src/cli/failure.ts';
import { readableColumn } from '../../../src/cli/parquet/types.ts';
import { readParquetFile } from '../../../src/cli/parquet/reader.ts';
import { arrowFromParquet, parquetFromArrow } from '../../../src/cli/parquet/parquet.ts';
import { milliseconds } from '../../../src/domain/time.ts';
import { linesToArrow } from '../../../src/table/arrow/from-lines.ts';
import { TableError } from '../../../src/table/format.ts';
import { arrowToLines } from '../../../src/table/arrow/to-lines.ts';
import { newFolder, removeFolder } from '../../support/folder.ts';
import { startTestService, type TestService } from '../../support/service.ts';
import { arrowTable } from '../../table/arrow/arbitrary.ts';
import { commandHere } from '../command-here.ts';

const textOf = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);
const linesOf = (arrow: Uint8Array): string => textOf(arrowToLines(arrow).lines);

/** A frame with a column of every type that Parquet has and Polars writes. */
function frame() {
  const plain = pl.DataFrame({
    f: [1.5, 2, null],
    s: ['x', 'é'.repeat(20), ''],
    d: [new Date(0), new Date(1e12 + 1), null],
    l: [[1, null], null, []],
    b: [true, false, null],
    o: [
      { x: 1, y: 'a' },
      { x: null, y: null },
      { x: 2, y: null },
    ],
  });
  return plain.withColumns(
    pl.col('s').cast(pl.Categorical).alias('category'),
    pl.Series('i64', [2n ** 60n + 1n, -1n, null], pl.Int64),
    pl.col('f').cast(pl.UInt8).alias('u8'),
    pl.col('f').cast(pl.UInt32).alias('u32'),
    pl.col('f').cast(pl.UInt64).alias('u64'),
    pl.col('f').cast(pl.Int16).alias('i16'),
    pl.col('f').cast(pl.Float32).alias('f32'),
    pl.col('d').cast(pl.Date).alias('day'),
    pl.col('d').cast(pl.Datetime('ns')).alias('ns'),
    pl.col('d').cast(pl.Time).alias('time'),
    pl.col('d').cast(pl.Datetime('us', 'Europe/Paris')).alias('paris'),
    pl.lit(null).alias('none'),
  );
}

describe('a file that Polars wrote', () => {
  test.each(['uncompressed', 'snappy', 'gzip', 'brotli', 'zstd', 'lz4'] as const)(
    'with %s is read with the values of the frame',
    async (compression) => {
      const written = frame();
      const arrow = await arrowFromParquet(written.writeParquet({ compression }));
      expect(linesOf(arrow)).toBe(linesOf(written.writeIPCStream()));
    },
  );

  test('has its types, but for categories and the names of time zones, which files do not have', async () => {
    const back = pl.readIPCStream(Buffer.from(await arrowFromParquet(frame().writeParquet())));
    const lost = { category: pl.String, paris: pl.Datetime('us', 'UTC') };
    expect(back.schema).toEqual({ ...frame().schema, ...lost });
  });

  test('with another compression is refused with what to do', async () => {
    const columnData = [{ name: 'x', data: [1, 2] }];
    const file = parquetWriteBuffer({ columnData, codec: 'LZ4', compressors: { LZ4: (bytes) => bytes } });
    await expect(arrowFromParquet(new Uint8Array(file))).rejects.toThrow(
      'it is compressed with LZ4; write it with zstd, snappy, gzip',
    );
  });

  test('with a compression of a number that nobody has given is refused in words', async () => {
    const file = new Uint8Array(parquetWriteBuffer({ columnData: [{ name: 'x', data: [1, 2] }], codec: 'SNAPPY' }));
    const refused = await Promise.all(
      [...file.keys()].map((at) =>
        arrowFromParquet(file.with(at, file[at]! ^ 0x10)).then(
          () => '',
          (error: Error) => error.message,
        ),
      ),
    );
    expect(refused.filter((message) => message.includes('is compressed with what is not known here'))).not.toEqual([]);
    expect(refused.filter((message) => /undefined|\bnull\b/.test(message))).toEqual([]);
  });

  test.each(['snappy', 'lz4'] as const)(
    'with %s and bytes changed is read as some table, or refused as none',
    async (compression) => {
      const file = frame().writeParquet({ compression });
      for (let at = 0; at < file.length; at += 11) {
        const changed = Uint8Array.from(file);
        changed[at]! ^= 0x55;
        const error = await arrowFromParquet(changed).then(
          () => null,
          (refused: unknown) => refused,
        );
        if (error !== null) expect(['UsageError', 'TableError']).toContain((error as Error).name);
      }
    },
  );

  test('without rows has its columns', async () => {
    const arrow = await arrowFromParquet(frame().limit(0).writeParquet());
    expect(arrowToLines(arrow)).toMatchObject({ rows: 0, columns: frame().columns });
  });

  test('cut short anywhere is refused', async () => {
    const file = frame().writeParquet({ compression: 'zstd' });
    for (let length = 0; length < file.length; length += 7)
      await expect(arrowFromParquet(file.subarray(0, length)), `${length} bytes`).rejects.toBeInstanceOf(UsageError);
  });
});

describe('a file that is written here', () => {
  test('is read by Polars with its types', async () => {
    const back = pl.readParquet(Buffer.from(await parquetFromArrow(frame().writeIPCStream())));
    const lost = { category: pl.String, paris: pl.Datetime('us', 'UTC'), none: pl.Int32 };
    expect(back.schema).toEqual({ ...frame().schema, ...lost });
    expect(
      back.drop('none').frameEqual(
        frame()
          .drop('none')
          .withColumns(pl.col('category').cast(pl.String), pl.col('paris').cast(pl.Datetime('us', 'UTC'))),
      ),
    ).toBe(true);
  });

  test('holds the values of any Arrow table', async () => {
    await fc.assert(
      fc.asyncProperty(arrowTable('every'), async (bytes) => {
        // The library takes a byte order mark off a name, and two names may be one then.
        fc.pre(!arrowToLines(bytes).columns.some((column) => column.startsWith('\uFEFF')));
        expect(linesOf(await arrowFromParquet(await parquetFromArrow(bytes)))).toBe(linesOf(bytes));
      }),
      { numRuns: 200 },
    );
  });
});

test.each([
  ['nothing', ''],
  ['a CSV', 'a,b\n1,2\n3,4\n5,6\n'],
  ['the mark alone', 'PAR1PAR1PAR1'],
  ['an Arrow file', 'ARROW1\0\0\0\0\0\0\0\0'],
])('%s is no Parquet file', async (_what, text) => {
  await expect(arrowFromParquet(new TextEncoder().encode(text))).rejects.toThrow(/^The Parquet file cannot be read/);
});

test('NaN is refused with its row and column, and binary by its name', async () => {
  const nan = parquetWriteBuffer({ columnData: [{ name: 'x', data: [1, Number.NaN], type: 'DOUBLE' }] });
  await expect(arrowFromParquet(new Uint8Array(nan))).rejects.toThrow('Row 2, column "x": the value is NaN');
  const binary = parquetWriteBuffer({ columnData: [{ name: 'x', data: [new Uint8Array(1)], type: 'BYTE_ARRAY' }] });
  await expect(arrowFromParquet(new Uint8Array(binary))).rejects.toThrow('The column "x" is binary');
});

test('unsigned integers from 2^63 on are written, and read by Polars', async () => {
  const numbers = [0n, 2n ** 63n, 2n ** 64n - 1n];
  const lines = numbers.map((n) => `{"u":${n}}\n`).join('');
  const file = await parquetFromArrow(await linesToArrow(new TextEncoder().encode(lines), null));
  expect(pl.readParquet(Buffer.from(file)).getColumn('u').dtype.toString()).toContain('UInt64');
  expect(linesOf(await arrowFromParquet(file))).toBe(lines);
});

const column = (element: Partial<SchemaElement>) =>
  readableColumn({ element: { name: 'n', ...element }, children: [], count: 0, path: ['n'] });

test('an empty list of the old form, repeated and not marked as a list, is empty and not null', () => {
  const { text } = column({ type: 'INT32', repetition_type: 'REPEATED' });
  expect([[1, 2], [], null, undefined].map(text)).toEqual(['[1,2]', '[]', '[]', '[]']);
});

test('INT96 beyond nanoseconds, bytes that are not marked as text, and other bytes are refused with what to do in pandas', () => {
  const { text } = column({ type: 'INT96' });
  expect(text(2n ** 60n)).toBe('"2006-07-14T23:58:24.606846976"');
  expect(() => text(2n ** 70n)).toThrow(/before 1677 or after 2262 .*coerce_timestamps/);
  expect(() => column({ type: 'BYTE_ARRAY' })).toThrow(/"n" is binary.*not mark as text.*df\["n"\]\.str\.decode/);
  expect(() => column({ type: 'FIXED_LEN_BYTE_ARRAY', type_length: 6 })).toThrow(/"n" is binary.*b64encode/);
});

test.each([9, 12])('a file with byte %i damaged is told in words that are not the engine’s', async (at) => {
  const file = await parquetFromArrow(await linesToArrow(Buffer.from('{"a":[1,2],"b":"x"}\n'), null));
  file[at]! ^= 0xff;
  const error = (await arrowFromParquet(file).catch((reason: unknown) => reason)) as Error;
  expect(error).toBeInstanceOf(UsageError);
  expect(error.message).toContain('it is damaged, or written in a way that is not known here; look whether pandas');
  expect((error.cause as Error).name).toBe('RangeError');
});

test('a damaged file that would be read without end is given up, and the next one is read', async () => {
  const file = await parquetFromArrow(await linesToArrow(Buffer.from('{"a":[1,2],"b":"x"}\n'), null));
  const damaged = new Uint8Array(file);
  // How many values a page says that it has.
  damaged[14]! ^= 0xff;
  const error = (await readParquetFile(damaged, milliseconds(200)).catch((reason: unknown) => reason)) as Error;
  expect(error).toBeInstanceOf(UsageError);
  expect(error.message).toMatch(
    /^The Parquet file cannot be read: it was not read within 0\.2\d* s\. It may be damaged; look/,
  );
  expect(linesOf(await readParquetFile(file))).toBe('{"a":[1,2],"b":"x"}\n');
});

test('what a thread says of a file is said in the same words', async () => {
  await expect(readParquetFile(Buffer.from('PAR1'))).rejects.toThrow(UsageError);
  const file = await parquetFromArrow(await linesToArrow(Buffer.from('{"a":[1,2],"b":"x"}\n'), null));
  // The text is not UTF-8 then.
  file[77]! ^= 0xff;
  const misfit = await arrowFromParquet(file).catch((reason: unknown) => reason);
  expect(misfit).toBeInstanceOf(TableError);
  const { message, row, column } = misfit as TableError;
  await expect(readParquetFile(file)).rejects.toMatchObject({ name: 'TableError', message, row, column });
});

describe('on the command line', () => {
  let service: TestService;
  let folder: string;
  beforeAll(async () => {
    folder = await newFolder();
    service = await startTestService({ endpoints: { rows: { model: './careful-rows.ts' } } });
  });
  afterAll(async () => {
    await service.stop();
    await removeFolder(folder);
  });

  const rows = [
    { id: 1, s: 'a,b' },
    { id: 2, s: '' },
  ];
  const table = pl.DataFrame(rows).withColumns(pl.col('id').cast(pl.Int16));
  const writers: Readonly<Record<string, () => Uint8Array>> = {
    csv: () => table.writeCSV(),
    jsonl: () => table.writeJSON({ format: 'lines' }),
    json: () => table.writeJSON({ format: 'json' }),
    arrow: () => table.writeIPC(),
    arrows: () => table.writeIPCStream({ compression: 'zstd' }),
    feather: () => table.writeIPC({ compression: 'lz4' }),
    parquet: () => table.writeParquet({ compression: 'lz4' }),
  };
  const readers: Readonly<Record<string, (bytes: Buffer) => pl.DataFrame>> = {
    csv: (bytes) => pl.readCSV(bytes),
    jsonl: (bytes) => pl.readJSON(bytes, { format: 'lines' }),
    json: (bytes) => pl.readJSON(bytes),
    arrow: (bytes) => pl.readIPC(bytes),
    arrows: (bytes) => pl.readIPCStream(bytes),
    feather: (bytes) => pl.readIPC(bytes),
    parquet: (bytes) => pl.readParquet(bytes),
  };

  test.each([
    ['csv', 'parquet'],
    ['jsonl', 'arrow'],
    ['json', 'arrows'],
    ['arrow', 'parquet'],
    ['arrows', 'csv'],
    ['feather', 'feather'],
    ['parquet', 'parquet'],
    ['parquet', 'arrow'],
    ['parquet', 'jsonl'],
  ])('a .%s file becomes a .%s file', async (from, to) => {
    const [input, output] = [join(folder, `${from}-${to}.${from}`), join(folder, `${from}-${to}-out.${to}`)];
    await writeFile(input, writers[from]!());
    const { code, stderr } = await commandHere(service.url, ['invoke', 'rows', input, '-o', output]);
    expect({ code, error: /^error.*/m.exec(stderr)?.[0] }).toEqual({ code: 0, error: undefined });
    const back = readers[to]!(await readFile(output));
    expect(back.columns).toEqual(['id', 's']);
    expect(back.toRecords().map(({ id, s }) => ({ id: Number(id), s: s ?? '' }))).toEqual(rows);
    if ([from, to].every((name) => /^(?:arrow|feather|parquet)/.test(name))) expect(back.schema).toEqual(table.schema);
  });

  test('a file that is no Parquet is one sentence and exit code 2', async () => {
    const input = join(folder, 'broken.parquet');
    await writeFile(input, 'PAR1');
    const { code, stderr } = await commandHere(service.url, ['invoke', 'rows', input]);
    expect([code, stderr]).toEqual([2, 'error: The Parquet file cannot be read: it is too short to be one.\n']);
  });
});
