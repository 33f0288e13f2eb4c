import { describe, expect, test } from 'vitest';
import { convertTable } from '../../src/table/convert.ts';
import type { TableFormat } from '../../src/table/format.ts';
import { bytesOf, textOf } from './text.ts';

function convert(text: string, from: TableFormat, to: TableFormat): string {
  return textOf(convertTable(bytesOf(text), from, to));
}

describe('convertTable', () => {
  test('CSV values become strings, exactly as they stand, with the columns in order', () => {
    const csv = '\uFEFFx,2,1\n00123,"a ""b""",\n1e5,NA,é\n';
    expect(convert(csv, 'csv', 'jsonl')).toBe('{"x":"00123","2":"a \\"b\\"","1":""}\n{"x":"1e5","2":"NA","1":"é"}\n');
    expect(convert(csv, 'csv', 'json')).toBe('[{"x":"00123","2":"a \\"b\\"","1":""},{"x":"1e5","2":"NA","1":"é"}]');
  });

  test('JSON numbers keep their digits in CSV, strings lose their quotes, null is empty', () => {
    const lines = '{"a":9007199254740993,"b":"00123","c":null}\n{"d":[1e400, "é"],"a":1.10,"b":"x,\\n\\"y\\""}\n';
    const csv = 'a,b,c,d\n9007199254740993,00123,,\n1.10,"x,\n""y""",,"[1e400, ""é""]"\n';
    expect(convert(lines, 'jsonl', 'csv')).toBe(csv);
    expect(convert(`[${lines.trim().replace('\n', ',')}]`, 'json', 'csv')).toBe(csv);
  });

  test('rows of one JSON format are bytes of the other', () => {
    expect(convert('{"a": 1e400}\r\n\n {"b":2}', 'jsonl', 'json')).toBe('[{"a": 1e400}\r, {"b":2}]');
    expect(convert('[{"a":\n 1e400},\n{}]', 'json', 'jsonl')).toBe('{"a":  1e400}\n{}\n');
    expect(convert('{"instances":[{"a":1}]}', 'json', 'jsonl')).toBe('{"a":1}\n');
  });

  test('to the same format it is the table without what is no row', () => {
    expect(convert('\uFEFFa,b\n\n1, 2\n\n', 'csv', 'csv')).toBe('a,b\n1, 2\n');
    expect(convert('{"instances":[{"a":1}, {}]}', 'json', 'json')).toBe('[{"a":1},{}]');
  });

  test('no rows stay no rows', () => {
    expect(convert('a,b\n', 'csv', 'jsonl')).toBe('');
    expect(convert('a,b\n', 'csv', 'json')).toBe('[]');
    expect(convert('', 'jsonl', 'json')).toBe('[]');
    expect(convert('[]', 'json', 'jsonl')).toBe('');
    expect(convert('[]', 'json', 'csv')).toBe('');
  });

  test('what CSV cannot hold is refused with its row and column', () => {
    expect(() => convert('{"a":1}\n{"a":"\\u0000"}\n', 'jsonl', 'csv')).toThrow(
      'Row 2, column "a": the value holds a NUL character',
    );
    expect(() => convert('{"a":"\\ud800"}\n', 'jsonl', 'csv')).toThrow('surrogate');
    expect(() => convert('{}\n', 'jsonl', 'csv')).toThrow('no columns');
    expect(() => convert('{"":1}\n', 'jsonl', 'csv')).toThrow('no name');
  });

  test('a value in a table of one column is a row, also an empty one', () => {
    expect(convert('{"a":""}\n{}\n{"a":null}\n', 'jsonl', 'csv')).toBe('a\n""\n""\n""\n');
  });
});
