import { describe, expect, test } from 'vitest';
import { TableError, type TableFormat } from '../../src/table/format.ts';
import { decodeRows } from '../../src/table/rows.ts';
import { countRows, indexTable, sliceTable } from '../../src/table/split.ts';
import { MALFORMED, NAMED_TWICE } from './malformed.ts';
import { bytesOf, raw, textOf, thrownBy } from './text.ts';

/** The rows [from, to) of a table given as text. */
function slice(text: string, format: TableFormat, from: number, to: number): string {
  const bytes = bytesOf(text);
  return textOf(sliceTable(bytes, indexTable(bytes, format), from, to));
}

describe('a malformed table', () => {
  test.each([...MALFORMED, ...NAMED_TWICE])(
    '$format: $what is refused, saying what, where and what to do',
    ({ bytes, format, says, ...place }) => {
      const error = thrownBy(() => indexTable(bytes, format));
      expect(error).toBeInstanceOf(TableError);
      const { message, row, line, pointer } = error as TableError;
      for (const piece of says) expect(message).toContain(piece);
      expect({ row, line, pointer }).toEqual({ row: place.row, line: place.line, pointer: place.pointer });
      expect(message).not.toContain('secret');
    },
  );

  test.each(MALFORMED)('$format: $what is refused by decodeRows and countRows too', ({ bytes, format }) => {
    expect(() => decodeRows(bytes, format)).toThrow(TableError);
    expect(() => countRows(bytes, format)).toThrow(TableError);
  });

  test('a very long column name is cut in the message', () => {
    const error = thrownBy(() => indexTable(bytesOf(`${'n'.repeat(10_000)},${'n'.repeat(10_000)}\n`), 'csv'));
    expect((error as TableError).message.length).toBeLessThan(300);
  });
});

describe('indexTable on CSV', () => {
  test('names the columns and counts the rows', () => {
    expect(indexTable(bytesOf('id,smiles\n1,CCO\n2,C\n'), 'csv')).toMatchObject({
      format: 'csv',
      rows: 2,
      columns: ['id', 'smiles'],
    });
  });

  test('the last row may lack its line end', () => {
    expect(countRows(bytesOf('a,b\n1,2\n3,4'), 'csv')).toBe(2);
    expect(countRows(bytesOf('a,b\n1,'), 'csv')).toBe(1);
  });

  test.each(['a,b', 'a,b\n', 'a,b\r\n', 'a,b\n\n\r\n'])('a header alone, %j, is a table of no rows', (text) => {
    expect(indexTable(bytesOf(text), 'csv')).toMatchObject({ rows: 0, columns: ['a', 'b'] });
  });

  test('commas, quotes and line ends inside quotes are part of the value', () => {
    expect(countRows(bytesOf('a,b\n"1,2","x\n""y""\r\nz"\n3,4\n'), 'csv')).toBe(2);
  });

  test('LF and CRLF may be mixed', () => {
    expect(countRows(bytesOf('a,b\r\n1,2\n3,4\r\n5,6'), 'csv')).toBe(3);
  });

  test('names may be quoted and hold commas, quotes and line ends', () => {
    expect(indexTable(bytesOf('"a,b","c ""d""","e\nf"\n1,2,3\n'), 'csv').columns).toEqual(['a,b', 'c "d"', 'e\nf']);
  });

  test('a byte order mark is no part of the first name, quoted or not', () => {
    expect(indexTable(bytesOf('\uFEFFa,b\n'), 'csv').columns).toEqual(['a', 'b']);
    expect(indexTable(bytesOf('\uFEFF"a",b\n'), 'csv').columns).toEqual(['a', 'b']);
    expect(indexTable(bytesOf('\uFEFF\uFEFFa,b\n'), 'csv').columns).toEqual(['a', 'b']);
    expect(slice('\n\uFEFF\r\n\uFEFFa,b\n1,2\n', 'csv', 0, 1)).toBe('a,b\n1,2\n');
  });

  test('blank lines before the header and after the last row are ignored', () => {
    expect(countRows(bytesOf('\n\r\na,b\n1,2\n\n\r\n\n'), 'csv')).toBe(1);
  });

  test('blank lines between the rows of several columns are ignored', () => {
    expect(countRows(bytesOf('a,b\n\n1,2\n\r\n3,4\n'), 'csv')).toBe(2);
  });

  test('a blank line between the rows of one column is an empty value, and after the last row it is nothing', () => {
    expect(countRows(bytesOf('a\nx\n\n\ny\n'), 'csv')).toBe(4);
    expect(countRows(bytesOf('a\nx\n\n\n'), 'csv')).toBe(1);
    expect(countRows(bytesOf('a\n\n'), 'csv')).toBe(0);
  });

  test('an empty value in quotes is a row of one column wherever it stands', () => {
    expect(countRows(bytesOf('a\n""\n""\n'), 'csv')).toBe(2);
  });

  test('10,000 columns are a table like any other', () => {
    const names = Array.from({ length: 10_000 }, (_, k) => `c${k}`);
    const bytes = bytesOf(`${names.join(',')}\n${names.map(() => '1').join(',')}\n${','.repeat(9_999)}\n`);
    expect(indexTable(bytes, 'csv')).toMatchObject({ rows: 2, columns: names });
  });

  test('a header of far too many names is refused before the names are read', () => {
    expect(() => indexTable(new Uint8Array(2_000_000).fill(0x2c), 'csv')).toThrow(
      /2000001 columns; send at most 1000000/,
    );
  });

  test('one row of 50 MB is a table like any other, in quotes or not', () => {
    const size = 25_000_000;
    const bytes = new Uint8Array(2 * size + 10).fill(0x78);
    bytes.set(bytesOf('a,b\n"'), 0);
    bytes.set(bytesOf('",'), size);
    expect(countRows(bytes, 'csv')).toBe(1);
    expect(Buffer.compare(sliceTable(bytes, indexTable(bytes, 'csv'), 0, 1), bytes)).toBe(0);
  });

  test('a Node Buffer is read like plain bytes', () => {
    const buffer = Buffer.from('xxa,b\n1,2\n').subarray(2);
    expect(textOf(sliceTable(buffer, indexTable(buffer, 'csv'), 0, 1))).toBe('a,b\n1,2\n');
  });
});

