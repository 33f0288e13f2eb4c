import { setImmediate as nextTurn } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { Suspects } from '../../../src/engine/batch/suspects.ts';

beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] }));
afterEach(() => void vi.useRealTimers());

/** Whether a promise has resolved by now. */
async function isSettled(promise: Promise<unknown>): Promise<boolean> {
  let settled = false;
  void promise.then(() => (settled = true));
  await nextTurn();
  return settled;
}

describe('of batches that have lost servers', () => {
  test('one goes to work, and the others are to be handed back', async () => {
    const suspects = new Suspects();
    expect(await suspects.arrive().take()).toBe(true);
    expect(await suspects.arrive().take()).toBe(false);
  });

  test('the one begins only when those that were claimed with it are handed back, and so are not lost with it', async () => {
    const suspects = new Suspects();
    const [culprit, innocent] = [suspects.arrive(), suspects.arrive()];
    const taken = culprit.take();
    expect(await innocent.take()).toBe(false);
    expect(await isSettled(taken)).toBe(false);
    innocent.over();
    expect(await taken).toBe(true);
  });

  test('the next begins when the one has got something done, has ended, or has had its time', async () => {
    const suspects = new Suspects();
    const [done, ended, slow, last] = [suspects.arrive(), suspects.arrive(), suspects.arrive(), suspects.arrive()];
    for (const turn of [ended, slow, last]) turn.pass();
    expect(await done.take()).toBe(true);
    done.done();
    expect(await ended.take()).toBe(true);
    ended.over();
    expect(await slow.take()).toBe(true);
    // What one says that has had its turn takes it from nobody.
    done.over();
    expect(await last.take()).toBe(false);
    vi.runAllTimers();
    expect(await last.take()).toBe(true);
  });
});

test('a batch that has lost no server waits for none that has, and none that has for its end', async () => {
  const suspects = new Suspects();
  const [suspect, other] = [suspects.arrive(), suspects.arrive()];
  const taken = suspect.take();
  other.pass();
  expect(await taken).toBe(true);
});
