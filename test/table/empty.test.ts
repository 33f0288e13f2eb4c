import * as flechette from '@uwdata/flechette';
import { expect, test } from 'vitest';
import { likenessOf, linesToArrow } from '../../src/table/arrow/from-lines.ts';
import { emptyLikeness, emptyTable } from '../../src/table/empty.ts';
import { arrowOf } from './arrow/tables.ts';
import { textOf } from './text.ts';

const ROW = { type: 'object', properties: { id: { type: 'integer' }, score: { type: ['null', 'number'] }, any: {} } };

test('a table without rows has the columns of the schema, where its format shows columns', () => {
  expect(textOf(emptyTable(ROW, 'csv')!)).toBe('id,score,any\n');
  expect(textOf(emptyTable(ROW, 'json')!)).toBe('[]');
  expect(emptyTable(ROW, 'jsonl')).toEqual(new Uint8Array());
});

test('in Arrow they have the types of the schema, or those of the input', async () => {
  const like = arrowOf({ id: [[], flechette.int8()] });
  const schemaOf = async (input: Uint8Array | null) =>
    flechette.tableFromIPC(
      await linesToArrow(
        new Uint8Array(),
        emptyLikeness(ROW, { likeness: input === null ? null : likenessOf(input), columns: null }),
      ),
    ).schema.fields;
  const typeIds = ({ name, type }: flechette.Field) => [name, type.typeId, (type as flechette.IntType).bitWidth];
  expect((await schemaOf(null)).map(typeIds)).toEqual([
    ['id', 2, 64],
    ['score', 3, undefined],
    ['any', 1, undefined],
  ]);
  expect((await schemaOf(like)).map(typeIds)[0]).toEqual(['id', 2, 8]);
});

test.each([null, {}, { properties: {} }, { properties: null }, { oneOf: [] }])('%j names no columns', (row) => {
  expect([emptyTable(row, 'csv'), emptyLikeness(row, { likeness: null, columns: null })]).toEqual([null, null]);
});
