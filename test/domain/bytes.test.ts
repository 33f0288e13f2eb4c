import { expect, test } from 'vitest';
import { formatBytes, parseBytes } from '../../src/domain/bytes.ts';

test.each([
  ['2GB', 2_000_000_000],
  ['2GiB', 2_147_483_648],
  ['1.5 MB', 1_500_000],
  ['512MiB', 536_870_912],
  ['64 KB', 64_000],
  ['1KiB', 1_024],
  [123, 123],
] as const)('%s is an amount', (text, bytes) => {
  expect(parseBytes(text)).toBe(bytes);
});

test.each(['', '2', '2 gb', '-1MB', 'MB', '1e3MB', '2TB', 1.5, -1, Number.NaN])('%s is no amount', (text) => {
  expect(parseBytes(text)).toBeNull();
});

test.each([
  [256_000_000, '256 MB'],
  [2 ** 30, '1 GiB'],
  [1_000, '1 KB'],
  [1_234_567, '1234567 bytes'],
  [0, '0 bytes'],
])('%s bytes are shown as %s', (bytes, text) => {
  expect(formatBytes(bytes)).toBe(text);
});
