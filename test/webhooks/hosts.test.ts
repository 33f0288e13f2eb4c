import { beforeEach, describe, expect, test } from 'vitest';
import { milliseconds, seconds } from '../../src/domain/time.ts';
import type { DeliveryResult } from '../../src/stores/ledger/ledger.ts';
import { Hosts, PLACES_MAX, PLACES_MIN } from '../../src/webhooks/hosts.ts';

const QUICKLY: DeliveryResult = { kind: 'delivered', status: 200, latency: milliseconds(900), detail: '200' };
const PUT_OFF: DeliveryResult = { ...QUICKLY, kind: 'retry', status: 503, delay: seconds(5) };

let hosts: Hosts;

beforeEach(() => {
  hosts = new Hosts();
});

const take = (name: string, times: number): void => {
  for (let count = 0; count < times; count += 1) hosts.take(name);
};

/** Deliveries to a host, one after the other, beside what else is on its way there. */
const deliver = (name: string, times: number, result: DeliveryResult | null = QUICKLY): void => {
  for (let count = 0; count < times; count += 1) {
    hosts.take(name);
    hosts.giveBack(name, result);
  }
};

/** Places of a host that has so many deliveries on their way. */
const placesOf = (name: string, underway: number): number => {
  hosts.walkedPast();
  return underway + (hosts.free(1_000)[name] ?? 0);
};

describe('a host', () => {
  test('has a place more for each delivery that it takes at once, up to a limit', () => {
    take('a', PLACES_MIN);
    expect(placesOf('a', PLACES_MIN)).toBe(PLACES_MIN);
    deliver('a', 3);
    expect(placesOf('a', PLACES_MIN)).toBe(PLACES_MIN + 3);
    deliver('a', 100);
    expect(placesOf('a', PLACES_MIN)).toBe(PLACES_MAX);
  });

  test.each([
    ['puts one off', PUT_OFF],
    ['wants no more', { ...QUICKLY, kind: 'abandoned', status: 410 } as const],
    ['takes one, but not at once', { ...QUICKLY, latency: milliseconds(1_001) }],
    ['was not heard of', null],
  ])('has few places again when it %s', (_what, result) => {
    take('a', PLACES_MIN);
    deliver('a', 100);
    deliver('a', 1, result);
    expect(hosts.free(1_000)).toEqual({});
    deliver('a', 1);
    expect(placesOf('a', PLACES_MIN)).toBe(PLACES_MIN + 1);
  });

  test('that has fewer places than it has on their way has none free until they are back', () => {
    take('a', PLACES_MIN);
    deliver('a', 100);
    take('a', PLACES_MAX - PLACES_MIN);
    const free: number[] = [];
    for (let left = PLACES_MAX; left > 1; left -= 1) {
      hosts.giveBack('a', PUT_OFF);
      free.push(hosts.free(1_000)['a'] ?? 0);
    }
    expect(free).toEqual([...Array<number>(PLACES_MAX - PLACES_MIN).fill(0), 1, 2, 3]);
  });

  test('is asked for more where it was given all its places', () => {
    take('a', PLACES_MIN - 1);
    expect(hosts.giveBack('a', QUICKLY)).toBe(false);
    expect(hosts.free(1_000)).toEqual({});
    take('a', 2);
    expect(hosts.giveBack('a', QUICKLY)).toBe(true);
    // One more for each of the two that it has taken.
    expect(hosts.free(1_000)).toEqual({ a: 3 });
  });

  test('is asked for more where a look has walked past it since there was none', () => {
    take('a', PLACES_MIN);
    hosts.found({ a: 1 }, []);
    expect(hosts.free(1_000)).toEqual({});
    expect(hosts.walkedPast()).toEqual({ a: PLACES_MIN });
    expect(hosts.giveBack('a', PUT_OFF)).toBe(true);
    expect(hosts.free(1_000)).toEqual({ a: 1 });
  });

  test('is asked for more until less is found than it has places free', () => {
    take('a', PLACES_MIN);
    hosts.walkedPast();
    hosts.giveBack('a', PUT_OFF);
    hosts.take('a');
    hosts.found({ a: 1 }, ['a', 'b']);
    expect(hosts.giveBack('a', PUT_OFF)).toBe(true);
    hosts.found({ a: 1 }, ['b']);
    expect(hosts.giveBack('a', PUT_OFF)).toBe(false);
    expect(hosts.free(1_000)).toEqual({});
  });

  test('is forgotten when nothing is on its way and nothing more is due', () => {
    take('a', PLACES_MIN);
    deliver('a', 100);
    hosts.walkedPast();
    for (let count = 0; count < PLACES_MIN; count += 1) hosts.giveBack('a', QUICKLY);
    expect(hosts.walkedPast()).toEqual({ a: 0 });
    hosts.found({ a: PLACES_MAX }, []);
    expect(hosts.walkedPast()).toEqual({});
    deliver('a', 1);
    expect(hosts.walkedPast()).toEqual({});
  });
});

test('hosts with the fewest deliveries on their way come first where there is not room for all', () => {
  for (const name of ['a', 'b', 'c']) {
    take(name, PLACES_MIN);
    deliver(name, 2);
  }
  hosts.walkedPast();
  hosts.giveBack('b', QUICKLY);
  take('c', 1);
  expect(hosts.free(100)).toEqual({ b: 4, a: 2, c: 1 });
  expect(hosts.free(5)).toEqual({ b: 4, a: 1 });
  expect(hosts.free(0)).toEqual({});
  expect(hosts.free(-1)).toEqual({});
});
