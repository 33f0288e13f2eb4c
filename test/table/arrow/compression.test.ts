// Tables whose buffers are compressed: what several libraries write, and what is made to harm
// its reader.

import { randomBytes } from 'node:crypto';
import { zstdCompressSync } from 'node:zlib';
import * as apache from 'apache-arrow';
import fc from 'fast-check';
import pl from 'nodejs-polars';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { likenessOf, linesToArrow } from '../../../src/table/arrow/from-lines.ts';
import { arrowToLines, openArrow } from '../../../src/table/arrow/to-lines.ts';
import { TableError } from '../../../src/table/format.ts';
import { textOf } from '../text.ts';
import { compressedStream, ZSTD } from './compressed.ts';
import fixtures from './pyarrow.json' with { type: 'json' };
import { contentOf, expectSomeTableOrNone } from './tables.ts';

const linesOf = (bytes: Uint8Array): string => textOf(arrowToLines(bytes).lines);
const pyarrow = (name: string): Buffer =>
  Buffer.from(fixtures.tables.find((table) => table.name === name)!.bytes, 'base64');

/** A column that becomes shorter, and one that does not. */
function mixedTable(): apache.Table {
  return new apache.Table({
    zeros: apache.vectorFromArray(new Int32Array(200)),
    random: apache.vectorFromArray(Float64Array.from(randomBytes(200))),
    colour: apache.vectorFromArray(
      Array.from({ length: 200 }, (_, k) => (k % 2 === 0 ? 'red' : null)),
      new apache.Dictionary(new apache.Utf8(), new apache.Int32()),
    ),
  });
}

const zeros = (rows: number): apache.Table => new apache.Table({ zeros: apache.vectorFromArray(new Int32Array(rows)) });

describe('a compressed table', () => {
  test('is read as the same table without compression, buffers that are stored as they are too', () => {
    const table = mixedTable();
    const compressed = compressedStream(table, ZSTD);
    expect(compressed.includes(Buffer.from('ffffffffffffffff', 'hex'))).toBe(true);
    expect(linesOf(compressed)).toBe(linesOf(apache.tableToIPC(table, 'stream')));
  });

  test('of which nothing becomes shorter is read', () => {
    const table = zeros(50);
    const stored = compressedStream(table, { codec: 'lz4', encode: (bytes) => bytes });
    expect(linesOf(stored)).toBe('{"zeros":0}\n'.repeat(50));
  });

  test.each(['lz4', 'zstd'] as const)('of Polars with %s is read with anything in it', (compression) => {
    const text = fc.oneof(fc.string({ unit: 'grapheme' }), fc.constantFrom('C'.repeat(500), 'CO'.repeat(40_000)));
    const rows = fc.array(fc.record({ n: fc.option(fc.integer()), text: fc.option(text) }));
    fc.assert(
      fc.property(rows, fc.integer({ min: 1, max: 12 }), (few, times) => {
        const all = Array.from({ length: times }, () => few).flat();
        const numbers = all.map(({ n }) => n);
        const texts = all.map(({ text }) => text);
        const frame = pl.DataFrame([pl.Series('n', numbers, pl.Int32), pl.Series('text', texts, pl.String)]);
        const plain = linesOf(frame.writeIPCStream());
        expect(linesOf(frame.writeIPCStream({ compression }))).toBe(plain);
        expect(linesOf(frame.writeIPC({ compression }))).toBe(plain);
      }),
      { numRuns: 30 },
    );
  });

  test('gives its types and dictionaries to what is written like it, which is not compressed', async () => {
    const plain = linesOf(pyarrow('a stream with lz4 and a dictionary that grows'));
    for (const codec of ['lz4', 'zstd']) {
      const compressed = pyarrow(`a stream with ${codec} and a dictionary that grows`);
      const again = await linesToArrow(arrowToLines(compressed).lines, compressed);
      expect(contentOf(again)).toMatchObject({ schema: [{ name: 'colour', type: { typeId: -1 } }] });
      expect(linesOf(again)).toBe(plain);
    }
  });

  test('says how long it is without compression before any of it is decompressed', () => {
    const bomb = compressedStream(zeros(200), { ...ZSTD, declared: () => 200_000_000n });
    expect(openArrow(bomb).size).toMatchObject({ bytes: 200_000_000 });
  });
});

