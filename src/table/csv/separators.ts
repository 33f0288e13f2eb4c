// Separators that other programs write where CSV has commas.

const SEPARATORS = [
  [';', 'semicolons'],
  ['\t', 'tabs'],
  ['|', 'vertical bars'],
] as const;

/** What to do about another separator. */
export const SEPARATED_BY_COMMAS = 'write it with commas and decimal points (pandas: df.to_csv(path, index=False))';

/** What the separator is called that begins a text; null where none does. */
export const separatorAt = (text: string): string | null =>
  SEPARATORS.find(([separator]) => text.startsWith(separator))?.[1] ?? null;

/** Which other separator a line has, where it has no quotes; null for none. */
export function otherSeparator(line: string): string | null {
  if (line.includes('"')) return null;
  return SEPARATORS.find(([separator]) => line.includes(separator))?.[1] ?? null;
}

/**
 * Which other separator a table has whose lines have commas as well, as `id;price, EUR` over
 * `1;2,5`: one that both lines have as often, where no comma of the header separates two names.
 * Null for none, and for lines with quotes.
 */
export function separatorBesideCommas(header: string, row: string): string | null {
  if (`${header}${row}`.includes('"')) return null;
  // Blanks and tabs behind commas only align them.
  const [names, values] = [header, row].map((line) => line.replaceAll(/,[ \t]+/g, ', '));
  const countOf = (text: string, separator: string): number => text.split(separator).length - 1;
  const found = SEPARATORS.find(([separator]) => {
    const count = countOf(names!, separator);
    return count > 0 && count === countOf(values!, separator) && (separator === '\t' || !/,(?! )/.test(names!));
  });
  return found?.[1] ?? null;
}

/**
 * Whether a line of names and one of values are both separated by blanks: as many numbers as names,
 * and more than one.
 */
export function isSeparatedByBlanks(header: string, row: string): boolean {
  const [names, values] = [header, row].map((line) => line.trim().split(/ +/));
  return names!.length > 1 && values!.length === names!.length && values!.every((value) => NUMBER.test(value));
}

/** A number, with a point or with a comma. */
const NUMBER = /^[-+]?(?:\d+[.,]?\d*|[.,]\d+)(?:[eE][-+]?\d+)?$/;
