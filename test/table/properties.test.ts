// What must hold for every table, tried on arbitrary ones with nasty values.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { convertTable } from '../../src/table/convert.ts';
import { TableError, type TableFormat } from '../../src/table/format.ts';
import { mergeTables, type MergePart } from '../../src/table/merge.ts';
import { decodeRows, encodeRows, type Row } from '../../src/table/rows.ts';
import { countRows, indexTable, sliceTable } from '../../src/table/split.ts';
import { bytesOf, textOf } from './text.ts';

const FORMATS: readonly TableFormat[] = ['csv', 'jsonl', 'json'];

const nasty = fc.oneof(
  fc.constantFrom(
    '',
    '"',
    '""',
    ',',
    '\n',
    '\r\n',
    '\r',
    ' ',
    '\t',
    'NA',
    'null',
    '00123',
    '1e5',
    '\uFEFF',
    '😀',
    'é,"\n',
    '__proto__',
    'inference_error',
  ),
  fc
    .array(fc.constantFrom('a', '"', ',', '\n', '\r', ' ', 'é', '名', '😀', '\uFEFF', '\u2028'), { maxLength: 8 })
    .map((letters) => letters.join('')),
  fc.string({ unit: 'grapheme' }).map((text) => text.replaceAll('\0', '')),
);

const name = nasty.filter((text) => text !== '' && text !== 'inference_error');
const names = fc.uniqueArray(name, { minLength: 1, maxLength: 4 });

interface StringTable {
  readonly columns: readonly string[];
  readonly rows: readonly Row[];
}

function rowOf(columns: readonly string[], values: readonly unknown[]): Row {
  // fromEntries adds __proto__ as a member, as an assignment would not.
  return Object.fromEntries(columns.map((column, k) => [column, values[k]]));
}

const stringTable: fc.Arbitrary<StringTable> = names.chain((columns) =>
  fc
    .array(fc.array(nasty, { minLength: columns.length, maxLength: columns.length }), { maxLength: 8 })
    .map((rows) => ({ columns, rows: rows.map((values) => rowOf(columns, values)) })),
);

const coins = fc.array(fc.boolean(), { minLength: 1, maxLength: 30 });

/**
 * CSV as other programs write it: quotes where none are needed, line ends of both kinds, a mark in
 * front, no end at the end.
 */
