import { describe, expect, test } from 'vitest';
import { TableError, type TableFormat } from '../../src/table/format.ts';
import { decodeRows, encodeRows, type Row } from '../../src/table/rows.ts';
import { bytesOf, textOf, thrownBy } from './text.ts';

const FORMATS: readonly TableFormat[] = ['csv', 'jsonl', 'json'];

function decode(text: string, format: TableFormat): Row[] {
  return decodeRows(bytesOf(text), format);
}

function encode(rows: readonly Row[], format: TableFormat, columns?: readonly string[]): string {
  return textOf(encodeRows(rows, format, columns));
}

describe('decodeRows on CSV', () => {
  test.each([
    '00123',
    '1e5',
    'NA',
    'null',
    'NaN',
    'true',
    '',
    ' padded ',
    '9007199254740993',
    '-0',
    '1.10',
    "'",
    '5" pipe',
    '5"',
    'a""b',
    '\t',
    '\u00a0',
  ])('the value %j stays exactly what it is', (value) => {
    expect(decode(`a,b\n${value},x\n`, 'csv')).toEqual([{ a: value, b: 'x' }]);
    expect(decode(`a,b\nx,${value}`, 'csv')).toEqual([{ a: 'x', b: value }]);
  });

  test('quotes round a value go, doubled ones are one, and what is inside stays', () => {
    expect(decode('a,b\n"x, ""y""\r\nz",""\n"""",""""""\n', 'csv')).toEqual([
      { a: 'x, "y"\r\nz', b: '' },
      { a: '"', b: '""' },
    ]);
  });

  test('characters of every width stay what they are, also beside each other', () => {
    const values = ['é', '名前', '😀', 'a😀é名', '\uFEFF', '"😀"'];
    const text = `é,名,😀\n${values.map((value) => `"${value.replaceAll('"', '""')}",${value === '"😀"' ? '' : value},${value.length}\n`).join('')}`;
    expect(decode(text, 'csv')).toEqual(
      values.map((value) => ({ é: value, 名: value === '"😀"' ? '' : value, '😀': String(value.length) })),
    );
  });

  test('more rows than are decoded at a time come out whole and in order', () => {
    const values = Array.from({ length: 20_000 }, (_, k) => (k % 3 === 0 ? `é${k}` : `row ${k}`));
    expect(decode(`a,b\n${values.map((value) => `${value},"${value}"\n`).join('')}`, 'csv')).toEqual(
      values.map((value) => ({ a: value, b: value })),
    );
  });

  test('a header alone is no rows', () => {
    expect(decode('a,b\n', 'csv')).toEqual([]);
  });

  test('a column named __proto__ is a column, and no object changes', () => {
    const [row] = decode('__proto__,constructor\nx,y\n', 'csv');
    expect(Object.entries(row ?? {})).toEqual([
      ['__proto__', 'x'],
      ['constructor', 'y'],
    ]);
    expect(Object.getPrototypeOf(row)).toBe(Object.prototype);
    expect(({} as Record<string, unknown>)['x']).toBeUndefined();
  });
});

describe('decodeRows on JSON', () => {
  test('values are what JSON.parse makes of them', () => {
    const rows = [{ a: 1, b: '00123', c: null, d: [true, { e: '😀' }] }, {}];
    expect(decode(rows.map((row) => JSON.stringify(row)).join('\n'), 'jsonl')).toEqual(rows);
    expect(decode(JSON.stringify(rows, null, 2), 'json')).toEqual(rows);
    expect(decode(JSON.stringify({ instances: rows }), 'json')).toEqual(rows);
  });

  test('a member named __proto__ is a member, and no object changes', () => {
    for (const row of [...decode('{"__proto__":{"x":1}}', 'jsonl'), ...decode('[{"__proto__":{"x":1}}]', 'json')]) {
      expect(Object.keys(row)).toEqual(['__proto__']);
      expect(Object.getPrototypeOf(row)).toBe(Object.prototype);
    }
  });
});

