// Arrow files, which are also called Feather: what several libraries write, and files that are
// damaged.

import * as apache from 'apache-arrow';
import * as flechette from '@uwdata/flechette';
import pl from 'nodejs-polars';
import { describe, expect, test } from 'vitest';
import { arrowToLines } from '../../../src/table/arrow/to-lines.ts';
import { TableError } from '../../../src/table/format.ts';
import { textOf } from '../text.ts';

const COLOURS = ['red', 'green', 'red', null, 'blue'];

/** A file whose schema stands in its footer alone, with a dictionary and two batches of rows. */
function apacheFile(): Uint8Array {
  const table = new apache.Table({
    id: apache.vectorFromArray([1, 2, 3, 4, 5], new apache.Int32()),
    colour: apache.vectorFromArray(COLOURS, new apache.Dictionary(new apache.Utf8(), new apache.Int32())),
  });
  const writer = new apache.RecordBatchFileWriter();
  for (const batch of [table.slice(0, 3), table.slice(3)].flatMap(({ batches }) => batches)) writer.write(batch);
  return writer.finish().toUint8Array(true);
}

const LINES = COLOURS.map((colour, k) => `{"id":${k + 1},"colour":${JSON.stringify(colour)}}\n`).join('');
const footerStart = (file: Uint8Array): number => file.length - 10 - Buffer.from(file).readUInt32LE(file.length - 10);

/** Where in a file its footer says where messages start. */
function blocksIn(file: Buffer): number[] {
  const places = Array.from({ length: file.length - 18 - footerStart(file) }, (_, k) => footerStart(file) + k);
  return places.filter((at) => {
    const start = file.readBigUInt64LE(at);
    if (start < 8n || start + 8n > file.length || file.readUInt32LE(Number(start)) !== 0xffff_ffff) return false;
    return file.readUInt32LE(at + 8) === file.readUInt32LE(Number(start) + 4) + 8;
  });
}

describe('an Arrow file', () => {
  test('of Apache Arrow, which has its schema in its footer alone, is read with its dictionaries', () => {
    expect(textOf(arrowToLines(apacheFile()).lines)).toBe(LINES);
    const table = apache.tableFromArrays({ x: Float64Array.of(1, 2.5), s: ['a', 'b'] });
    expect(textOf(arrowToLines(apache.tableToIPC(table, 'file')).lines)).toBe('{"x":1.0,"s":"a"}\n{"x":2.5,"s":"b"}\n');
  });

  test('of Apache Arrow without rows has its columns', () => {
    const table = new apache.Table({ a: apache.vectorFromArray([], new apache.Int8()) });
    expect(arrowToLines(apache.tableToIPC(table, 'file'))).toMatchObject({ rows: 0, columns: ['a'] });
  });

  test('of flechette is read as the stream of the same table', () => {
    const columns = {
      id: flechette.columnFromArray([1, 2, 3, 4, 5], flechette.int32(), { maxBatchRows: 2 }),
      colour: flechette.columnFromArray(COLOURS, flechette.dictionary(flechette.utf8()), { maxBatchRows: 2 }),
    };
    const file = flechette.tableToIPC(flechette.tableFromColumns(columns), { format: 'file' })!;
    expect(textOf(arrowToLines(file).lines)).toBe(LINES);
  });

  test('of Polars is read as the stream of the same frame, its categories too', () => {
    const plain = pl.DataFrame({ a: [1, 2], s: ['x', null] });
    const frame = plain.withColumns(pl.col('s').cast(pl.Categorical).alias('category'));
    expect(arrowToLines(frame.writeIPC()).lines).toEqual(arrowToLines(frame.writeIPCStream()).lines);
  });

  test('whose messages start later than they could, as those of Rust do, is read', () => {
    const file = Buffer.from(apacheFile());
    const moved = Buffer.concat([file.subarray(0, 8), new Uint8Array(56), file.subarray(8)]);
    for (const block of blocksIn(file)) moved.writeBigUInt64LE(file.readBigUInt64LE(block) + 56n, block + 56);
    expect(textOf(arrowToLines(moved).lines)).toBe(LINES);
  });
});

describe('an Arrow file that is not whole', () => {
  const whole = apacheFile();

  test('cut short anywhere, it is refused', () => {
    for (let length = 0; length < whole.length; length += 1)
      expect(() => arrowToLines(whole.subarray(0, length)), `${length} bytes`).toThrow(TableError);
    expect(() => arrowToLines(whole.subarray(0, -1))).toThrow(
      'The Arrow table cannot be read: it is a file without its end; it may be cut short.',
    );
  });

  test.each([
    ['nothing', 0],
    ['more than the file', whole.length],
    ['more than any file', 0xffff_ffff],
  ])('with a footer that has the length of %s, it is refused', (_, length) => {
    const damaged = Buffer.from(whole);
    damaged.writeUInt32LE(length, damaged.length - 10);
    expect(() => arrowToLines(damaged)).toThrow(
      'The Arrow table cannot be read: its footer cannot be read: it has a length that no footer has.',
    );
  });

  /** How many rows are read, or the class of what is thrown instead. */
  function rowsOf(bytes: Uint8Array): unknown {
    try {
      return arrowToLines(bytes).rows;
    } catch (error) {
      return (error as object).constructor;
    }
  }

  test('with any byte of it changed, no row of it is lost in silence', () => {
    for (const at of whole.keys()) {
      for (const change of [0x01, 0x02, 0x04, 0x80, 0xff]) {
        expect([COLOURS.length, TableError], `byte ${at} changed by ${change}`).toContain(
          rowsOf(whole.with(at, whole[at]! ^ change)),
        );
      }
    }
  });

  test('with any byte of its stream changed, no row is lost in silence either', () => {
    const stream = apache.tableToIPC(apache.tableFromIPC(whole), 'stream');
    for (const at of stream.keys()) {
      for (const change of [0x01, 0x02, 0x04, 0x80, 0xff])
        expect([COLOURS.length, TableError], `byte ${at} changed by ${change}`).toContain(
          rowsOf(stream.with(at, stream[at]! ^ change)),
        );
    }
  });

  test('with a footer that names a message where none is, it is refused', () => {
    const file = Buffer.from(whole);
    expect(blocksIn(file)).toHaveLength(3);
    for (const block of blocksIn(file)) {
      const damaged = Buffer.from(file);
      damaged.writeBigUInt64LE(file.readBigUInt64LE(block) + 8n, block);
      expect(() => arrowToLines(damaged)).toThrow(/its footer names a message at byte \d+, and there is none\.$/);
    }
  });

  test('with a footer that names fewer batches than there are, it is refused', () => {
    const damaged = Buffer.from(whole);
    // The number of batches stands before the first of them.
    const count = blocksIn(damaged).find((block) => damaged.readUInt32LE(block - 4) === 2)! - 4;
    damaged.writeUInt32LE(1, count);
    expect(() => arrowToLines(damaged)).toThrow(
      'The Arrow table cannot be read: its footer does not name every part of it.',
    );
  });
});
