import { describe, expect, test } from 'vitest';
import { TableError, type TableFormat } from '../../src/table/format.ts';
import { checkOutput, mergeTables, type MergePart } from '../../src/table/merge.ts';
import { countRows } from '../../src/table/split.ts';
import { bytesOf, textOf, thrownBy } from './text.ts';

function rows(text: string, count: number): MergePart {
  return { kind: 'rows', bytes: bytesOf(text), rows: count };
}

function failed(text: string, count: number, error: string, inputFormat: TableFormat = 'csv'): MergePart {
  return { kind: 'failed', input: bytesOf(text), inputFormat, rows: count, error };
}

function merge(format: TableFormat, ...parts: MergePart[]): string {
  return textOf(mergeTables(parts, format));
}

describe('merging CSV', () => {
  test('parts with the same header follow each other byte for byte', () => {
    expect(merge('csv', rows('a,b\n1,"x, ""y"""\n', 1), rows('a,b\n 2 ,\n"3",z\n', 2))).toBe(
      'a,b\n1,"x, ""y"""\n 2 ,\n"3",z\n',
    );
  });

  test('a last row without line end gets the line end of the first header', () => {
    expect(merge('csv', rows('a,b\n1,2', 1), rows('a,b\n3,4', 1))).toBe('a,b\n1,2\n3,4\n');
    expect(merge('csv', rows('a,b\r\n1,2', 1), rows('a,b\n3,4\n', 1))).toBe('a,b\r\n1,2\r\n3,4\n');
  });

  test('a table of one part is that table', () => {
    expect(merge('csv', rows('a\n1\n', 1))).toBe('a\n1\n');
  });

  test('byte order marks and blank lines are dropped, wherever the parts have them', () => {
    expect(merge('csv', rows('\uFEFFa,b\n\n1,2\n\n', 1), rows('\uFEFFa,b\r\n3,4\n\r\n5,6', 2))).toBe(
      'a,b\n1,2\n3,4\n5,6\n',
    );
  });

  test('an empty value of one column stays a row', () => {
    const merged = mergeTables([rows('a\n""\n', 1), rows('a\nx\n\ny\n', 3)], 'csv');
    expect(textOf(merged)).toBe('a\n""\nx\n""\ny\n');
    expect(countRows(merged, 'csv')).toBe(4);
  });

  test('columns in another order are put in the first one’s, the bytes of their values as they are', () => {
    expect(merge('csv', rows('a,b\n1,2\n', 1), rows('b,a\r\n" 4","3, ""x"""\r\n', 1))).toBe(
      'a,b\n1,2\n"3, ""x"""," 4"\n',
    );
  });

  test('other columns are added in the order first seen, and empty where a part has none', () => {
    expect(merge('csv', rows('a,b\n1,2\n', 1), rows('c,a\n3,4\n', 1), rows('b\nx\n\ny\n', 3))).toBe(
      'a,b,c\n1,2,\n4,,3\n,x,\n,,\n,y,\n',
    );
  });

  test('headers that differ in their quotes alone are the same columns', () => {
    expect(merge('csv', rows('a,b\n1,2\n', 1), rows('"a",b\n"3",4\n', 1))).toBe('a,b\n1,2\n"3",4\n');
  });

  test('a header that starts like the one before is not taken for it', () => {
    expect(merge('csv', rows('a,b\n1,2\n', 1), rows('a,bc\n3,4\n', 1))).toBe('a,b,bc\n1,2,\n3,,4\n');
  });

  test('a part of no rows gives its header, or nothing if it has none', () => {
    expect(merge('csv', rows('a,b', 0))).toBe('a,b\n');
    expect(merge('csv', rows('', 0), rows('a,b\n1,2\n', 1), rows('', 0))).toBe('a,b\n1,2\n');
    expect(merge('csv', rows('', 0))).toBe('');
    expect(merge('csv')).toBe('');
  });

  test('where rows failed, every row has a last column that says why or is empty', () => {
    expect(
      merge('csv', rows('pred\n0.5\n\n7\n', 3), failed('smiles\nC(\n', 1, 'bad, "really"'), rows('pred\n" 1 "', 1)),
    ).toBe('pred,inference_error\n0.5,\n,\n7,\n,"bad, ""really"""\n" 1 ",\n');
  });

  test('a failed row keeps the input’s values in the output’s columns, with their bytes, and no others', () => {
    expect(
      merge('csv', failed('smiles,id,x\n"C,C", 7 ,secret\n', 1, 'no'), rows('id,pred,smiles\r\n1,2,C\r\n', 1)),
    ).toBe('id,pred,smiles,inference_error\n 7 ,,"C,C",no\n1,2,C,\n');
  });

  test('where all rows failed, the columns are the input’s', () => {
    expect(merge('csv', failed('id,smiles\n1,"C"\n', 1, 'x'), failed('id,smiles\n2,N\n3,O\n', 2, 'y'))).toBe(
      'id,smiles,inference_error\n1,"C",x\n2,N,y\n3,O,y\n',
    );
  });

  test('a header without rows says what the columns are even where all rows failed', () => {
    expect(merge('csv', rows('id,pred\n', 0), failed('id,smiles\n1,C\n', 1, 'x'))).toBe(
      'id,pred,inference_error\n1,,x\n',
    );
  });

  test('failed rows that came as JSON keep the digits of their numbers', () => {
    const input = '{"id":9007199254740993,"smiles":"C,C","tags":["a", 1e400],"none":null}\n';
    expect(merge('csv', failed(input, 1, 'x', 'jsonl'))).toBe(
      'id,smiles,tags,none,inference_error\n9007199254740993,"C,C","[""a"", 1e400]",,x\n',
    );
    expect(merge('csv', rows('id,pred\n1,2\n', 1), failed(`[${input}]`, 1, 'x', 'json'))).toBe(
      'id,pred,inference_error\n1,2,\n9007199254740993,,x\n',
    );
  });

  test('what CSV cannot hold of a failed row is left out, and the rest of it stands beside its reason', () => {
    const input = '{"id":7,"text":"a\\u0000b","half":"\\ud800","":1,"nul\\u0000":2,"list":["\\u0000"]}\n';
    expect(merge('csv', failed(input, 1, 'x', 'jsonl'))).toBe(
      'id,text,half,list,inference_error\n7,,,"[""\\u0000""]",x\n',
    );
    expect(merge('csv', rows('id,text\n1,t\n', 1), failed(`[${input}]`, 1, 'x', 'json'))).toBe(
      'id,text,inference_error\n1,t,\n7,,x\n',
    );
    expect(merge('csv', failed('{"":1}\n{}\n', 2, 'x', 'jsonl'))).toBe('inference_error\nx\nx\n');
  });

  test('the reason of an earlier run in a failed input gives way to the new one', () => {
    expect(merge('csv', failed('id,inference_error\n1,old\n', 1, 'new'))).toBe('id,inference_error\n1,new\n');
    expect(merge('csv', failed('inference_error\nold\n', 1, 'new'))).toBe('inference_error\nnew\n');
  });

  test('a reason is never empty, and never breaks the table', () => {
    const merged = mergeTables([failed('id\n1\n2\n', 2, ''), failed('id\n3\n', 1, 'a\n"b"\0\ud800,')], 'csv');
    expect(textOf(merged)).toBe(
      'id,inference_error\n1,The row failed and no reason was given.\n2,The row failed and no reason was given.\n3,"a\n""b""\uFFFD\uFFFD,"\n',
    );
    expect(countRows(merged, 'csv')).toBe(3);
  });
});

