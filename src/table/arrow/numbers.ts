// Numbers as text and back without a digit lost: floats of every width, decimals, and integers that
// no double holds.

/**
 * A float64 as JSON: the shortest digits that lead back to it, with a point or an exponent, so that
 * a reader takes it for a float.
 */
export function float64Text(value: number): string {
  return asFloat(Object.is(value, -0) ? '-0' : String(value));
}

/**
 * A float32 as JSON: the shortest digits that lead back to it when they are rounded to a float32.
 */
export function float32Text(value: number): string {
  // Zeros are told apart by their sign, which digits do not have.
  if (value === 0) return float64Text(value);
  // Nine digits tell any two float32 apart (IEEE 754, 2^24 < 10^8); most need fewer.
  for (let digits = 6; digits < 9; digits += 1) {
    const short = Number(value.toPrecision(digits));
    if (Math.fround(short) === value) return float64Text(short);
  }
  return float64Text(Number(value.toPrecision(9)));
}

function asFloat(text: string): string {
  return /[.e]/.test(text) ? text : `${text}.0`;
}

/** The number that sixteen bits are (IEEE 754 binary16). */
export function halfOf(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 0x1f) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  return sign * (1 + fraction / 1_024) * 2 ** (exponent - 15);
}

/** The sixteen bits of a number, or null where none are exactly that number. */
export function halfBits(value: number): number | null {
  const size = Math.abs(value);
  const sign = value < 0 || Object.is(value, -0) ? 0x8000 : 0;
  if (size === 0) return sign;
  const exponent = Math.max(-14, Math.floor(Math.log2(size)));
  const steps = size / 2 ** (exponent - 10);
  if (!Number.isInteger(steps) || exponent > 15 || steps >= 2_048) return null;
  return sign | (steps < 1_024 ? steps : ((exponent + 15) << 10) | (steps - 1_024));
}

/** A decimal, given as so many units of its last digit, as JSON: every digit of its scale. */
export function decimalText(units: bigint, scale: number): string {
  const sign = units < 0n ? '-' : '';
  const digits = String(units < 0n ? -units : units);
  if (scale <= 0) return units === 0n ? '0' : `${sign}${digits}${'0'.repeat(-scale)}`;
  const padded = digits.padStart(scale + 1, '0');
  return `${sign}${padded.slice(0, -scale)}.${padded.slice(-scale)}`;
}

/** What an exponent may be at most: beyond it no number that is written here lies. */
const EXPONENT_MAX = 400;

/**
 * The text of a JSON number as units of the last digit of a scale, or null where it has digits
 * beyond that.
 */
export function decimalUnits(text: string, scale: number): bigint | null {
  const parts = /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/.exec(text);
  if (parts === null) return null;
  const [, sign, whole = '', fraction = '', exponent = '0'] = parts;
  const digits = BigInt(whole + fraction);
  if (digits === 0n) return 0n;
  const shift = Number(exponent) - fraction.length + scale;
  if (Math.abs(shift) > EXPONENT_MAX) return null;
  const factor = 10n ** BigInt(Math.abs(shift));
  if (shift < 0 && digits % factor !== 0n) return null;
  const units = shift < 0 ? digits / factor : digits * factor;
  return sign === '-' ? -units : units;
}

/**
 * The text of a JSON number as an integer, or null where it is none; `5.0` is one, `-0` is none,
 * since no integer has its sign.
 */
export function integerOf(text: string): bigint | null {
  const digits = /^(-?\d+)(?:\.0+)?$/.exec(text)?.[1];
  return digits === undefined || digits === '-0' ? null : BigInt(digits);
}

/**
 * Whether a JSON number may be kept as the double that it is read as: an integer only where it is
 * that double, or has the very digits that the double is written with, as JavaScript writes those
 * from 2^53 to 10^21. Other digits are read as the double next to them, as everywhere.
 */
export function isDouble(text: string, value: number): boolean {
  return !/^-?\d{16,}$/.test(text) || BigInt(value) === BigInt(text) || String(value) === text;
}

/** Whether an integer lies within a width. */
export function fitsInt(value: bigint, bits: number, signed: boolean): boolean {
  return signed ? BigInt.asIntN(bits, value) === value : BigInt.asUintN(bits, value) === value;
}
