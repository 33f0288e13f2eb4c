// Dates, times and timestamps as text (ISO 8601, RFC 3339) and back. They are counted in whole
// units, never in floating point, and the calendar is the Gregorian one for all time.

import { FRACTION_DIGITS, type TimeUnit } from './types.ts';

const DAY_SECONDS = 86_400n;
/** Days from 1 March of the year 0 to 1 January 1970. */
const EPOCH_DAYS = 719_468n;
/** Days of 400 years, after which the calendar repeats. */
const CYCLE_DAYS = 146_097n;

const perSecond = (unit: TimeUnit): bigint => 10n ** BigInt(FRACTION_DIGITS[unit]);

/**
 * A number of days since 1 January 1970 as a date. Years outside of 0 to 9999 have a sign and six
 * digits.
 */
export function dateText(days: bigint): string {
  const shifted = days + EPOCH_DAYS;
  const cycle = floorDivide(shifted, CYCLE_DAYS);
  const dayOfCycle = Number(shifted - cycle * CYCLE_DAYS);
  const yearOfCycle = Math.floor(
    (dayOfCycle - Math.floor(dayOfCycle / 1_460) + Math.floor(dayOfCycle / 36_524) - Math.floor(dayOfCycle / 146_096)) /
      365,
  );
  const dayOfYear = dayOfCycle - (365 * yearOfCycle + Math.floor(yearOfCycle / 4) - Math.floor(yearOfCycle / 100));
  // Months are counted from March, so that the day that leap years add is the last of the year.
  const monthFromMarch = Math.floor((5 * dayOfYear + 2) / 153);
  const day = dayOfYear - Math.floor((153 * monthFromMarch + 2) / 5) + 1;
  const month = monthFromMarch < 10 ? monthFromMarch + 3 : monthFromMarch - 9;
  const year = cycle * 400n + BigInt(yearOfCycle) + (month <= 2 ? 1n : 0n);
  return `${yearText(year)}-${twoDigits(month)}-${twoDigits(day)}`;
}

/** The days since 1 January 1970 of a date, or null where the text is none. */
export function dateDays(text: string): bigint | null {
  const parts = /^(\d{4}|[+-]\d{6,})-(\d\d)-(\d\d)$/.exec(text);
  if (parts === null) return null;
  const [year, month, day] = [BigInt(parts[1]!), Number(parts[2]), Number(parts[3])];
  if (month < 1 || month > 12) return null;
  const shiftedYear = month <= 2 ? year - 1n : year;
  const cycle = floorDivide(shiftedYear, 400n);
  const yearOfCycle = Number(shiftedYear - cycle * 400n);
  const dayOfYear = Math.floor((153 * (month > 2 ? month - 3 : month + 9) + 2) / 5) + day - 1;
  const dayOfCycle = yearOfCycle * 365 + Math.floor(yearOfCycle / 4) - Math.floor(yearOfCycle / 100) + dayOfYear;
  const days = cycle * CYCLE_DAYS + BigInt(dayOfCycle) - EPOCH_DAYS;
  // What no month has (30 February) would come back as another day.
  return dateText(days) === text ? days : null;
}

/** A time of day with every digit of its unit, or null where it lies outside of a day. */
export function timeText(count: bigint, unit: TimeUnit): string | null {
  const seconds = floorDivide(count, perSecond(unit));
  if (count < 0n || seconds >= DAY_SECONDS) return null;
  const [whole, fraction] = [Number(seconds), count - seconds * perSecond(unit)];
  const clock = [Math.floor(whole / 3_600), Math.floor(whole / 60) % 60, whole % 60].map(twoDigits).join(':');
  return unit === 'second' ? clock : `${clock}.${String(fraction).padStart(FRACTION_DIGITS[unit], '0')}`;
}

/**
 * The units since midnight of a time of day, or null where the text is none, or finer than the
 * unit.
 */
export function timeCount(text: string, unit: TimeUnit): bigint | null {
  const parts = /^(\d\d):(\d\d):(\d\d)(?:\.(\d+))?$/.exec(text);
  if (parts === null) return null;
  const [hours, minutes, seconds] = [Number(parts[1]), Number(parts[2]), Number(parts[3])];
  if (hours > 23 || minutes > 59 || seconds > 59) return null;
  const digits = FRACTION_DIGITS[unit];
  const fraction = (parts[4] ?? '').replace(/0+$/, '');
  if (fraction.length > digits) return null;
  const whole = BigInt(hours * 3_600 + minutes * 60 + seconds) * perSecond(unit);
  return whole + BigInt(fraction.padEnd(digits, '0') || '0');
}

/**
 * A moment, given as units since 1970, as text: without an offset, or as UTC with a `Z` where its
 * column has a time zone.
 */
export function timestampText(count: bigint, unit: TimeUnit, hasZone: boolean): string {
  const perDay = DAY_SECONDS * perSecond(unit);
  const days = floorDivide(count, perDay);
  return `${dateText(days)}T${timeText(count - days * perDay, unit)!}${hasZone ? 'Z' : ''}`;
}

/**
 * The units since 1970 of a moment, or null where the text is none, is finer than the unit, or has
 * an offset where none belongs.
 */
export function timestampCount(text: string, unit: TimeUnit, hasZone: boolean): bigint | null {
  const parts = /^([^T ]+)[T ]([\d:.]+)(Z|[+-]\d\d:\d\d)?$/.exec(text);
  if (parts === null || (parts[3] !== undefined) !== hasZone) return null;
  const [days, time] = [dateDays(parts[1]!), timeCount(parts[2]!, unit)];
  if (days === null || time === null) return null;
  return days * DAY_SECONDS * perSecond(unit) + time - offsetSeconds(parts[3] ?? 'Z') * perSecond(unit);
}

function offsetSeconds(zone: string): bigint {
  if (zone === 'Z') return 0n;
  const seconds = BigInt(zone.slice(1, 3)) * 3_600n + BigInt(zone.slice(4)) * 60n;
  return zone.startsWith('-') ? -seconds : seconds;
}

function floorDivide(dividend: bigint, divisor: bigint): bigint {
  const quotient = dividend / divisor;
  return dividend % divisor < 0n ? quotient - 1n : quotient;
}

function yearText(year: bigint): string {
  if (year >= 0n && year <= 9_999n) return String(year).padStart(4, '0');
  return `${year < 0n ? '-' : '+'}${String(year < 0n ? -year : year).padStart(6, '0')}`;
}

const twoDigits = (value: number): string => String(value).padStart(2, '0');
