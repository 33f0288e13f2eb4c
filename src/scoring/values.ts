// What a value of a table says, whether it comes as text or as JSON.

const DECIMAL = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/;

/** Whether a value says nothing: it is not there, null, an empty text, or NaN as Python writes a number that is missing. */
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

/** The class that a value names. Texts as they are; what is no text as JSON writes it. */
export function labelOf(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}

/** Whether a value is true or false, or says so as JSON, Python or a spreadsheet writes it: true, True, TRUE. */
export function isTruth(value: unknown): boolean {
  return /^(?:true|false)$/i.test(labelOf(value));
}