describe('sliceTable on CSV', () => {
  const TABLE = 'a,b\r\n1,"x, ""y"""\n"2",\r\n 3 ,5" pipe\n';

  test('is the header and the bytes of the rows, each with the line end it had', () => {
    expect(slice(TABLE, 'csv', 0, 1)).toBe('a,b\r\n1,"x, ""y"""\n');
    expect(slice(TABLE, 'csv', 1, 3)).toBe('a,b\r\n"2",\r\n 3 ,5" pipe\n');
  });

  test('of all rows is the table, of none its header', () => {
    expect(slice(TABLE, 'csv', 0, 3)).toBe(TABLE);
    expect(slice(TABLE, 'csv', 2, 2)).toBe('a,b\r\n');
  });

  test('drops the byte order mark and blank lines, which are no part of a row', () => {
    expect(slice('\uFEFFa,b\n\n1,2\n\r\n\n3,4\n\n', 'csv', 0, 2)).toBe('a,b\n1,2\n3,4\n');
  });

  test('writes the empty value of a table of one column in quotes, so that it is still a row at the end of a chunk', () => {
    const table = 'a\nx\n\n\r\ny\n';
    expect(slice(table, 'csv', 0, 2)).toBe('a\nx\n""\n');
    expect(slice(table, 'csv', 2, 4)).toBe('a\n""\r\ny\n');
    expect(decodeRows(bytesOf(slice(table, 'csv', 1, 3)), 'csv')).toEqual([{ a: '' }, { a: '' }]);
  });

  test('has memory of its own, so that it can be handed to a worker', () => {
    const bytes = bytesOf('a\n1\n2\n');
    const chunk = sliceTable(bytes, indexTable(bytes, 'csv'), 0, 2);
    expect(chunk.buffer).not.toBe(bytes.buffer);
    expect(chunk.buffer.byteLength).toBe(chunk.byteLength);
  });

  test.each([
    [-1, 1],
    [2, 1],
    [0, 4],
    [Number.NaN, 1],
  ])('rows %d to %d of three are a mistake of the caller', (from, to) => {
    expect(() => slice(TABLE, 'csv', from, to)).toThrow(RangeError);
  });
});

