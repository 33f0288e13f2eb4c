import { expect, test } from 'vitest';
import { instant, moment } from '../../src/domain/time.ts';
import { LineSplitter } from '../../src/replicas/line-splitter.ts';

/** So many milliseconds without anything. */
interface Wait {
  readonly wait: number;
}

function linesOf(...parts: readonly (string | Buffer | Wait)[]): string[] {
  let now = 0;
  const clock = { now: () => instant(now), steady: () => moment(now) };
  const lines: string[] = [];
  const splitter = new LineSplitter((line) => lines.push(line), clock);
  for (const part of parts) {
    if (typeof part === 'object' && 'wait' in part) now += part.wait;
    else splitter.add(Buffer.from(part));
  }
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
  expect(linesOf('a\u2028b\u2029c\u0085d\vf\fg\n')).toEqual(['a\u2028b\u2029c\u0085d\vf\fg']);
});

test('what a progress bar has written over is gone, and its last state is the line', () => {
  expect(linesOf('\r10%', '\r20%', '\r100%\n', 'done\n')).toEqual(['100%', 'done']);
  expect(linesOf('10%\r', '20%\r', '100%\r', '\n')).toEqual(['100%']);
  expect(linesOf('10%\r', '20%\r')).toEqual(['20%']);
});

test('a progress bar that is drawn for hours is one line, however much it wrote', () => {
  const states = Array.from({ length: 5_000 }, (_, row) => `\r${row} of 5000`);
  expect(linesOf(...states, '\rdone\n')).toEqual(['done']);
});

test('a line that has no end is shown as it stands, once a second', () => {
  const bar = [
    '\r1%',
    '\r2%',
    { wait: 1_000 },
    '\r3%',
    '\r4%',
    { wait: 400 },
    '\r5%',
    { wait: 700 },
    '\r6%',
    '\n',
    'over\n',
  ];
  expect(linesOf(...bar)).toEqual(['3%', '6%', 'over']);
  expect(linesOf('.', '.', { wait: 1_000 }, '.', '.', '\n')).toEqual(['...', '.']);
  expect(linesOf('.', { wait: 1_000 }, '.', '\n', 'next\n')).toEqual(['..', 'next']);
});

test('a line that comes to its end after a while is whole', () => {
  expect(linesOf('loading ', { wait: 5_000 }, 'done\n')).toEqual(['loading done']);
});
