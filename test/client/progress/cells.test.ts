import { expect, test } from 'vitest';
import { cellsOf, cutToCells } from '../../../src/client/progress/cells.ts';

test.each([
  ['nothing', '', 0],
  ['ASCII', 'smiles-to-3d', 12],
  ['Latin letters', 'für Zoë', 7],
  ['an accent of its own', 'e\u0301', 1],
  ['Japanese', '日本語', 6],
  ['half-width kana', 'ｱｲｳ', 3],
  ['full-width forms and brackets', '（Ａ）「」', 10],
  ['Korean', '분자', 4],
  ['Korean in parts', '\u1112\u1161\u11ab', 2],
  ['an emoji', '🧪', 2],
  ['an emoji that is one by its selector', '❤️', 2],
  ['an arrow, which is no emoji', '1→3', 3],
  ['a family joined out of three', '👨‍👩‍👧', 2],
  ['a flag', '🇯🇵', 2],
  ['the bar', '━─', 2],
  ['a space without a width', 'a\u200bb', 2],
])('%s takes its cells', (_what, text, cells) => {
  expect(cellsOf(text)).toBe(cells);
});

test.each([
  ['日本語', 5, '日本'],
  ['a🧪b', 2, 'a'],
  ['👨‍👩‍👧!', 1, ''],
  ['e\u0301e\u0301', 1, 'e\u0301'],
  ['abc', 3, 'abc'],
  ['abc', -1, ''],
])('%s is cut to %s cells between what people see as letters', (text, cells, cut) => {
  expect(cutToCells(text, cells)).toBe(cut);
});
