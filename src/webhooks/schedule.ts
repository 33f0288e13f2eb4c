// When a delivery that failed is attempted again.

import { type Duration, hours, milliseconds, minutes, seconds } from '../domain/time.ts';

/**
 * Pauses before the second attempt of a series and every further one: three days in all. Source:
 * the schedule that Standard Webhooks recommends.
 */
const PAUSES: readonly Duration[] = [
  seconds(5),
  minutes(5),
  minutes(30),
  hours(2),
  hours(5),
  hours(10),
  hours(14),
  hours(20),
  hours(24),
];
/**
 * How far a pause is spread to either side, so that what failed together does not come back
 * together.
 */
const SPREAD = 0.1;

/** Longest pause that a receiver may ask for: as long as the longest of the schedule. */
export const RETRY_AFTER_MAX: Duration = hours(24);

/**
 * How long to wait after an attempt that failed, or null when it was the last one.
 *
 * @param tries attempts of the series so far, that one included
 * @param jitter a number from 0 to 1
 */
export function pauseAfter(tries: number, jitter: number): Duration | null {
  const pause = PAUSES[tries - 1];
  return pause === undefined ? null : milliseconds(Math.round(pause * (1 - SPREAD + 2 * SPREAD * jitter)));
}
