import { expect, test } from 'vitest';
import { LineSplitter } from '../../src/replicas/line-splitter.ts';

function linesOf(...parts: readonly (string | Buffer)[]): string[] {
  const lines: string[] = [];
  const splitter = new LineSplitter((line) => lines.push(line));
  for (const part of parts) splitter.add(Buffer.from(part));
  splitter.end();
  return lines;
}

test('lines come whole, however their bytes arrive', () => {
  const umlaut = Buffer.from('ä\n');
  expect(linesOf('a\nb', 'c\r\n', umlaut.subarray(0, 1), umlaut.subarray(1), '\nlast')).toEqual([
    'a',
    'bc',
    'ä',
    '',
    'last',
  ]);
});

test('a line without an end comes in pieces, and fills no memory', () => {
  const lines = linesOf('x'.repeat(40_000));
  expect(lines.map(({ length }) => length)).toEqual([16_384, 16_384, 7_232]);
});

test('a piece of a line ends between two characters, and what other alphabets take for a line end is text', () => {
  const lines = linesOf(`x${'😀'.repeat(8_192)}`);
  expect(lines.map((line) => line.isWellFormed())).toEqual([true, true]);
  expect(lines.join('')).toBe(`x${'😀'.repeat(8_192)}`);
  expect(linesOf('a\u2028b\u2029c\u0085d\vf\fg\rh\n')).toEqual(['a\u2028b\u2029c\u0085d\vf\fg\rh']);
});