describe('JSON Lines', () => {
  const TABLE = '{"a": 9007199254740993}\n\n  {"a":1e400,"b":"\\u00e9"} \r\n \t\r\n{"a":-0.10}';

  test('blank lines are no rows, and a row may lack its line end', () => {
    expect(indexTable(bytesOf(TABLE), 'jsonl')).toMatchObject({ rows: 3, columns: ['a', 'b'] });
  });

  test('a slice is the bytes of the rows: numbers no double can hold stay what they are', () => {
    expect(slice(TABLE, 'jsonl', 0, 3)).toBe('{"a": 9007199254740993}\n  {"a":1e400,"b":"\\u00e9"} \r\n{"a":-0.10}');
    expect(slice(TABLE, 'jsonl', 1, 2)).toBe('  {"a":1e400,"b":"\\u00e9"} \r\n');
    expect(slice(TABLE, 'jsonl', 1, 1)).toBe('');
  });

  test('zero bytes are no rows', () => {
    expect(countRows(bytesOf(''), 'jsonl')).toBe(0);
    expect(countRows(bytesOf('\uFEFF\n \n'), 'jsonl')).toBe(0);
  });

  test('a byte order mark is dropped', () => {
    expect(slice('\uFEFF{"a":1}\n', 'jsonl', 0, 1)).toBe('{"a":1}\n');
  });

  test('64 levels are taken', () => {
    expect(countRows(bytesOf(`{"a":${'['.repeat(63)}${']'.repeat(63)}}\n`), 'jsonl')).toBe(1);
  });

  test('one row of 50 MB is a table like any other', () => {
    const bytes = new Uint8Array(50_000_000).fill(0x78);
    bytes.set(bytesOf('{"a":"'), 0);
    bytes.set(bytesOf('"}'), bytes.length - 2);
    expect(countRows(bytes, 'jsonl')).toBe(1);
  });
});

describe('JSON records', () => {
  test('a slice is an array with the bytes of the rows', () => {
    const table = ' [ {"a": 9007199254740993} ,\n {"a":1e400, "b":[{}, "]"]}, {} ] ';
    expect(slice(table, 'json', 0, 2)).toBe('[{"a": 9007199254740993},{"a":1e400, "b":[{}, "]"]}]');
    expect(slice(table, 'json', 2, 3)).toBe('[{}]');
    expect(slice(table, 'json', 3, 3)).toBe('[]');
  });

  test('instances are rows, and a slice of them is an array', () => {
    expect(slice('{ "instances" : [{"a":1},{"a":2}] }', 'json', 1, 2)).toBe('[{"a":2}]');
  });

  test.each(['[]', ' [ \n ] ', '{"instances":[]}', '\uFEFF[]'])('%j is a table of no rows', (text) => {
    expect(countRows(bytesOf(text), 'json')).toBe(0);
  });

  test('64 levels in a row are taken, alone and in instances', () => {
    const row = `{"a":${'['.repeat(63)}${']'.repeat(63)}}`;
    expect(countRows(bytesOf(`[${row}]`), 'json')).toBe(1);
    expect(countRows(bytesOf(`{"instances":[${row}]}`), 'json')).toBe(1);
  });

  test('a name that only looks like instances is another name', () => {
    expect(() => countRows(bytesOf('{"Instances":[]}'), 'json')).toThrow('without "instances"');
    expect(countRows(bytesOf('{"\\u0069nstances":[{}]}'), 'json')).toBe(1);
  });

  test('bytes that are not UTF-8 are refused', () => {
    expect(() => countRows(raw('[{"a":"', 0xff, '"}]'), 'json')).toThrow(/not UTF-8 \(line 1, byte 8 of the table\)/);
  });
});
