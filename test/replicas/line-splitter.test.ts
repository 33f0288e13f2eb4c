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
