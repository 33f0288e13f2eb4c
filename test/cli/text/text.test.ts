import { expect, test } from 'vitest';
import { coloursFor, columns, jsonText, plain, plainLine } from '../../../src/cli/text/text.ts';

test.each([
  ['a colour', 'a\u001b[31mred\u001b[0m', 'ared'],
  ['a title', '\u001b]0;pwned\u0007ok', 'ok'],
  ['an eight-bit escape', 'a\u009b31mb', 'ab'],
  ['a carriage return that would overwrite the line', 'honest\rforged', 'honestforged'],
  ['backspaces', 'abc\b\b\bxyz', 'abcxyz'],
  ['a bell and a NUL', '\u0007a\u0000', 'a'],
  ['marks that turn text around', 'a\u202ecba\u202c', 'acba'],
])('%s is taken out of text for a terminal', (_what, text, clean) => {
  expect(plain(text)).toBe(clean);
});

test('what people write stays: letters of any script, emoji, tabs and line ends', () => {
  const text = 'Ä 分子 🧪\tx\ny';
  expect(plain(text)).toBe(text);
  expect(plainLine(text)).toBe('Ä 分子 🧪 x y');
});

test('JSON keeps its value and carries no control character', () => {
  const value = { name: 'a\u001b[31m\u009b1m\u007f', rows: [1, null] };
  const text = jsonText(value);
  expect(JSON.parse(text)).toEqual(value);
  expect(text.replaceAll('\n', '')).toMatch(/^[\x20-\x7e]*$/);
});

test('columns are as wide as their widest cell', () => {
  expect(
    columns([
      ['ID', 'NAME'],
      ['1234', 'a\u001b[1mb'],
      ['5', ''],
    ]),
  ).toBe('ID    NAME\n1234  ab\n5\n');
});

test('columns line up below letters and emoji that are two cells wide', () => {
  expect(
    columns([
      ['ID', 'NAME'],
      ['分子', 'ab'],
      ['🧪', 'ab'],
      ['abcd', 'ab'],
    ]),
  ).toBe('ID    NAME\n分子  ab\n🧪    ab\nabcd  ab\n');
});

test('there are no colours where there is no terminal', () => {
  expect(coloursFor({ isTTY: false }).red('x')).toBe('x');
});
