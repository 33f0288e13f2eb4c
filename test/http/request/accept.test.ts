import { expect, test } from 'vitest';
import { readAccept } from '../../../src/http/request/accept.ts';

test.each([
  ['text/csv', 'text/csv'],
  ['TEXT/CSV', 'text/csv'],
  ['text/csv; charset=utf-8', 'text/csv'],
  ['text/csv, application/jsonlines', 'text/csv'],
  ['text/csv;q=0.5, application/jsonlines', 'application/jsonlines'],
  ['text/csv;q=0.5, application/jsonlines;q=0.9, text/plain;q=0.1', 'application/jsonlines'],
  ['text/csv;q=0, application/jsonlines', 'application/jsonlines'],
  // What is named goes before what is merely taken.
  ['text/csv, */*;q=0.1', 'text/csv'],
  ['text/csv, text/*;q=0.9', 'text/csv'],
])('Accept: %s asks for %s', (header, type) => {
  expect(readAccept(header)).toBe(type);
});

test.each([undefined, '', '*/*', ' , ', 'text/csv;q=0', '*/*;q=0.8', 'text/*', 'application/*, text/csv;q=0.5'])(
  'Accept: %s asks for nothing',
  (header) => {
    expect(readAccept(header)).toBeNull();
  },
);
