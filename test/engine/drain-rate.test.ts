import { expect, test } from 'vitest';
import { milliseconds, seconds } from '../../src/domain/time.ts';
import { DrainRate, DrainRates } from '../../src/engine/drain-rate.ts';
import { ManualClock } from '../stores/ledger/manual-clock.ts';

test('nothing is said before two runs have ended, and a full queue is then asked to wait five seconds', () => {
  const clock = new ManualClock();
  const rate = new DrainRate();
  expect(rate.perSecond(clock.steady())).toBeNull();
  rate.ended(clock.steady());
  expect(rate.perSecond(clock.steady())).toBeNull();
  expect(rate.retryAfter(clock.steady())).toBe(seconds(5));
});

test('it is the number of ends over the time that they took', () => {
  const clock = new ManualClock();
  const rate = new DrainRate();
  for (let end = 0; end < 10; end += 1) {
    rate.ended(clock.steady());
    clock.advance(milliseconds(500));
  }
  expect(rate.perSecond(clock.steady())).toBe(2);
});

test('it falls while nothing ends', () => {
  const clock = new ManualClock();
  const rate = new DrainRate();
  rate.ended(clock.steady());
  rate.ended(clock.steady());
  clock.advance(seconds(2));
  expect(rate.perSecond(clock.steady())).toBe(1);
  clock.advance(seconds(18));
  expect(rate.perSecond(clock.steady())).toBe(0.1);
});

test('it looks at the last ends alone', () => {
  const clock = new ManualClock();
  const rate = new DrainRate();
  rate.ended(clock.steady());
  clock.advance(seconds(10_000));
  for (let end = 0; end < 64; end += 1) {
    rate.ended(clock.steady());
    clock.advance(seconds(1));
  }
  expect(rate.perSecond(clock.steady())).toBe(1);
});

test('many ends in the same instant are a number, and not infinitely many a second', () => {
  const clock = new ManualClock();
  const rate = new DrainRate();
  for (let end = 0; end < 64; end += 1) rate.ended(clock.steady());
  expect(rate.perSecond(clock.steady())).toBe(64_000);
});

test('a full queue is asked to wait from one second to sixty, and as long as one run takes in between', () => {
  const clock = new ManualClock();
  const rate = new DrainRate();
  rate.ended(clock.steady());
  rate.ended(clock.steady());
  expect(rate.retryAfter(clock.steady())).toBe(seconds(1));
  clock.advance(seconds(20));
  expect(rate.retryAfter(clock.steady())).toBe(seconds(10));
  clock.advance(seconds(10_000));
  expect(rate.retryAfter(clock.steady())).toBe(seconds(60));
});

test('each line has the rate of what waits in it: chunks are no runs, and batches do not wait for replicas', () => {
  const clock = new ManualClock();
  const rates = new DrainRates();
  const perSecond = () => ({
    calls: rates.laneOf('call').perSecond(clock.steady()),
    chunks: rates.laneOf('chunk').perSecond(clock.steady()),
    batches: rates.laneOf('batch').perSecond(clock.steady()),
    topLevel: rates.topLevel.perSecond(clock.steady()),
  });
  for (let end = 0; end < 8; end += 1) rates.ended('chunk', clock.steady());
  clock.advance(seconds(1));
  expect(perSecond()).toEqual({ calls: 8, chunks: 8, batches: null, topLevel: null });
  rates.ended('call', clock.steady());
  rates.ended('call', clock.steady());
  rates.ended('batch', clock.steady());
  rates.ended('batch', clock.steady());
  clock.advance(seconds(1));
  expect(perSecond()).toEqual({ calls: 5, chunks: 5, batches: 2, topLevel: 4 });
});
