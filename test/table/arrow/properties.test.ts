import fc from 'fast-check';
import { expect, test } from 'vitest';
import { linesToArrow } from '../../../src/table/arrow/from-lines.ts';
import { arrowToLines } from '../../../src/table/arrow/to-lines.ts';
import { TableError } from '../../../src/table/format.ts';
import { mergeTables } from '../../../src/table/merge.ts';
import { indexTable, sliceTable } from '../../../src/table/split.ts';
import { arrowTable } from './arbitrary.ts';
import { contentOf } from './tables.ts';

test('any Arrow table comes back with its types and values, cut into chunks of any size and put together again', async () => {
  await fc.assert(
    fc.asyncProperty(arrowTable('every'), fc.constantFrom(1, 3, 10), async (bytes, size) => {
      const { lines, rows } = arrowToLines(bytes);
      const index = indexTable(lines, 'jsonl');
      expect(index.rows).toBe(rows);
      const parts = Array.from({ length: Math.ceil(rows / size) }, (_, chunk) => {
        const [from, to] = [chunk * size, Math.min(rows, (chunk + 1) * size)];
        return { kind: 'rows', bytes: sliceTable(lines, index, from, to), rows: to - from } as const;
      });
      expect(contentOf(await linesToArrow(mergeTables(parts, 'jsonl'), bytes))).toEqual(contentOf(bytes));
    }),
    { numRuns: 500 },
  );
});

test('what it is written as without a schema to follow is read as the same rows', async () => {
  await fc.assert(
    fc.asyncProperty(arrowTable('safe'), async (bytes) => {
      const { lines, rows } = arrowToLines(bytes);
      fc.pre(rows > 0);
      const again = arrowToLines(await linesToArrow(lines, null));
      const parse = (text: Uint8Array): unknown[] => {
        const written = new TextDecoder().decode(text).trimEnd();
        return written.split('\n').map((line) => JSON.parse(line) as unknown);
      };
      expect(parse(again.lines)).toEqual(parse(lines));
    }),
    { numRuns: 300 },
  );
});

test('any Arrow table that was damaged is read as some table, or refused as none, and nothing else happens', () => {
  const damage = fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 4 });
  fc.assert(
    fc.property(arrowTable('every'), damage, fc.nat(), (bytes, changes, cut) => {
      const damaged = Uint8Array.from(cut % 4 === 0 ? bytes.subarray(0, cut % bytes.length) : bytes);
      for (const [at, value] of changes) if (damaged.length > 0) damaged[at % damaged.length] = value;
      try {
        arrowToLines(damaged);
      } catch (error) {
        expect(error).toBeInstanceOf(TableError);
      }
    }),
    { numRuns: 2_000 },
  );
});
