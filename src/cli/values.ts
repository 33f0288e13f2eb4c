// What people write behind an option, as the values that it stands for.

import { InvalidArgumentError } from 'commander';
import { inSeconds, parseDuration } from '../domain/time.ts';

/** Reads an option that must be a whole number from 1 up. */
export function readCount(text: string): number {
  const count = Number(text);
  if (/^\d{1,9}$/.test(text) && count >= 1) return count;
  throw new InvalidArgumentError('It must be a whole number from 1 up.');
}

/** Reads an option that must be a duration; answers seconds. */
export function readSeconds(text: string): number {
  // Programs write numbers with an exponent as well.
  const duration = parseDuration(/^\d+(?:\.\d+)?(?:e[+-]?\d+)?$/i.test(text) ? Number(text) : text);
  if (duration === null)
    throw new InvalidArgumentError(
      "It must be a duration: '90s', '10m', '1h' or a number of seconds, and at most '36500d'.",
    );
  return inSeconds(duration);
}
