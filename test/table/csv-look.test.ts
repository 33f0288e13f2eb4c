import { expect, test } from 'vitest';
import { BEGINNING_BYTES, checkBeginning, checkLook, unreadParameter } from '../../src/table/csv-look.ts';
import { decodeRows, encodeRows } from '../../src/table/rows.ts';
import { indexTable } from '../../src/table/split.ts';

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const look = (text: string): void => checkLook(bytes(text), indexTable(bytes(text), 'csv').columns!);

test.each([
  ['semicolons', 'a;b\n1;2\n', /separated by semicolons.*with commas.*to_csv/],
  ['tabs', 'a\tb\r\n1\t2\r\n', /separated by tabs/],
  ['vertical bars', 'a|b\n', /separated by vertical bars/],
  ['numbers for names', '5.1,3.5\n4.9,3.0\n', /seems to be a row and no header: all of its 2 values are numbers/],
  ['a negative number for a name', '-1\n2\n', /its only value is a number/],
])('a table with %s is told what it seems to be', (_, text, message) => {
  expect(() => look(text)).toThrow(message);
  expect(() => checkBeginning(bytes(`\uFEFF\n${text}`))).toThrow(message);
});

test.each([
  ['semicolons and decimal commas', 'a;b\n1,5;2,5\n', /Row 1 .*seems to be separated by semicolons/],
  ['a semicolon in the header alone', 'a;b,c\n1\n', /Row 1 .*has 1 value where the header names 2 columns/],
  ['decimal commas', 'a,b\n1,5,2,5\n', /If its numbers have decimal commas, write them with points/],
  ['a title first', 'A title\na,b\n1,2\n', /the header line must come first/],
  ['a comment among the rows', 'a,b\n# a comment\n', /seems to be a comment/],
  ['a row for a header', '1,1\n2,2\n', /put a header line in front if this is a row/],
])('a table with %s is refused with what fits', (_, text, message) => {
  expect(() => look(text)).toThrow(message);
});

test('a long table is looked at by its beginning, and one that has no header there is left to its reader', () => {
  const rows = '1,5;2\n'.repeat(BEGINNING_BYTES);
  expect(() => checkBeginning(bytes(`a;b\n${rows}`))).toThrow(/separated by semicolons/);
  expect(() => checkBeginning(bytes(`a,b\n${rows}`))).not.toThrow();
  for (const text of ['', '\n\n', 'a,a\n', '"a\n', `"${'a;'.repeat(BEGINNING_BYTES)}`])
    expect(() => checkBeginning(bytes(text))).not.toThrow();
});

test.each([
  'a,b\n1;2,3\n',
  '"a;b"\n1;2\n',
  'note\nfirst; second\n',
  'a;b\nno separator here\n',
  '0,1,2\n1.5,2.5,3.5\n',
  '"0.5","0.9"\n1,2\n',
  'id,0.5\n1,2\n',
  'a\n',
])('a table that is one is taken: %j', (text) => {
  expect(() => look(text)).not.toThrow();
  expect(() => checkBeginning(bytes(text))).not.toThrow();
});

test.each([
  ['text/csv; header=absent', /^header=absent: a table needs a header line/],
  ['text/csv;charset=utf-8; Header="Absent"', /^header=absent/],
  ['text/csv; delimiter=";"', /separated by commas alone/],
  ['text/csv; delimiter=tab', /^delimiter=tab/],
  ['text/csv; charset=ISO-8859-1', /^charset=iso-8859-1: tables are read in UTF-8 alone/],
])('%s is refused by name', (contentType, words) => {
  expect(unreadParameter(contentType)).toMatch(words);
});

test.each([
  'text/csv',
  'text/csv; header=present',
  'text/csv; charset="UTF-8"',
  'text/csv; delimiter=","',
  'text/csv;',
])('%s says what is read here', (contentType) => {
  expect(unreadParameter(contentType)).toBeNull();
});

test.each([['1e5'], ['-1', '.5'], ['a;b'], ['a\tb'], ['a|b'], ['7'], ['a;b', 'c']])(
  'a table that is written here with the columns %j is read here',
  (...columns) => {
    const rows = [Object.fromEntries(columns.map((name) => [name, 'x;y']))];
    const written = encodeRows(rows, 'csv');
    expect(() => checkBeginning(written)).not.toThrow();
    expect(decodeRows(written, 'csv')).toEqual(rows);
  },
);