describe('merging JSON Lines', () => {
  test('rows follow each other byte for byte, each on its line', () => {
    expect(merge('jsonl', rows('{"a": 9007199254740993}\n\n{"a":1e400}', 2), rows(' {"b":-0.0}\r\n', 1))).toBe(
      '{"a": 9007199254740993}\n{"a":1e400}\n {"b":-0.0}\r\n',
    );
  });

  test('where rows failed, good ones get a null reason before their closing brace and keep every other byte', () => {
    expect(merge('jsonl', rows('{"p": 1e400 } \r\n{}\n { }\n', 3), failed('{"id":1}\n', 1, 'bad "x"', 'jsonl'))).toBe(
      '{"p": 1e400,"inference_error":null}\n{"inference_error":null}\n {"inference_error":null}\n{"p":null,"inference_error":"bad \\"x\\""}\n',
    );
  });

  test('a failed row has the output’s columns, with the bytes of the input’s values', () => {
    const input = '{"id":9007199254740993,"smiles":"C\\u0043","x":{"y":1},"id":1e400}\n{"x":3}\n';
    expect(merge('jsonl', rows('{"id":1,"pred":2}\n{"smiles":"N"}\n', 2), failed(input, 2, 'no', 'jsonl'))).toBe(
      '{"id":1,"pred":2,"inference_error":null}\n{"smiles":"N","inference_error":null}\n' +
        '{"id":1e400,"pred":null,"smiles":"C\\u0043","inference_error":"no"}\n{"id":null,"pred":null,"smiles":null,"inference_error":"no"}\n',
    );
  });

  test('where all rows failed, the columns are the input’s, with the old reason left out', () => {
    expect(merge('jsonl', failed('{"id":1}\n{"x":2,"inference_error":"old"}\n', 2, 'no', 'jsonl'), rows('', 0))).toBe(
      '{"id":1,"x":null,"inference_error":"no"}\n{"id":null,"x":2,"inference_error":"no"}\n',
    );
  });

  test('failed rows that came as CSV are strings, exactly as they stood there', () => {
    expect(merge('jsonl', failed('id,smiles\n00123,"C ""x"""\n', 1, 'no'))).toBe(
      '{"id":"00123","smiles":"C \\"x\\"","inference_error":"no"}\n',
    );
  });

  test('failed rows that came as JSON over several lines are put on one', () => {
    expect(merge('jsonl', failed('[{\r\n  "id": [1,\n2]\n}]', 1, 'no', 'json'))).toBe(
      '{"id":[1, 2],"inference_error":"no"}\n',
    );
  });

  test('no parts are no bytes', () => {
    expect(merge('jsonl')).toBe('');
    expect(merge('jsonl', rows('\n', 0))).toBe('');
  });

  test('a column named __proto__ is a column', () => {
    expect(merge('jsonl', rows('{"__proto__":1}\n', 1), failed('{"__proto__":2}\n', 1, 'no', 'jsonl'))).toBe(
      '{"__proto__":1,"inference_error":null}\n{"__proto__":2,"inference_error":"no"}\n',
    );
  });
});

