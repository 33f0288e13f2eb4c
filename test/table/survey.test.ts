import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { TableError } from '../../src/table/format.ts';
import { decodeRows } from '../../src/table/rows.ts';
import { indexTable, sliceTable } from '../../src/table/split.ts';
import {
  indexPiece,
  type LinesFormat,
  pieceWith,
  slicePiece,
  type SurveyGrain,
  surveyTable,
  type TableSurvey,
} from '../../src/table/survey.ts';
import { MALFORMED, NAMED_TWICE } from './malformed.ts';
import { bytesOf, textOf } from './text.ts';

const LINES_FORMATS: readonly LinesFormat[] = ['csv', 'jsonl'];

/** The bytes in chunks of the lengths given, over and over. */
async function* cut(bytes: Uint8Array, lengths: readonly number[]): AsyncGenerator<Uint8Array, void> {
  for (let at = 0, k = 0; at < bytes.length; k += 1) {
    const length = lengths[k % lengths.length]!;
    yield bytes.slice(at, at + length);
    at += length;
  }
}

const WHOLE: SurveyGrain = { pieceBytes: 1_000_000, markBytes: 1_000_000 };

const survey = (bytes: Uint8Array, format: LinesFormat, grain = WHOLE, lengths = [7]): Promise<TableSurvey> =>
  surveyTable(cut(bytes, lengths), format, grain);

/** Some rows, cut from as few bytes of the table as the marks allow. */
function rowsOf(bytes: Uint8Array, surveyed: TableSurvey, from: number, to: number): Uint8Array {
  const piece = pieceWith(surveyed, from, to);
  const some = bytes.subarray(piece.first.offset, piece.last.offset);
  const spans = indexPiece(surveyed, some, piece);
  return slicePiece(surveyed, { bytes: some, spans, firstRow: piece.first.row }, from, to);
}

const grain = fc.record({ pieceBytes: fc.integer({ min: 1, max: 60 }), markBytes: fc.integer({ min: 1, max: 40 }) });
const lengths = fc.array(fc.integer({ min: 1, max: 20 }), { minLength: 1, maxLength: 4 });

const letters = fc.constantFrom(
  'a',
  ',',
  '"',
  '""',
  '\n',
  '\r\n',
  'é',
  '名',
  '😀',
  '5" pipe',
  ' ',
  '\uFEFF',
  'xxxxxxxxx',
);
const anyCsv = fc
  .tuple(
    fc.constantFrom('', '\uFEFF', '\n', '\r\n\n'),
    fc.constantFrom('a', 'a,b', '"a\nb",c'),
    fc.array(letters, { maxLength: 40 }),
  )
  .map(([before, header, rest]) => `${before}${header}\n${rest.join('')}`);
const oneColumn = fc
  .array(fc.constantFrom('x', '', '""', '"y\n"', 'long enough to fill a piece'), { maxLength: 30 })
  .map((values) => `a\n${values.join('\n')}\n`);
const goodCsv = fc
  .array(fc.tuple(fc.constantFrom('1', '"a\n""b"""', '5" pipe', 'é', ''), fc.constantFrom('x', '"\r\n,"')), {
    maxLength: 20,
  })
  .map((rows) => `a,b\r\n${rows.map((row) => row.join(',')).join('\n')}\n`);
const lines = fc
  .array(
    fc.constantFrom(
      '{"a":1}',
      '{"a":"\\n😀","b":[1,{"c":2}]}',
      '',
      ' {"b":null} \r',
      '{"a":1',
      '[1]',
      '{"a":01}',
      '\uFEFF{}',
    ),
    {
      maxLength: 20,
    },
  )
  .map((rows) => rows.join('\n'));

