import { expect, test } from 'vitest';
import { BEGINNING_BYTES, checkBeginning, checkLook, unreadParameter } from '../../../src/table/csv/look.ts';
import { decodeRows, encodeRows } from '../../../src/table/rows.ts';
import { indexTable } from '../../../src/table/split.ts';

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const look = (text: string): void => checkLook(bytes(text), indexTable(bytes(text), 'csv').columns!);

test.each([
  ['semicolons', 'a;b\n1;2\n', /separated by semicolons.*with commas.*to_csv/],
  ['tabs', 'a\tb\r\n1\t2\r\n', /separated by tabs/],
  ['vertical bars', 'a|b\n', /separated by vertical bars/],
  ['numbers for names', '5.1,3.5\n4.9,3.0\n', /seems to be a row and no header: all of its 2 values are numbers/],
  ['a negative number for a name', '-1\n2\n', /its only value is a number/],
  ['semicolons, and a blank line first', 'a;b\n\n1;2\n', /separated by semicolons/],
  ['semicolons, and a comma within a name and within numbers', 'id;x, EUR\n1;2,5\n', /separated by semicolons/],
  ['tabs, and commas in a text', 'id\ttitle,long\n1\tx,y\n', /separated by tabs/],
  ['blanks', 'a b  c\n1 2 3.5e-1\n', /separated by blanks/],
  ['a row of text and numbers for a header', '5.1,3.5,Iris\n4.9,3.0,Iris\n', /2 of its 3 values are numbers/],
  ['whole numbers for names that are in no order', '6,148,72\n1,85,66\n', /all of its 3 values are numbers/],
  ['a text and a fraction for a header', 'CCO,1.5\nCCC,2.5\n', /1 of its 2 values is a number, as in the line below/],
  ['a comment first', '# made on 3 May, by me\na,b\n1,2\n', /seems to be a comment/],
  ['a comment before its only column', '#made today\nsmiles\nCCO\n', /seems to be a comment/],
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
  ['quotes and semicolons', '"a";"b"\n1,5;2\n', /^The header .*closing quote, and seems to be separated by semicolons/],
  ['quotes and tabs', 'a\n"x"\t"y"\n', /^Row 1 .*closing quote, and seems to be separated by tabs/],
  ['a word to Excel', 'sep=,\na,b\n1,2\n', /"sep=,", is a word to Excel/],
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
  'id,0.1,0.5,0.9\nx,1.5,2.5,3.5\n',
  'id,2021,2020\nx,5,6\n',
  '0,1,2\n0,1,2\n',
  'id,7\nx,8\n',
  'id,0.5,0.1,x\nid,a,b,y\n',
  '"5.1","Iris"\n4.9,Iris\n',
  '#chrom,start\nchr1,5\n',
  '"# made"\nx\n',
  'a,\tb\n1,\t2\n',
  'genes,a;b\nx,1;2\n',
  'total count\n5 x\n',
  'total count\n5\n',
  'a b\n\n\n',
  'a\n',
])('a table that is one is taken: %j', (text) => {
  expect(() => look(text)).not.toThrow();
  expect(() => checkBeginning(bytes(text))).not.toThrow();
});

test.each([
  ['text/csv; header=absent', /^header=absent: a table needs a header line/],
  ['text/csv;charset=utf-8; Header="Absent"', /^header=absent/],
  ['text/csv; delimiter=";"', /^delimiter=;: values are separated by commas alone/],
  ['text/csv; header=none', /^header=none: a table needs a header line/],
  ['text/csv; x="a;header=present"; header=absent', /^header=absent/],
  ['text/csv; encoding=cp1252', /^encoding=cp1252: tables are read in UTF-8 alone/],
  ['text/csv; decimal=","', /^decimal=,: numbers have a decimal point/],
  ["text/csv; quotechar='", /^quotechar=': values are quoted with " alone/],
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
  'text/csv; decimal=.; quotechar="\\""',
  'text/csv; x="a;header=absent"',
  'text/csv;',
])('%s says what is read here', (contentType) => {
  expect(unreadParameter(contentType)).toBeNull();
});

test.each([
  ['1e5'],
  ['-1', '.5'],
  ['a;b'],
  ['a\tb'],
  ['a|b'],
  ['7'],
  ['a;b', 'c'],
  ['a b'],
  ['a', ' b;c'],
  ['a\tb', 'c'],
  ['6', '148', '72'],
  ['x', '1.5'],
  ['# a', 'b'],
])('a table that is written here with the columns %j is read here', (...columns) => {
  for (const value of ['x;y', '1 2', 'x\ty', '5', 'x']) {
    const rows = [Object.fromEntries(columns.map((name) => [name, value]))];
    const written = encodeRows(rows, 'csv');
    expect(() => checkBeginning(written)).not.toThrow();
    expect(decodeRows(written, 'csv')).toEqual(rows);
  }
});