describe('a compressed table that is refused', () => {
  test('is one of more than 256 MiB without compression in all, where its schema or its dictionaries are asked for too', () => {
    // Three buffers of 100 MB are no longer than what is allowed each.
    const table = new apache.Table({
      a: apache.vectorFromArray(new Int32Array(200)),
      b: apache.vectorFromArray(new Int32Array(200)),
      c: apache.vectorFromArray(new Int32Array(200)),
    });
    const bomb = compressedStream(table, { ...ZSTD, declared: () => 100_000_000n });
    const reason =
      'what is compressed in it has 300000000 bytes without compression, which is more than 268435456; send it in several tables.';
    expect(() => arrowToLines(bomb)).toThrow(reason);
    expect(() => openArrow(bomb)).toThrow(reason);
    expect(() => likenessOf(bomb)).toThrow(reason);
  });

  test.each([
    ['nothing', 0n, 'they become more'],
    ['less than it becomes', 799n, 'they become more'],
    ['more than it becomes', 801n, 'they become 800'],
    ['much more than it becomes', 250_000_000n, 'they become 800'],
  ])('is one whose buffer says that it becomes %s, and its column is named', (_, length, reason) => {
    const bytes = compressedStream(zeros(200), { ...ZSTD, declared: () => length });
    expect(() => arrowToLines(bytes)).toThrow(
      `The Arrow table cannot be read: column "zeros" cannot be read in the batch that starts with row 1: the ${length} bytes that it has as zstd cannot be read: ${reason}.`,
    );
  });

  test.each([-2n, 2n ** 62n, -(2n ** 63n)])('is one whose buffer says that it becomes %s bytes', (length) => {
    const bytes = compressedStream(zeros(200), { ...ZSTD, declared: () => length });
    expect(() => arrowToLines(bytes)).toThrow('a compressed part of it has a length that none has.');
  });

  test.each([
    ['cut short', zstdCompressSync(new Uint8Array(800)).subarray(0, -2), 'unexpected end of file'],
    ['garbage', Buffer.from('garbage'), 'Unknown frame descriptor'],
    ['nothing but its mark', Buffer.of(0x28, 0xb5, 0x2f, 0xfd), 'unexpected end of file'],
  ])('is one with a buffer of zstd that is %s', (_, frame, reason) => {
    const bytes = compressedStream(zeros(200), { ...ZSTD, encode: () => frame });
    expect(() => arrowToLines(bytes)).toThrow(TableError);
    expect(() => arrowToLines(bytes)).toThrow(reason);
  });

  test('is one whose frame asks for far more memory than it becomes bytes', () => {
    // A window of 512 MiB in a frame that is otherwise whole.
    const frame = Buffer.from(zstdCompressSync(new Uint8Array(800)));
    const bytes = compressedStream(zeros(200), {
      ...ZSTD,
      encode: () => Buffer.concat([frame.subarray(0, 4), Buffer.of(0x00, (29 - 10) << 3), Buffer.of(0x01, 0x00, 0x00)]),
    });
    expect(() => arrowToLines(bytes)).toThrow('Frame requires too much memory for decoding');
  });

  test('is one in which more rows stand than its bytes can hold, however few they were as they came', () => {
    expect(arrowToLines(compressedStream(zeros(2_000_000), ZSTD)).rows).toBe(2_000_000);
    const none = apache.vectorFromArray(
      Array.from({ length: 1_000_001 }, () => null),
      new apache.Null(),
    );
    const nulls = new apache.Table({ none });
    expect(() => arrowToLines(compressedStream(nulls, ZSTD))).toThrow('it has 1000001 rows that take no bytes');
  });

  test('is one whose text is too long for any row, as its bytes or as JSON', () => {
    for (const length of [140_000_000, 90_000_000]) {
      const text = compressedStream(textTable(length), ZSTD);
      expect(text.length).toBeLessThan(20_000);
      expect(() => arrowToLines(text)).toThrow(
        'Row 1, column "text": the value makes the row longer than 128 MiB as JSON',
      );
    }
  });

  /** A row with one text of NUL characters, each of which is six characters in JSON. */
  function textTable(length: number): apache.Table {
    const data = apache.makeData({
      type: new apache.Utf8(),
      length: 1,
      nullCount: 0,
      valueOffsets: Int32Array.of(0, length),
      data: new Uint8Array(length),
    });
    return new apache.Table({ text: new apache.Vector([data]) });
  }
});

describe.each(['lz4', 'zstd'])('what pyarrow wrote with %s', (codec) => {
  test.each(['stream', 'file'])('is refused as a %s that is cut short anywhere', (container) => {
    const whole = pyarrow(`a ${container} with ${codec}`);
    for (let length = 0; length < whole.length; length += 3)
      expect(() => arrowToLines(whole.subarray(0, length)), `${length} bytes`).toThrow(TableError);
  });

  test('is read as some table with any byte changed, or refused as none', () => {
    const whole = pyarrow(`a stream with ${codec} and a dictionary that is replaced`);
    expectSomeTableOrNone(whole);
  });
});

describe('where there is no ZSTD, as in browsers', () => {
  afterEach(() => {
    vi.unstubAllGlobals();
  });

  test('LZ4 is read, and ZSTD refused with what to do', () => {
    const [lz4, zstd] = [pyarrow('a stream with lz4'), pyarrow('a stream with zstd')];
    vi.stubGlobal('process', undefined);
    const [read, refused] = [attempt(lz4), attempt(zstd)];
    vi.unstubAllGlobals();
    expect(read).toBe(12);
    expect(String(refused)).toContain(
      'it is compressed with zstd, which Node 22.15 has, and browsers do not; write it with lz4 or without compression.',
    );
  });

  function attempt(bytes: Uint8Array): unknown {
    try {
      return arrowToLines(bytes).rows;
    } catch (error) {
      return error;
    }
  }
});
