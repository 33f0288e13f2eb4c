import { describe, expect, test } from 'vitest';
import { CONTENT_TYPES, TableError, tableFormatOf } from '../../src/table/format.ts';

describe('tableFormatOf', () => {
  test.each([
    ['text/csv', 'csv'],
    ['TEXT/CSV; charset=utf-8; header=present', 'csv'],
    [' text/csv ;charset="utf-8"', 'csv'],
    ['application/jsonlines', 'jsonl'],
    ['application/x-jsonlines', 'jsonl'],
    ['application/x-ndjson', 'jsonl'],
    ['application/NDJSON', 'jsonl'],
    ['application/jsonl', 'jsonl'],
    ['application/json', 'json'],
    ['application/json;charset=UTF-8', 'json'],
  ])('%j is %s', (contentType, format) => {
    expect(tableFormatOf(contentType)).toBe(format);
  });

  test.each([
    '',
    'text/plain',
    'application/octet-stream',
    'image/png',
    'application/problem+json',
    'text/csvx',
    'json',
    'constructor',
  ])('%j is no table', (contentType) => {
    expect(tableFormatOf(contentType)).toBeNull();
  });

  test('the content type written for a format is read as that format', () => {
    for (const [format, contentType] of Object.entries(CONTENT_TYPES)) expect(tableFormatOf(contentType)).toBe(format);
  });
});

describe('TableError', () => {
  test('points at the line where one is known', () => {
    const error = new TableError('wrong', { row: 12, line: 13 });
    expect(error).toMatchObject({
      name: 'TableError',
      message: 'wrong',
      pointer: 'line 13',
      row: 12,
      line: 13,
      column: null,
    });
    expect(error).toBeInstanceOf(Error);
  });

  test('points at the whole table where nothing is known', () => {
    expect(new TableError('wrong')).toMatchObject({ pointer: '', row: null, line: null, column: null });
  });
});
