import { expect, test } from 'vitest';
import { Throttle } from '../../../src/http/access/throttle.ts';
import { hours, milliseconds, seconds } from '../../../src/domain/time.ts';
import { ManualClock } from '../../stores/ledger/manual-clock.ts';

const fail = (throttle: Throttle, address: string, times: number) =>
  Array.from({ length: times }, () => throttle.failed(address)).filter((wait) => wait !== null);

test('an address may fail twenty times at once, and is told to wait from then on', () => {
  const throttle = new Throttle(new ManualClock());
  expect(fail(throttle, '10.0.0.1', 20)).toEqual([]);
  expect(fail(throttle, '10.0.0.1', 2)).toEqual([seconds(1), seconds(1)]);
});

test('other addresses are not told to wait', () => {
  const throttle = new Throttle(new ManualClock());
  fail(throttle, '10.0.0.1', 30);
  expect(throttle.failed('10.0.0.2')).toBeNull();
});

test('an address may fail once more with every second', () => {
  const clock = new ManualClock();
  const throttle = new Throttle(clock);
  fail(throttle, '10.0.0.1', 30);
  clock.advance(milliseconds(600));
  expect(throttle.failed('10.0.0.1')).toBe(400);
  clock.advance(milliseconds(400));
  expect(throttle.failed('10.0.0.1')).toBeNull();
  clock.advance(hours(1));
  expect(fail(throttle, '10.0.0.1', 21)).toHaveLength(1);
});

test('a clock that is set back locks nobody out, and lets nobody in', () => {
  const clock = new ManualClock();
  const throttle = new Throttle(clock);
  clock.advance(hours(1));
  fail(throttle, '10.0.0.1', 30);
  clock.set(milliseconds(-3_600_000));
  expect(throttle.failed('10.0.0.1')).toBe(1_000);
  clock.advance(seconds(1));
  expect(throttle.failed('10.0.0.1')).toBeNull();
});

test('however many addresses fail, only the last ten thousand are remembered', () => {
  const throttle = new Throttle(new ManualClock());
  fail(throttle, 'first', 30);
  fail(throttle, 'second', 30);
  for (let at = 0; at < 9_999; at += 1) throttle.failed(`10.0.${at}`);
  expect(throttle.failed('second')).not.toBeNull();
  expect(throttle.failed('first')).toBeNull();
});
