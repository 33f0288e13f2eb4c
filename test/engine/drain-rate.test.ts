import { expect, test } from 'vitest';
import { milliseconds, seconds } from '../../src/domain/time.ts';
import { DrainRate, DrainRates } from '../../src/engine/drain-rate.ts';
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

test('each line has the rate of what waits in it: chunks are no runs, and batches do not wait for replicas', () => {
  const clock = new ManualClock();
  const rates = new DrainRates();
  const perSecond = () => ({
    calls: rates.laneOf('call').perSecond(clock.now()),
    chunks: rates.laneOf('chunk').perSecond(clock.now()),
    batches: rates.laneOf('batch').perSecond(clock.now()),
    topLevel: rates.topLevel.perSecond(clock.now()),
  });
  for (let end = 0; end < 8; end += 1) rates.ended('chunk', clock.now());
  clock.advance(seconds(1));
  expect(perSecond()).toEqual({ calls: 8, chunks: 8, batches: null, topLevel: null });
  rates.ended('call', clock.now());
  rates.ended('call', clock.now());
  rates.ended('batch', clock.now());
  rates.ended('batch', clock.now());
  clock.advance(seconds(1));
  expect(perSecond()).toEqual({ calls: 5, chunks: 5, batches: 2, topLevel: 4 });
});