describe('a table that is read by the piece', () => {
  test.each([...MALFORMED, ...NAMED_TWICE].filter(({ format }) => format !== 'json'))(
    '$format: $what is refused as it is when it is read at once',
    async ({ bytes, format, row, line, pointer, says }) => {
      const refused = survey(bytes, format as LinesFormat, { pieceBytes: 3, markBytes: 1 }, [1]);
      await expect(refused).rejects.toMatchObject({ name: 'TableError', row, line, pointer });
      const { message } = (await refused.catch((error: unknown) => error)) as Error;
      for (const piece of says) expect(message).toContain(piece);
    },
  );

  test.each([
    ['csv', anyCsv],
    ['csv', oneColumn],
    ['csv', goodCsv],
    ['jsonl', lines],
  ] as const)('has the rows, or the fault, that it has when it is read at once: %s', async (format, tables) => {
    await fc.assert(
      fc.asyncProperty(tables, grain, lengths, async (text, size, pieces) => {
        const bytes = bytesOf(text);
        const whole = outcomeOf(() => indexTable(bytes, format));
        const read = await survey(bytes, format, size, pieces).catch((error: unknown) => error as TableError);
        if (whole instanceof TableError) {
          expect(read).toBeInstanceOf(TableError);
          expect(factsOf(read as TableError)).toEqual(factsOf(whole));
          return;
        }
        if (read instanceof Error) throw read;
        expect(read.rows).toBe(whole.rows);
        if (format === 'csv') expect(read.columns).toEqual(whole.columns);
        for (let from = 0; from < whole.rows; from += 1) {
          const to = Math.min(whole.rows, from + 1 + (from % 3));
          const cutHere = decodeRows(rowsOf(bytes, read, from, to), format);
          expect(cutHere).toEqual(decodeRows(sliceTable(bytes, whole, from, to), format));
        }
      }),
      { numRuns: 300 },
    );
  });

  test.each(LINES_FORMATS)('is cut into rows byte for byte: %s', async (format) => {
    const rows = Array.from({ length: 1_000 }, (_, k) => (format === 'csv' ? `${k},"x\n${k}"\n` : `{"a": ${k}}\n`));
    const header = format === 'csv' ? 'a,b\n' : '';
    const bytes = bytesOf(`${header}${rows.join('')}`);
    const surveyed = await survey(bytes, format, { pieceBytes: 512, markBytes: 100 }, [64]);
    expect(textOf(rowsOf(bytes, surveyed, 411, 640))).toBe(`${header}${rows.slice(411, 640).join('')}`);
    expect(textOf(rowsOf(bytes, surveyed, 0, 1_000))).toBe(textOf(bytes));
  });

  test('names the columns of all rows of JSON Lines in the order first met, and none where it has no rows', async () => {
    const { columns } = await survey(bytesOf('\n{"b": {"c": 1}, "a\\n": 2}\n{"d": 1, "b": 2}\n'), 'jsonl');
    expect(columns).toEqual(['b', 'a\n', 'd']);
    expect((await survey(bytesOf('\n\n'), 'jsonl')).columns).toBeNull();
  });

  test('a row of 50 MB in quotes goes through', async () => {
    const value = new Uint8Array(50_000_000).fill(0x78);
    async function* table(): AsyncGenerator<Uint8Array, void> {
      yield bytesOf('a,b\n1,"');
      for (let at = 0; at < value.length; at += 65_536) yield value.subarray(at, at + 65_536);
      yield bytesOf('"\n2,3\n');
    }
    expect(await surveyTable(table(), 'csv')).toMatchObject({ rows: 2, columns: ['a', 'b'] });
  });

  test('a quote that is never closed is refused before all that follows it is held', async () => {
    let sent = 0;
    async function* endless(): AsyncGenerator<Uint8Array, void> {
      yield bytesOf('a,b\n1,2\n3,"');
      for (;;) {
        sent += 1_048_576;
        yield new Uint8Array(1_048_576).fill(0x78);
      }
    }
    await expect(surveyTable(endless(), 'csv')).rejects.toThrow(
      /^Row 2 \(line 3\) has not ended after 64 MiB; close the quote/,
    );
    expect(sent).toBeLessThan(300_000_000);
  });
});

const factsOf = ({ message, row, line, column, pointer }: TableError): object => ({
  message,
  row,
  line,
  column,
  pointer,
});

function outcomeOf<Value>(run: () => Value): Value | TableError {
  try {
    return run();
  } catch (error) {
    if (error instanceof TableError) return error;
    throw error;
  }
}

test('a header of a megabyte that has neither rows nor a line end is read', async () => {
  const names = Array.from({ length: 150_000 }, (_, k) => `column ${k}`);
  const surveyed = await survey(bytesOf(names.join(',')), 'csv', { pieceBytes: 262_144, markBytes: 65_536 }, [65_536]);
  expect(surveyed).toMatchObject({ rows: 0, columns: names });
  expect(textOf(surveyed.header)).toBe(`${names.join(',')}\n`);
});