describe('merging JSON records', () => {
  test('is an array with the bytes of the rows, and nothing of what stood between them', () => {
    expect(
      merge('json', rows('[{"a": 9007199254740993} ,\n{"a":1e400},{}]', 3), rows('{"instances":[{"b":1}]}', 1)),
    ).toBe('[{"a": 9007199254740993},{"a":1e400},{},{"b":1}]');
  });

  test('where rows failed, good ones get a null reason and failed ones the output’s columns', () => {
    expect(
      merge('json', failed('[{"id": 1.10, "x": 2}]', 1, 'no', 'json'), rows('[{"id":2,\n"pred":3\n},{}]', 2)),
    ).toBe(
      '[{"id":1.10,"pred":null,"inference_error":"no"},{"id":2,\n"pred":3,"inference_error":null},{"inference_error":null}]',
    );
  });

  test('no parts, and parts of no rows, are an empty array', () => {
    expect(merge('json')).toBe('[]');
    expect(merge('json', rows('[]', 0), rows('', 0))).toBe('[]');
    expect(merge('json', rows('[]', 0), rows('[{}]', 1), rows('[]', 0))).toBe('[{}]');
  });

  test('failed rows that came as JSON Lines keep their bytes', () => {
    expect(merge('json', failed(' {"id":1e400} \r\n', 1, 'no', 'jsonl'))).toBe('[{"id":1e400,"inference_error":"no"}]');
  });
});

