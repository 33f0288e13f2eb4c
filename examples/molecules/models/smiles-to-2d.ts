// A model of the two-dimensional kind: RDKit's descriptors of each row's SMILES.
import { defineModel, type Row } from 'claimcheck/model';
import { letOthersRun } from './let-others-run.ts';
import { RDKit } from './rdkit.ts';
import { smilesOf } from './smiles-column.ts';

/**
 * SMILES in the column `smiles`; out come `status` and RDKit's 43 descriptors (null where the
 * status is not `ok`).
 */
export const model = defineModel({
  load: () => RDKit.load(),
  predict: (rows, { model: rdkit, signal }) => describeRows(rows, rdkit, signal),
});

/**
 * The rows with what the model adds to each. Rejects only when the signal is aborted: what is
 * wrong with a molecule becomes its status.
 */
export async function describeRows(rows: readonly Row[], rdkit: RDKit, signal: AbortSignal): Promise<Row[]> {
  const answers: Row[] = [];
  for (const row of rows) {
    await letOthersRun(signal);
    answers.push(await describeRow(row, rdkit));
  }
  return answers;
}

async function describeRow(row: Row, rdkit: RDKit): Promise<Row> {
  const cell = smilesOf(row);
  const description = 'smiles' in cell ? await rdkit.describe(cell.smiles) : cell;
  if ('status' in description) return { ...row, status: description.status, ...columns(rdkit.names, {}) };

  const values = columns(rdkit.names, description.descriptors);
  const missing = rdkit.names.filter((name) => values[name] === null);
  return { ...row, status: missing.length === 0 ? 'ok' : `error:not-finite:${missing.join(',')}`, ...values };
}

/**
 * Every name with its number, in the same order for each row; null for what is absent or not
 * finite.
 */
function columns(names: readonly string[], from: Readonly<Record<string, unknown>>): Record<string, number | null> {
  return Object.fromEntries(
    names.map((name) => {
      const value = from[name];
      return [name, typeof value === 'number' && Number.isFinite(value) ? value : null];
    }),
  );
}
