// Pauses that double with every failure in a row, so that what fails for long costs little.

import { type Duration, milliseconds } from './time.ts';

/** The first pause, and the longest. */
export interface Backoff {
  readonly first: Duration;
  readonly max: Duration;
}

/**
 * The pause before the next try; `failures` are those in a row before this one, 0 for the first.
 */
export function pauseOf({ first, max }: Backoff, failures: number): Duration {
  return milliseconds(Math.min(max, first * 2 ** failures));
}

/**
 * A pause whose second half is random, so that what failed together does not come back together.
 *
 * @param chance a number from 0 to 1; at 0 it is half of the pause, at 1 all of it
 */
export const spread = (pause: Duration, chance: number): Duration => milliseconds(pause * (0.5 + chance / 2));
