// Amounts of memory as people write them in a configuration, and as they are shown to them.

const UNITS = {
  GiB: 2 ** 30,
  GB: 10 ** 9,
  MiB: 2 ** 20,
  MB: 10 ** 6,
  KiB: 2 ** 10,
  KB: 10 ** 3,
} as const;
type Unit = keyof typeof UNITS;

/**
 * Reads an amount like `'2GB'`, `'512 MiB'`, or a plain number of bytes: GB counts in thousands,
 * GiB in 1,024s. Answers null for anything else, so that the caller can say where it stood.
 */
export function parseBytes(text: string | number): number | null {
  if (typeof text === 'number') return Number.isSafeInteger(text) && text >= 0 ? text : null;
  const match = /^(\d+(?:\.\d+)?) ?([GMK]i?B)$/.exec(text.trim());
  return match === null ? null : Math.round(Number(match[1]) * UNITS[match[2] as Unit]);
}

/** An amount in the largest unit that divides it, or in bytes. */
export function formatBytes(count: number): string {
  const unit = (Object.keys(UNITS) as Unit[]).find(
    (candidate) => count >= UNITS[candidate] && count % UNITS[candidate] === 0,
  );
  return unit === undefined ? `${count} bytes` : `${count / UNITS[unit]} ${unit}`;
}
