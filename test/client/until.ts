// Waiting for conditions in tests.

import { setTimeout as pause } from 'node:timers/promises';

/** Asks again and again until the answer is neither false nor null nor undefined; the test's own time limit ends it. */
export async function until<Value>(condition: () => Value | Promise<Value>): Promise<NonNullable<Value>> {
  for (;;) {
    const value = await condition();
    if (value !== false && value !== null && value !== undefined) return value;
    await pause(10);
  }
}
