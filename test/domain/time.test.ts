import { describe, expect, test } from 'vitest';
import {
  after,
  between,
  days,
  hours,
  inSeconds,
  instant,
  milliseconds,
  minutes,
  parseDuration,
  parseRfc3339,
  seconds,
  toRfc3339,
} from '../../src/domain/time.ts';

describe('a duration', () => {
  test.each([
    ['250ms', milliseconds(250)],
    ['90s', seconds(90)],
    ['10m', minutes(10)],
    ['6h', hours(6)],
    ['7d', days(7)],
    ['1.5s', milliseconds(1_500)],
    ['2.01s', milliseconds(2_010)],
    ['1.5ms', milliseconds(2)],
    ['36500d', days(36_500)],
    ['0s', milliseconds(0)],
    ['0.25h', minutes(15)],
    [' 5s ', seconds(5)],
    [90, seconds(90)],
    [0.25, milliseconds(250)],
    [0, milliseconds(0)],
  ])('is read as people write it: %j', (written, duration) => {
    expect(parseDuration(written)).toBe(duration);
  });

  test.each([
    '',
    '90',
    's',
    '-5s',
    '+5s',
    '5 s',
    '5S',
    '5 minutes',
    '5min',
    '1h30m',
    '1e3s',
    '.5s',
    '5.s',
    '5,5s',
    '٥s',
    'PT5S',
    'infinite',
    Number.NaN,
    Number.POSITIVE_INFINITY,
    -1,
    '36501d',
    `${'9'.repeat(400)}d`,
    1e308,
  ])('is not guessed at: %j', (written) => {
    expect(parseDuration(written)).toBeNull();
  });

  test('is a number of milliseconds, made of any unit', () => {
    expect([milliseconds(1), seconds(1), minutes(1), hours(1), days(1)]).toEqual([1, 1e3, 6e4, 3.6e6, 8.64e7]);
    expect(inSeconds(milliseconds(1_500))).toBe(1.5);
  });
});

describe('an instant', () => {
  test('is written as RFC 3339 in UTC, with milliseconds', () => {
    expect(toRfc3339(instant(Date.UTC(2026, 0, 2, 3, 4, 5, 6)))).toBe('2026-01-02T03:04:05.006Z');
  });

  test('lies a duration after another one', () => {
    const start = instant(1_000);
    expect(after(start, seconds(2))).toBe(3_000);
    expect(between(start, after(start, seconds(2)))).toBe(seconds(2));
    expect(between(after(start, seconds(2)), start)).toBe(-2_000);
  });

  test.each([
    ['2026-01-02T03:04:05Z', Date.UTC(2026, 0, 2, 3, 4, 5)],
    ['2026-01-02t03:04:05z', Date.UTC(2026, 0, 2, 3, 4, 5)],
    ['2026-01-02T03:04:05.678Z', Date.UTC(2026, 0, 2, 3, 4, 5, 678)],
    ['2026-01-02T03:04:05+01:00', Date.UTC(2026, 0, 2, 2, 4, 5)],
    ['2026-01-02T03:04:05-05:30', Date.UTC(2026, 0, 2, 8, 34, 5)],
  ])('is read from RFC 3339: %s', (text, epochMs) => {
    expect(parseRfc3339(text)).toBe(epochMs);
  });

  test.each([
    '',
    'now',
    '12',
    '2026-01-02',
    '2026-13-02T03:04:05Z',
    '2026-01-32T03:04:05Z',
    '2026-01-02T25:04:05Z',
    '2026-01-02 03:04:05Z',
    '02/01/2026T03:04:05Z',
    '2026-01-02T03:04:05Z and more',
    // Without an offset it would mean another time on every machine.
    '2026-01-02T03:04:05',
    '2026-01-02T03:04',
  ])('is not guessed at: %j', (text) => {
    expect(parseRfc3339(text)).toBeNull();
  });

  test('comes back from what it is written as', () => {
    const at = instant(1_767_322_800_123);
    expect(parseRfc3339(toRfc3339(at))).toBe(at);
  });
});
