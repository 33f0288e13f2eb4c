import { expect, test } from 'vitest';
import { ServiceError } from '../../src/domain/errors.ts';
import { checkColumns } from '../../src/engine/columns.ts';
import type { TableFormat } from '../../src/table/format.ts';
import { indexTable } from '../../src/table/split.ts';

function check(text: string, format: TableFormat, features: readonly string[]): ServiceError | null {
  const bytes = new TextEncoder().encode(text);
  try {
    checkColumns(bytes, indexTable(bytes, format), features);
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
] as const)('a %s table with every column is taken, in any case and order', (format, text) => {
  expect(check(text, format, ['smiles'])).toBeNull();
});

test.each([
  ['jsonl', ''],
  ['json', '[]'],
] as const)('a %s table without any row has nothing to check', (format, text) => {
  expect(check(text, format, ['smiles'])).toBeNull();
});

test('a table without rows, but with a header, is judged by it', () => {
  expect(check('id\n', 'csv', ['smiles'])).not.toBeNull();
});

test('every column that is missing is named, and those that are there', () => {
  const problem = check('id,Name\n1,a\n', 'csv', ['smiles', 'name', 'weight'])!;
  expect(problem.slug).toBe('invalid-request');
  expect(problem.message).toContain('lacks "smiles", "weight"');
  expect(problem.message).toContain('it has "id", "Name"');
  expect(problem.extras.errors).toHaveLength(2);
});

test('where nothing is required, nothing is checked', () => {
  expect(check('id\n1\n', 'csv', [])).toBeNull();
});
