// Durations and instants as types, so that a number of seconds is never taken for milliseconds.

declare const durationBrand: unique symbol;
declare const instantBrand: unique symbol;
declare const momentBrand: unique symbol;

/** A length of time, in milliseconds. Made by the functions below, never by a cast elsewhere. */
export type Duration = number & { readonly [durationBrand]: true };

/** A point in time: milliseconds since the Unix epoch. */
export type Instant = number & { readonly [instantBrand]: true };

/**
 * A reading of a clock that nobody can set: milliseconds since some beginning, so that only the
 * time between two of them means anything. What takes or waits for a time goes by it; what time it
 * is for people, and in what is kept, is an Instant.
 */
export type Moment = number & { readonly [momentBrand]: true };

/** A moment from a number of milliseconds since the origin that it is counted from. */
export const moment = (ms: number): Moment => ms as Moment;
/** The moment that lies a duration after another. */
export const later = (start: Moment, duration: Duration): Moment => (start + duration) as Moment;
/** How long it is from one moment to another. */
export const elapsed = (start: Moment, end: Moment): Duration => (end - start) as Duration;

/** A duration from a number of milliseconds. */
export const milliseconds = (count: number): Duration => count as Duration;
/**
 * A duration from a number of seconds; fractions allowed, down to whole milliseconds: 2.01 × 1,000
 * is no whole number, and no column of a ledger takes it.
 */
export const seconds = (count: number): Duration => Math.round(count * 1_000) as Duration;
/** A duration from a number of minutes. */
export const minutes = (count: number): Duration => seconds(count * 60);
/** A duration from a number of hours. */
export const hours = (count: number): Duration => minutes(count * 60);
/** A duration from a number of days of 24 hours. */
export const days = (count: number): Duration => hours(count * 24);

/** The number of seconds in a duration, as the wire and the metrics write it. */
export const inSeconds = (duration: Duration): number => duration / 1_000;

/**
 * An instant from a number of milliseconds since the Unix epoch, as the ledger's columns hold it.
 */
export const instant = (epochMs: number): Instant => epochMs as Instant;
/** The instant that lies a duration after another. */
export const after = (start: Instant, duration: Duration): Instant => (start + duration) as Instant;
/** How long it is from one instant to another; negative when the second comes first. */
export const between = (start: Instant, end: Instant): Duration => (end - start) as Duration;
/** An instant as an RFC 3339 UTC string with milliseconds, the form of every time on the wire. */
export const toRfc3339 = (at: Instant): string => new Date(at).toISOString();

/** An instant in whole seconds since the Unix epoch, the last one that was over. */
export const epochSeconds = (at: Instant): number => Math.floor(at / 1_000);

/**
 * Reads a time as HTTP's headers have it (`Sun, 06 Nov 1994 08:49:37 GMT`); null for text that is
 * none.
 */
export function parseHttpDate(text: string): Instant | null {
  const epochMs = /^[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT$/.test(text)
    ? Date.parse(text)
    : Number.NaN;
  return Number.isNaN(epochMs) ? null : instant(epochMs);
}

/** Reads an RFC 3339 time as people and programs send it; null for text that is none. */
export function parseRfc3339(text: string): Instant | null {
  // With its offset: without one it would mean another instant on every machine.
  const epochMs = /^\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(?:\.\d+)?(?:[Zz]|[+-]\d\d:\d\d)$/.test(text)
    ? Date.parse(text)
    : Number.NaN;
  return Number.isNaN(epochMs) ? null : instant(epochMs);
}

/**
 * Longest duration that is read: every time that lies so far from now can be stored, and written as
 * a date.
 */
const DURATION_MAX: Duration = days(36_500);

const UNITS = { ms: milliseconds, s: seconds, m: minutes, h: hours, d: days } as const;

/**
 * Reads a duration as people write it in a config file: `'90s'`, `'10m'`, `'6h'`, `'7d'`,
 * `'250ms'`, or a plain number of seconds. Answers null for anything else, and for more than
 * DURATION_MAX, so that the caller can say where it stood.
 */
export function parseDuration(text: string | number): Duration | null {
  const match = typeof text === 'number' ? [text, text, 's'] : /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/.exec(text.trim());
  if (match === null) return null;
  const duration = UNITS[match[2] as keyof typeof UNITS](Number(match[1]));
  return duration >= 0 && duration <= DURATION_MAX ? milliseconds(Math.round(duration)) : null;
}