const foreignCsv = fc
  .tuple(stringTable, coins, fc.constantFrom('', '\uFEFF'))
  .filter(([{ columns }]) => columns.length > 1)
  .map(([{ columns, rows }, coin, mark]) => {
    let tossed = 0;
    const toss = (): boolean => coin[tossed++ % coin.length] as boolean;
    const field = (value: string): string =>
      toss() || /[",\r\n]|^\uFEFF/.test(value) ? `"${value.replaceAll('"', '""')}"` : value;
    const line = (values: readonly string[]): string => values.map(field).join(',') + (toss() ? '\r\n' : '\n');
    const lines = [line(columns), ...rows.map((row) => line(columns.map((column) => row[column] as string)))];
    return { columns, rows, lines, text: mark + lines.join('') };
  });

/** Cuts n rows at arbitrary places, empty chunks among them. */
function cuts(rows: number, places: readonly number[]): [number, number][] {
  const sorted = [0, ...places.map((place) => place % (rows + 1)), rows].toSorted((a, b) => a - b);
  return sorted.slice(1).map((to, k) => [sorted[k] as number, to]);
}

function splitAndMerge(bytes: Uint8Array, format: TableFormat, places: readonly number[]): Uint8Array {
  const index = indexTable(bytes, format);
  const parts = cuts(index.rows, places).map(([from, to]): MergePart => ({
    kind: 'rows',
    bytes: sliceTable(bytes, index, from, to),
    rows: to - from,
  }));
  return mergeTables(parts, format);
}

const places = fc.array(fc.nat(), { maxLength: 5 });

describe('decoding what was encoded', () => {
  test.each(FORMATS)('%s: gives back every table of strings', (format) => {
    fc.assert(
      fc.property(stringTable, ({ columns, rows }) => {
        const bytes = encodeRows(rows, format, columns);
        expect(decodeRows(bytes, format)).toEqual(rows);
        expect(countRows(bytes, format)).toBe(rows.length);
        expect(indexTable(bytes, format).columns).toEqual(format === 'csv' || rows.length > 0 ? columns : null);
      }),
      { numRuns: 500 },
    );
  });

  test.each(['jsonl', 'json'] as const)('%s: gives back every table of JSON values', (format) => {
    const row = fc.dictionary(fc.string({ unit: 'grapheme' }), fc.jsonValue({ maxDepth: 3 }));
    fc.assert(
      fc.property(fc.array(row), (rows) => {
        expect(decodeRows(encodeRows(rows, format), format)).toEqual(JSON.parse(JSON.stringify(rows)));
      }),
      { numRuns: 300 },
    );
  });
});

describe('CSV that other programs wrote', () => {
  test('is read as the values that were written', () => {
    fc.assert(
      fc.property(foreignCsv, ({ columns, rows, text }) => {
        expect(indexTable(bytesOf(text), 'csv').columns).toEqual(columns);
        expect(decodeRows(bytesOf(text), 'csv')).toEqual(rows);
      }),
      { numRuns: 500 },
    );
  });

  test('is the same bytes after any split and merge', () => {
    fc.assert(
      fc.property(foreignCsv, places, ({ lines }, cutAt) => {
        expect(textOf(splitAndMerge(bytesOf(lines.join('')), 'csv', cutAt))).toBe(lines.join(''));
      }),
      { numRuns: 500 },
    );
  });
});

describe('any split and merge', () => {
  test.each(['csv', 'jsonl'] as const)('%s: gives the same bytes', (format) => {
    fc.assert(
      fc.property(stringTable, places, fc.boolean(), ({ columns, rows }, cutAt, ended) => {
        const bytes = encodeRows(rows, format, columns);
        const given = ended ? bytes : bytes.subarray(0, Math.max(bytes.length - 1, 0));
        expect(textOf(splitAndMerge(given, format, cutAt))).toBe(textOf(bytes));
      }),
      { numRuns: 500 },
    );
  });

  test('json: gives the same rows, byte for byte', () => {
    fc.assert(
      fc.property(stringTable, places, fc.constantFrom(',', ' ,\n'), ({ columns, rows }, cutAt, comma) => {
        const texts = rows.map((row) => textOf(encodeRows([row], 'json', columns)).slice(1, -1));
        const given = bytesOf(`[${texts.join(comma)}]`);
        expect(textOf(splitAndMerge(given, 'json', cutAt))).toBe(`[${texts.join(',')}]`);
      }),
      { numRuns: 500 },
    );
  });

  test.each(FORMATS)(
    '%s: with failed chunks keeps every row in its place, good ones with their values, failed ones with the reason',
    (format) => {
      fc.assert(
        fc.property(stringTable, places, nasty, coins, ({ columns, rows }, cutAt, reason, coin) => {
          const input = encodeRows(rows, format, columns);
          const index = indexTable(input, format);
          const chunks = cuts(rows.length, cutAt).map(([from, to], k) => ({
            from,
            to,
            failed: coin[k % coin.length] as boolean,
          }));
          const parts = chunks.map(({ from, to, failed }): MergePart => {
            const bytes = sliceTable(input, index, from, to);
            if (failed) return { kind: 'failed', input: bytes, inputFormat: format, rows: to - from, error: reason };
            return { kind: 'rows', bytes, rows: to - from };
          });
          const merged = decodeRows(mergeTables(parts, format), format);
          expect(merged.map((row) => columns.map((column) => row[column]))).toEqual(
            rows.map((row) => columns.map((column) => row[column])),
          );
          const why = reason === '' ? 'The row failed and no reason was given.' : reason;
          const good = !chunks.some(({ from, to, failed }) => failed && to > from)
            ? undefined
            : format === 'csv'
              ? ''
              : null;
          const reasons = chunks.flatMap(({ from, to, failed }) =>
            rows.slice(from, to).map(() => (failed ? why : good)),
          );
          expect(merged.map((row) => row['inference_error'])).toEqual(reasons);
        }),
        { numRuns: 300 },
      );
    },
  );
});

describe('converting', () => {
  test('a table of strings through every format and back gives the same values', () => {
    fc.assert(
      fc.property(stringTable, fc.array(fc.constantFrom(...FORMATS), { maxLength: 5 }), ({ columns, rows }, stops) => {
        fc.pre(rows.length > 0);
        let format: TableFormat = 'csv';
        let bytes: Uint8Array = encodeRows(rows, format, columns);
        for (const stop of stops) {
          bytes = convertTable(bytes, format, stop);
          format = stop;
        }
        expect(decodeRows(bytes, format)).toEqual(rows);
      }),
      { numRuns: 300 },
    );
  });
});

function rowsOrError(bytes: Uint8Array, format: TableFormat): Row[] | TableError {
  try {
    return decodeRows(bytes, format);
  } catch (error) {
    if (error instanceof TableError) return error;
    throw error;
  }
}

describe('arbitrary bytes', () => {
  const pieces = fc.constantFrom(
    'a',
    'b',
    ',',
    '"',
    '\n',
    '\r',
    '\r\n',
    '{',
    '}',
    '[',
    ']',
    ':',
    '"a"',
    '1',
    ' ',
    '\0',
    '\uFEFF',
    'é',
    '{"a":1}',
    '{"instances":',
  );
  const bytes = fc.oneof(
    fc.uint8Array({ maxLength: 40 }),
    fc.array(pieces, { maxLength: 20 }).map((list) => bytesOf(list.join(''))),
  );

  test.each(FORMATS)('%s: are a table, whose slices and merges have its values, or a TableError', (format) => {
    fc.assert(
      fc.property(bytes, places, (given, cutAt) => {
        const rows = rowsOrError(given, format);
        // A TableError is a right answer too; anything else was thrown on.
        if (rows instanceof TableError) return;
        expect(countRows(given, format)).toBe(rows.length);
        expect(decodeRows(splitAndMerge(given, format, cutAt), format)).toEqual(rows);
      }),
      { numRuns: 3_000 },
    );
  });
});
