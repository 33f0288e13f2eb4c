// Where a row keeps its molecule, and what both models refuse before a chemistry library sees it.
import type { Row } from 'claimcheck/model';

/**
 * Longest SMILES that either model reads, in characters.
 * Source: the limit of SuperCowPowers/workbench's standardisation, whose corner cases the tests
 * use. It also bounds recursion in the parsers.
 */
export const SMILES_LENGTH_MAX = 1_000;

/** What a row holds: a SMILES to read, or why there is none, as a `status`. */
export type SmilesCell = { readonly smiles: string } | { readonly status: `skip:${string}` };

/** Reads the column `smiles` of a row, in upper or lower case, without the blanks around it. */
export function smilesOf(row: Row): SmilesCell {
  const name = Object.keys(row).find((key) => key.trim().toLowerCase() === 'smiles');
  if (name === undefined) return { status: 'skip:no-smiles-column' };
  const cell = row[name] ?? '';
  if (typeof cell !== 'string') return { status: 'skip:not-text' };
  const smiles = cell.trim();
  if (smiles === '') return { status: 'skip:empty' };
  if (smiles.length > SMILES_LENGTH_MAX) return { status: 'skip:too-long' };
  return { smiles };
}
