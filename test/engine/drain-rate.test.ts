import { expect, test } from 'vitest';
import { milliseconds, seconds } from '../../src/domain/time.ts';
import { DrainRate } from '../../src/engine/drain-rate.ts';
import { ManualClock } from '../ledger/manual-clock.ts';

test('nothing is said before two runs have ended, and a full queue is then asked to wait five seconds', () => {
  const clock = new ManualClock();
  const rate = new DrainRate();
  expect(rate.perSecond(clock.now())).toBeNull();
  rate.ended(clock.now());
  expect(rate.perSecond(clock.now())).toBeNull();
  expect(rate.retryAfter(clock.now())).toBe(seconds(5));
});

test('it is the number of ends over the time that they took', () => {
  const clock = new ManualClock();
  const rate = new DrainRate();
  for (let end = 0; end < 10; end += 1) {
    rate.ended(clock.now());
    clock.advance(milliseconds(500));
  }
  expect(rate.perSecond(clock.now())).toBe(2);
});

test('it falls while nothing ends', () => {
  const clock = new ManualClock();
  const rate = new DrainRate();
  rate.ended(clock.now());
  rate.ended(clock.now());
  clock.advance(seconds(2));
  expect(rate.perSecond(clock.now())).toBe(1);
  clock.advance(seconds(18));
  expect(rate.perSecond(clock.now())).toBe(0.1);
});

test('it looks at the last ends alone', () => {
  const clock = new ManualClock();
  const rate = new DrainRate();
  rate.ended(clock.now());
  clock.advance(seconds(10_000));
  for (let end = 0; end < 64; end += 1) {
    rate.ended(clock.now());
    clock.advance(seconds(1));
  }
  expect(rate.perSecond(clock.now())).toBe(1);
});

test('many ends in the same instant are a number, and not infinitely many a second', () => {
  const clock = new ManualClock();
  const rate = new DrainRate();
  for (let end = 0; end < 64; end += 1) rate.ended(clock.now());
  expect(rate.perSecond(clock.now())).toBe(64_000);
});

test('a full queue is asked to wait from one second to sixty, and as long as one run takes in between', () => {
  const clock = new ManualClock();
  const rate = new DrainRate();
  rate.ended(clock.now());
  rate.ended(clock.now());
  expect(rate.retryAfter(clock.now())).toBe(seconds(1));
  clock.advance(seconds(20));
  expect(rate.retryAfter(clock.now())).toBe(seconds(10));
  clock.advance(seconds(10_000));
  expect(rate.retryAfter(clock.now())).toBe(seconds(60));
});
