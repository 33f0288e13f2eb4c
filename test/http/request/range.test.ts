import { expect, test } from 'vitest';
import { readRange } from '../../../src/http/request/range.ts';

test.each([
  ['bytes=0-0', { from: 0, to: 1 }],
  ['bytes=0-499', { from: 0, to: 500 }],
  ['bytes=500-999', { from: 500, to: 1_000 }],
  ['bytes=500-', { from: 500, to: 1_000 }],
  ['bytes=0-', { from: 0, to: 1_000 }],
  ['bytes=999-', { from: 999, to: 1_000 }],
  ['bytes=-1', { from: 999, to: 1_000 }],
  ['bytes=-500', { from: 500, to: 1_000 }],
  ['BYTES=0-1', { from: 0, to: 2 }],
  [' bytes = 0 - 1 ', { from: 0, to: 2 }],
])('%s of a thousand bytes are %j', (header, range) => {
  expect(readRange(header, 1_000)).toEqual(range);
});

test.each([
  ['bytes=999-1000', { from: 999, to: 1_000 }],
  ['bytes=0-99999999999999999999', { from: 0, to: 1_000 }],
  ['bytes=-1001', { from: 0, to: 1_000 }],
  ['bytes=-99999999999999999999', { from: 0, to: 1_000 }],
])('%s goes beyond the end, and is answered up to it', (header, range) => {
  expect(readRange(header, 1_000)).toEqual(range);
});

test.each(['bytes=1000-', 'bytes=1000-1001', 'bytes=99999999999999999999-', 'bytes=-0', 'bytes=-000'])(
  '%s has no bytes',
  (header) => {
    expect(readRange(header, 1_000)).toBe('unsatisfiable');
  },
);

test.each([
  undefined,
  '',
  'bytes',
  'bytes=',
  'bytes=-',
  'bytes=--1',
  'bytes=a-b',
  'bytes=0x1-2',
  'bytes=1.5-2',
  'bytes=2-1',
  'bytes=0-1,3-4',
  'bytes=0-1,',
  'items=0-1',
  '0-1',
])('%s is as if there were no header', (header) => {
  expect(readRange(header, 1_000)).toBe('whole');
});

test.each(['bytes=0-', 'bytes=0-0', 'bytes=-5', 'bytes=7-'])('%s of nothing is all of it', (header) => {
  expect(readRange(header, 0)).toBe('whole');
});
