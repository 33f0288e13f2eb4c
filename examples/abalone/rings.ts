// The model of inference.py in TypeScript: the same weights, the same arithmetic in the same order.

import { readFile } from 'node:fs/promises';
import { defineModel, type Row } from 'claimcheck/model';

const MEASUREMENTS = [
  'Length',
  'Diameter',
  'Height',
  'Whole_weight',
  'Shucked_weight',
  'Viscera_weight',
  'Shell_weight',
] as const;
const SEXES: readonly unknown[] = ['F', 'I', 'M'];

/**
 * Measurements and sex of an abalone; out come the row and `predicted_rings`, to three decimals.
 */
export const model = defineModel({
  async load() {
    const text = await readFile(new URL('weights.json', import.meta.url), 'utf8');
    return Object.values(JSON.parse(text) as Record<string, number>);
  },
  predict: (rows, { model: weights }) =>
    rows.map((row) => ({ ...row, predicted_rings: Number(dot(weights, features(row)).toFixed(3)) })),
});

/** One for the intercept, one or none for each sex but the first, and the measurements. */
function features(row: Row): number[] {
  const sex = row['Sex'];
  if (!SEXES.includes(sex)) throw new Error(`Sex is '${String(sex)}'; it must be F, I (infant) or M.`);
  const sexes = SEXES.slice(1).map((other) => Number(sex === other));
  return [1, ...sexes, ...MEASUREMENTS.map((name) => measurement(row, name))];
}

function measurement(row: Row, name: string): number {
  const cell = row[name];
  // Number('') would be a length of zero, and a prediction that looks like any other.
  const value = cell === '' || cell === null ? Number.NaN : Number(cell);
  if (Number.isNaN(value)) throw new Error(`${name} is '${String(cell)}'; it must be a number.`);
  return value;
}

function dot(left: readonly number[], right: readonly number[]): number {
  return left.reduce((sum, value, k) => sum + value * right[k]!, 0);
}
