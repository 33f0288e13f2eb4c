import { describe, expect, test } from 'vitest';
import { readCount, readSeconds } from '../../src/cli/values.ts';

describe('a duration behind an option', () => {
  test.each([
    ['90s', 90],
    ['0.5', 0.5],
    // As programs print what they have computed.
    ['0.30000000000000004', 0.3],
    ['1e1', 10],
    ['1.5E+1', 15],
    ['5e-1', 0.5],
  ])('%s is %d seconds', (text, seconds) => {
    expect(readSeconds(text)).toBe(seconds);
  });

  test.each(['soon', '', '-1', '1e', 'e1', '1e400', 'Infinity', '0x10', '1_0', '1e1s'])('"%s" is none', (text) => {
    expect(() => readSeconds(text)).toThrow(/must be a duration/);
  });
});

test.each(['0', '-1', '1.5', '1e1', 'x', ''])('"%s" is no count', (text) => {
  expect(() => readCount(text)).toThrow(/whole number from 1 up/);
});
