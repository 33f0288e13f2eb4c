// Waiting for a condition instead of for a time.

import { setTimeout as sleep } from 'node:timers/promises';

/** Pause between two looks, in milliseconds. */
const PAUSE = 10;
/**
 * A guard against a hang, and never a measurement: long enough for a machine that does other things
 * besides. Tests that break things on purpose have less patience.
 */
const GIVE_UP_AFTER = Number(process.env['CLAIMCHECK_TEST_PATIENCE_MS'] ?? 120_000);

/**
 * Looks until there is something to see, and answers it.
 *
 * @param condition what is looked for; anything but undefined, null and false ends the wait
 * @throws Error that repeats `what`, so that a hang says what it hung on
 */
export async function until<Found>(
  what: string,
  condition: () => Found | Promise<Found>,
): Promise<NonNullable<Exclude<Found, false>>> {
  const giveUp = Date.now() + GIVE_UP_AFTER;
  for (;;) {
    const found = await condition();
    if (found !== undefined && found !== null && found !== false) return found as NonNullable<Exclude<Found, false>>;
    if (Date.now() > giveUp) throw new Error(`Waited in vain until ${what}.`);
    await sleep(PAUSE);
  }
}