describe('encodeRows', () => {
  test('CSV has the columns in the order first seen, and an empty value where a row has none', () => {
    expect(encode([{ b: 'x', a: 1 }, { c: true, b: null }, { a: undefined }], 'csv')).toBe('b,a,c\nx,1,\n,,true\n,,\n');
  });

  test('columns given are picked, in their order, in every format', () => {
    const rows = [{ a: 1, b: 2, c: 3 }, { c: 4 }];
    expect(encode(rows, 'csv', ['c', 'a'])).toBe('c,a\n3,1\n4,\n');
    expect(encode(rows, 'jsonl', ['c', 'a'])).toBe('{"c":3,"a":1}\n{"c":4,"a":null}\n');
    expect(encode(rows, 'json', ['c', 'a'])).toBe('[{"c":3,"a":1},{"c":4,"a":null}]');
  });

  test('without columns a JSON row has its own members, and undefined is null', () => {
    expect(encode([{ a: 1 }, { b: undefined }, {}], 'jsonl')).toBe('{"a":1}\n{"b":null}\n{}\n');
  });

  test.each([
    ['plain text', 'plain text'],
    ['', ''],
    ['a,b', '"a,b"'],
    ['say "x"', '"say ""x"""'],
    ['two\nlines', '"two\nlines"'],
    ['a\rb', '"a\rb"'],
    [' left', '" left"'],
    ['right\t', '"right\t"'],
    ['\uFEFFmark', '"\uFEFFmark"'],
    ['=1+1', '=1+1'],
    ['00123', '00123'],
    [1e21, '1e+21'],
    [-0.1, '-0.1'],
    [9007199254740993n, '9007199254740993'],
    [false, 'false'],
    [[1, 'x'], '"[1,""x""]"'],
    [{ a: { b: null } }, '"{""a"":{""b"":null}}"'],
    [new Date(0), '1970-01-01T00:00:00.000Z'],
    [Float32Array.of(0.5, 1), '"[0.5,1]"'],
    [[], '[]'],
  ] as [unknown, string][])('CSV value %#: quotes only where they are needed', (value, field) => {
    expect(encode([{ a: value, b: 1 }], 'csv')).toBe(`a,b\n${field},1\n`);
  });

  test('JSON values are what JSON.stringify makes of them, with typed arrays as arrays and bigints as their digits', () => {
    const row = { a: 'é"\n\ud800', b: -0, c: [1, { d: undefined, e: [null] }], f: new Date(0) };
    expect(encode([row], 'jsonl')).toBe(`${JSON.stringify(row)}\n`);
    expect(encode([{ a: Float64Array.of(0.5), b: { c: Int8Array.of(1) }, d: 9007199254740993n }], 'json')).toBe(
      '[{"a":[0.5],"b":{"c":[1]},"d":9007199254740993}]',
    );
  });

  test('an empty value in a table of one column is written so that it is a row', () => {
    expect(encode([{ a: '' }, { a: null }, { a: 'x' }], 'csv')).toBe('a\n""\n""\nx\n');
  });

  test('no rows are the header, nothing, or an empty array', () => {
    expect(encode([], 'csv', ['a', 'b'])).toBe('a,b\n');
    expect(encode([], 'csv')).toBe('');
    expect(encode([], 'jsonl')).toBe('');
    expect(encode([], 'json')).toBe('[]');
  });

  test('columns with the names of what objects inherit are the row’s own or empty', () => {
    const rows = [{ a: 1 }, JSON.parse('{"a":2,"__proto__":"p","toString":"t"}') as Row];
    expect(encode(rows, 'csv', ['a', '__proto__', 'toString'])).toBe('a,__proto__,toString\n1,,\n2,p,t\n');
    expect(encode(rows, 'jsonl', ['__proto__'])).toBe('{"__proto__":null}\n{"__proto__":"p"}\n');
    expect(decodeRows(encodeRows(rows, 'csv'), 'csv')[1]).toEqual(
      JSON.parse('{"a":"2","__proto__":"p","toString":"t"}'),
    );
  });

  test('more text than is encoded at a time comes out whole', () => {
    const rows = Array.from({ length: 5_000 }, (_, k) => ({ k, text: `😀 ${'é'.repeat(k % 50)}` }));
    expect(decodeRows(encodeRows(rows, 'jsonl'), 'jsonl')).toEqual(rows);
    expect(decodeRows(encodeRows(rows, 'csv'), 'csv')).toEqual(rows.map(({ k, text }) => ({ k: String(k), text })));
  });

  test('the columns of a JSON row keep their order even where an object sorts them', () => {
    expect(encode([{ 2: 'b', 1: 'a', x: 'c' }], 'json', ['x', '2', '1'])).toBe('[{"x":"c","2":"b","1":"a"}]');
  });
});

/** Has its value where JSON does not look. */
class Hidden {
  readonly #a = 1;
  get a(): number {
    return this.#a;
  }
}

