// What a value of a table says, whether it comes as text or as JSON.

const DECIMAL = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/;

/**
 * Whether a value says nothing: it is not there, null, an empty text, or NaN as Python writes a
 * number that is missing.
 */
export function isEmpty(value: unknown): boolean {
  if (value === undefined || value === null) return true;
  return typeof value === 'string' && /^\s*(?:nan)?\s*$/i.test(value);
}

/** The finite number that a value is or spells in decimals, or null. */
export function numberOf(value: unknown): number | null {
  const number =
    typeof value === 'number' ? value : typeof value === 'string' && DECIMAL.test(value.trim()) ? Number(value) : null;
  return number !== null && Number.isFinite(number) ? number : null;
}

/**
 * Whether a text is a number with zeros in front, which amounts do not have: a postal code, a code
 * of classes.
 */
export const isCode = (value: unknown): boolean => typeof value === 'string' && /^\s*[+-]?0\d+\s*$/.test(value);

/** The class that a value names. Texts as they are; what is no text as JSON writes it. */
export function labelOf(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}

/**
 * A number as programs print it: no zeros in front, no sign but a minus, and an exponent of two
 * digits with its sign.
 */
const PRINTED = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:e[+-]\d{2,})?$/;
/** Digits that every double keeps. */
const DIGITS_KEPT = 15;

/**
 * The class that a number names: 1, 1.0 and 1.00 are one, since the same class may be written by
 * two programs. What no program prints for a number, such as 007, +7 or 1e5, is a code that looks
 * like one, and so is what has more digits than a double keeps: it stays as it is.
 */
export function numberLabelOf(value: unknown): string {
  if (typeof value !== 'string') return String(numberOf(value));
  const text = value.trim();
  if (!PRINTED.test(text)) return value;
  const label = String(Number(text));
  const digits = text.replace(/e.*$/, '').replaceAll(/[-.]/g, '').replace(/^0+/, '').length;
  return digits <= DIGITS_KEPT || label === text || isZero(text) ? label : value;
}

const isZero = (text: string): boolean => Number(text) === 0;

/**
 * Whether a value is true or false, or says so as JSON, Python or a spreadsheet writes it: true,
 * True, TRUE.
 */
export function isTruth(value: unknown): boolean {
  return /^(?:true|false)$/i.test(labelOf(value));
}