describe('a merge that would lose or invent rows', () => {
  test.each([
    ['csv', 'a\n1\n', 'a\n1\n2\n'],
    ['jsonl', '{}\n', '{}\n{}\n'],
    ['json', '[{}]', '[{},{}]'],
  ] as const)('%s: another count of rows is refused, saying which part, wanted and found', (format, one, two) => {
    expect(() => merge(format, rows(one, 1), rows(two, 1))).toThrow(
      'Part 2 of 2: The table has 2 rows where 1 was wanted; return one row',
    );
    expect(() => merge(format, rows(one, 3))).toThrow('The table has 1 row where 3 were wanted');
    expect(() => merge(format, failed(one, 2, 'x', format))).toThrow(
      'The table has 1 row where 2 were wanted; the input',
    );
  });

  test('nothing at all where rows are wanted is refused', () => {
    expect(() => merge('csv', rows('', 1))).toThrow('The CSV table is empty');
    expect(() => merge('jsonl', rows('', 1))).toThrow('0 rows where 1 was wanted');
    expect(() => merge('json', rows('', 1))).toThrow('The JSON table is empty');
  });

  test('a malformed part is refused with its place in the part', () => {
    const error = thrownBy(() => merge('csv', rows('a,b\n1,2\n', 1), rows('a,b\n1,2\n3\n', 2)));
    expect(error).toBeInstanceOf(TableError);
    expect(error).toMatchObject({ row: 2, line: 3, pointer: 'line 3' });
    expect((error as TableError).message).toMatch(/^Part 2 of 2: Row 2 \(line 3\) has 1 value/);
    expect(() => merge('csv', failed('{"a":\n', 1, 'x', 'jsonl'))).toThrow(/^Line 1 cannot be read/);
  });

  test.each([
    ['csv', 'a,inference_error\n1,\n', 1],
    ['csv', 'a,"inference_error"\n', 0],
    ['jsonl', '{"a":1}\n{"a":1,"inference_error":null}\n', 2],
    ['jsonl', '{"inference\\u005ferror":null}\n', 1],
    ['json', '[{"inference_error":{}}]', 1],
  ] as const)(
    '%s: an output with a column inference_error of its own is refused, failed rows or not',
    (format, text, count) => {
      expect(() => merge(format, rows(text, count))).toThrow(
        /^The output has a column "inference_error".*reserved.*another name/,
      );
    },
  );

  test('the reserved name inside a value is no column', () => {
    expect(merge('jsonl', rows('{"a":{"inference_error":1}}\n', 1))).toBe('{"a":{"inference_error":1}}\n');
    expect(merge('csv', rows('a\ninference_error\n', 1))).toBe('a\ninference_error\n');
  });
});

describe('checkOutput', () => {
  test('takes what a merge would take, and nothing where nothing is wanted', () => {
    expect(() => checkOutput(bytesOf('a\n1\n'), 'csv', 1)).not.toThrow();
    expect(() => checkOutput(bytesOf('{"a":1}\n{}\n'), 'jsonl', 2)).not.toThrow();
    expect(() => checkOutput(bytesOf('[{}]'), 'json', 1)).not.toThrow();
    expect(() => checkOutput(bytesOf(''), 'csv', 0)).not.toThrow();
  });

  test.each([
    ['another count', 'a\n1\n', 2, '1 row where 2 were wanted'],
    ['the reserved column', 'a,inference_error\n1,\n', 1, 'reserved'],
    ['a broken table', 'a,b\n1\n', 1, 'Row 1 (line 2) has 1 value'],
  ])('refuses %s', (_what, text, count, says) => {
    expect(() => checkOutput(bytesOf(text), 'csv', count)).toThrow(says);
  });
});

test('Node Buffers are merged like plain bytes', () => {
  const part = (text: string): MergePart => ({ kind: 'rows', bytes: Buffer.from(`x${text}`).subarray(1), rows: 1 });
  expect(merge('csv', part('a,b\n1,2\n'), part('a,b\n3,4\n'))).toBe('a,b\n1,2\n3,4\n');
  expect(merge('jsonl', part('{"a":1}\n'), part('{"a":2}'))).toBe('{"a":1}\n{"a":2}\n');
});

test('a merged table has memory of its own size, so that it can be sent as it is', () => {
  const merged = mergeTables([rows('a,b\n1,2\n', 1), rows('b,a\n3,4\n', 1)], 'csv');
  expect(merged.buffer.byteLength).toBe(merged.byteLength);
});
