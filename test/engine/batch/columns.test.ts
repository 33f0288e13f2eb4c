import { expect, test } from 'vitest';
import { ServiceError } from '../../../src/domain/errors.ts';
import { ArrowConverter } from '../../../src/engine/batch/arrow-converter.ts';
import { holdTable } from '../../../src/engine/batch/table.ts';
import { checkColumns } from '../../../src/engine/batch/columns.ts';
import type { TableFormat } from '../../../src/table/format.ts';

async function check(text: string, format: TableFormat, features: readonly string[]): Promise<ServiceError | null> {
  const bytes = new TextEncoder().encode(text);
  const table = await holdTable(bytes, format, new ArrowConverter());
  try {
    checkColumns(table, features);
    return null;
  } catch (error) {
    if (error instanceof ServiceError) return error;
    throw error;
  }
}

test.each([
  ['csv', 'SMILES,id\nC,1\n'],
  ['csv', 'id,smiles\n'],
  ['jsonl', '{"Smiles":"C","other":1}\n'],
  ['json', '[{"smiles":null}]'],
  ['json', '[{"other":1},{},{"Smiles":"C"}]'],
  ['jsonl', '{"other":1}\n{"smiles":"C"}\n'],
] as const)('a %s table with every column is taken, in any case and order', async (format, text) => {
  expect(await check(text, format, ['smiles'])).toBeNull();
});

test.each([
  ['jsonl', ''],
  ['json', '[]'],
] as const)('a %s table without any row has nothing to check', async (format, text) => {
  expect(await check(text, format, ['smiles'])).toBeNull();
});

test('a table without rows, but with a header, is judged by it', async () => {
  expect(await check('id\n', 'csv', ['smiles'])).not.toBeNull();
});

test('every column that is missing is named, and those that are there', async () => {
  const problem = (await check('id,Name\n1,a\n', 'csv', ['smiles', 'name', 'weight']))!;
  expect(problem.slug).toBe('invalid-request');
  expect(problem.message).toContain('lacks "smiles", "weight"');
  expect(problem.message).toContain('it has "id", "Name"');
  expect(problem.extras.errors).toHaveLength(2);
});

test.each([
  ['csv', 'id,inference_error\n1,\n'],
  ['json', '[{"id":1},{"id":2,"inference_error":null}]'],
  ['jsonl', '{"id":1}\n{"id":2,"inference_error":"x"}\n'],
] as const)('a %s table with the column of failed rows is refused, in any row', async (format, text) => {
  expect((await check(text, format, []))!.message).toContain(
    '"inference_error" is the column that failed rows are marked with',
  );
});

test('where nothing is required, nothing is checked', async () => {
  expect(await check('id\n1\n', 'csv', [])).toBeNull();
});
