import { EventEmitter } from 'node:events';
import type { ServerResponse } from 'node:http';
import { expect, test } from 'vitest';
import { Streams } from '../../../src/http/answer/streams.ts';

type Asked = Parameters<Streams['enter']>[0];

/** Follows a run until the function that it answers is called; null where there is no place. */
function follower(streams: Streams): (ip: string, tenant?: string) => (() => void) | null {
  return (ip, tenant) => {
    const raw = Object.assign(new EventEmitter(), { closed: false });
    try {
      streams.enter({
        raw: raw as unknown as ServerResponse,
        request: { ip, principal: { tenant: tenant ?? null } } as Asked['request'],
      });
    } catch (error) {
      expect(error).toMatchObject({ slug: 'too-many-streams', extras: { headers: { 'retry-after': '5' } } });
      return null;
    }
    return () => void raw.emit('close');
  };
}

/** How many places a caller gets that takes all it can. */
const taken = (follow: () => unknown): number =>
  Array.from({ length: 100 }, follow).filter((place) => place !== null).length;

test('one address takes half of the places, and every other finds its share', () => {
  const follow = follower(new Streams({ streams: 20, streamsPerClient: 3 }));
  expect(taken(() => follow('192.0.2.1'))).toBe(10);
  expect(taken(() => follow('192.0.2.2'))).toBe(3);
  expect(taken(() => follow('2001:db8::1'))).toBe(3);
  // The same customer's.
  expect(taken(() => follow('2001:db8::2'))).toBe(0);
  expect(taken(() => follow('192.0.2.3'))).toBe(3);
  expect(taken(() => follow('192.0.2.4'))).toBe(1);
});

test('a tenant has one share, from however many addresses', () => {
  const follow = follower(new Streams({ streams: 20, streamsPerClient: 3 }));
  let host = 0;
  expect(taken(() => follow(`192.0.2.${(host += 1)}`, 'greedy'))).toBe(10);
  expect(taken(() => follow(`198.51.100.${(host += 1)}`, 'other'))).toBe(3);
});

test('a place that is given back is taken by a caller that has none', () => {
  const follow = follower(new Streams({ streams: 4, streamsPerClient: 1 }));
  const [first] = [follow('192.0.2.1'), follow('192.0.2.1')];
  expect(follow('192.0.2.1')).toBeNull();
  first!();
  expect(follow('192.0.2.1')).not.toBeNull();
  expect([follow('192.0.2.2'), follow('192.0.2.3'), follow('192.0.2.4')].map((place) => place !== null)).toEqual([
    true,
    true,
    false,
  ]);
});

test('a client that gives places back has its share again', () => {
  const follow = follower(new Streams({ streams: 20, streamsPerClient: 2 }));
  expect(taken(() => follow('192.0.2.1'))).toBe(10);
  const [first] = [follow('192.0.2.2'), follow('192.0.2.2')];
  expect(follow('192.0.2.2')).toBeNull();
  first!();
  expect(taken(() => follow('192.0.2.2'))).toBe(1);
});
