import { expect, test } from 'vitest';
import { sleep } from '../../src/client/environment.ts';

test.each([30 * 86_400_000, 2 ** 31, Infinity])('a pause of %d ms is not over at once', async (pauseMs) => {
  const left = new AbortController();
  let isOver = false;
  const pause = sleep(pauseMs, left.signal).then(() => (isOver = true));
  // A timer that overflows fires after a millisecond.
  await sleep(20);
  expect(isOver).toBe(false);
  left.abort(new Error('enough'));
  await expect(pause).rejects.toThrow('enough');
});
