import { expect, test } from 'vitest';
import { milliseconds } from '../../src/domain/time.ts';
import { Places } from '../../src/system/places.ts';

test('a place is given to those who wait in the order in which they asked', async () => {
  const places = new Places(1);
  const leave = await places.take();
  const order: string[] = [];
  const others = ['second', 'third'].map(async (name) => {
    const leaveAgain = await places.take();
    order.push(name);
    leaveAgain();
  });
  await new Promise(setImmediate);
  expect(order).toEqual([]);
  leave();
  await Promise.all(others);
  expect(order).toEqual(['second', 'third']);
});

test('a place that is given back twice is one place', async () => {
  const places = new Places(1);
  const leave = await places.take();
  leave();
  leave();
  await places.take();
  expect(await places.take(milliseconds(1))).toBeNull();
});

test('who has waited in vain keeps no place from those behind', async () => {
  const places = new Places(1);
  const leave = await places.take();
  const patient = places.take();
  expect(await places.take(milliseconds(1))).toBeNull();
  leave();
  const leaveAgain = await patient;
  leaveAgain();
  expect(await places.take(milliseconds(1))).not.toBeNull();
});

test('idle resolves once the last place is given back, at once where all are free', async () => {
  const places = new Places(2);
  await places.idle();
  const [first, second] = [await places.take(), await places.take()];
  let isIdle = false;
  const idle = places.idle().then(() => (isIdle = true));
  first();
  await new Promise(setImmediate);
  expect(isIdle).toBe(false);
  second();
  await idle;
});