describe('a value that would be lost', () => {
  const circular: Record<string, unknown> = {};
  circular['self'] = circular;

  test.each([
    ['NaN', Number.NaN, 'NaN'],
    ['Infinity', Number.POSITIVE_INFINITY, 'Infinity'],
    ['-Infinity', Number.NEGATIVE_INFINITY, '-Infinity'],
    ['NaN in an array', [1, [Number.NaN]], 'NaN'],
    ['NaN in an object', { score: Number.NaN }, 'NaN'],
    ['NaN in a typed array', Float32Array.of(1, Number.NaN), 'NaN'],
    ['a date that is none', new Date(Number.NaN), 'date'],
    ['a date that is none, nested', [new Date(Number.NaN)], 'date'],
    ['a function', () => 1, 'function'],
    ['a symbol', Symbol('x'), 'symbol'],
    ['a nested bigint', [1n], 'bigint'],
    ['a promise nobody awaited', Promise.resolve(1), 'Promise'],
    ['a map', new Map([[1, 2]]), 'Map'],
    ['a nested set', { s: new Set([1]) }, 'Set'],
    ['an error', new Error('secret'), 'Error'],
    ['an ArrayBuffer', new ArrayBuffer(8), 'ArrayBuffer'],
    ['an object that has getters alone', new Hidden(), 'Hidden without members of its own'],
    ['an object that holds itself', circular, 'itself'],
  ])('%s is refused in every format, with the row and the column', (_what, value, says) => {
    for (const format of FORMATS) {
      const error = thrownBy(() => encodeRows([{ 'a/b': 1 }, { 'a/b': value }], format));
      expect(error).toBeInstanceOf(TableError);
      expect(error).toMatchObject({ row: 2, column: 'a/b', line: null, pointer: '/rows/1/a~1b' });
      expect((error as TableError).message).toContain('Row 2, column "a/b"');
      expect((error as TableError).message).toContain(says);
      expect((error as TableError).message).not.toContain('secret');
    }
  });

  test.each([
    ['NUL', 'x\0', 'NUL'],
    ['half a surrogate pair', 'x\ud800', 'surrogate'],
  ])('%s is refused in CSV, which cannot hold it, and kept in JSON', (_what, value, says) => {
    expect(() => encodeRows([{ a: value }], 'csv')).toThrow(says);
    expect(() => encodeRows([{ a: 1, [value]: 1 }], 'csv')).toThrow(says);
    expect(decodeRows(encodeRows([{ a: value }], 'jsonl'), 'jsonl')).toEqual([{ a: value }]);
    expect(decodeRows(encodeRows([{ a: value }], 'json'), 'json')).toEqual([{ a: value }]);
  });

  test.each([
    ['null', null, 'null'],
    ['an array', [1], 'an array'],
    ['a typed array', Float32Array.of(1), 'an array'],
    ['a number', 0.5, 'a number'],
    ['undefined', undefined, 'a undefined'],
    ['a promise', Promise.resolve({ a: 1 }), 'a Promise that nobody has awaited'],
    ['a map', new Map([['a', 1]]), 'a Map'],
    ['a set', new Set([1]), 'a Set'],
    ['a date', new Date(0), 'a Date'],
    ['an error with a code', Object.assign(new Error('no'), { code: 1 }), 'a Error'],
    ['an object that has getters alone', new Hidden(), 'a Hidden without members of its own'],
    ['an object that inherits all', Object.create({ a: 1 }), 'a Object without members of its own'],
  ])('a row that is %s is refused in every format', (_what, row, says) => {
    for (const format of FORMATS) {
      const error = thrownBy(() => encodeRows([{ a: 1 }, row as Row], format));
      expect(error).toMatchObject({ row: 2, pointer: '/rows/1' });
      expect((error as TableError).message).toContain(`Row 2 is ${says}`);
    }
  });

  test('a row may be of any class, as long as it has members of its own', () => {
    const made = [Object.assign(new Hidden(), { b: 1 }), Object.assign(Object.create(null) as object, { a: 2 }), {}];
    expect(encode(made, 'jsonl')).toBe('{"b":1}\n{"a":2}\n{}\n');
  });

  test('CSV refuses names a reader would refuse', () => {
    expect(() => encodeRows([{ '': 1 }], 'csv')).toThrow('Column 1 of the header has no name');
    expect(() => encodeRows([{ a: 1 }], 'csv', ['a', 'a'])).toThrow('"a" more than once');
    expect(() => encodeRows([{}], 'csv')).toThrow('no columns');
  });
});
