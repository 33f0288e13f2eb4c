// How figures are written.

/** Prints a line. */
export const print = (line: string): void => void process.stdout.write(`${line}\n`);

/** A ratio, with two decimals. */
export const ratio = (value: number): string => value.toFixed(2);

/** A count or a rate, with thousands set apart. */
export const count = (value: number): string => Math.round(value).toLocaleString('en');

/** Milliseconds, with two decimals. */
export const ms = (value: number): string => `${value.toFixed(2)} ms`;
