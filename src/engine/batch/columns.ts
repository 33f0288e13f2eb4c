// The columns of a table that runs as a batch: those that the endpoint requires, and the one that
// is ours. Checked before anything is stored.

import { ServiceError } from '../../domain/errors.ts';
import { ERROR_COLUMN } from '../../table/codec.ts';
import { ambiguityIn, listed, missingFrom } from '../../table/column-names.ts';
import type { BatchTable } from './table.ts';

/**
 * Checks that a table has every required column once, without regard to case, and none of the name
 * that failed rows are marked with. Tables without a header have the columns of all their rows; one
 * without any row has nothing to check.
 *
 * @throws ServiceError `invalid-request` that names the columns
 */
export function checkColumns({ columns }: Pick<BatchTable, 'columns'>, features: readonly string[]): void {
  if (columns === null) return;
  if (columns.includes(ERROR_COLUMN)) {
    const detail = `is the column that failed rows are marked with; rename or drop it before the table is sent`;
    throw new ServiceError('invalid-request', `"${ERROR_COLUMN}" ${detail}.`, {
      errors: [{ pointer: `/columns/${ERROR_COLUMN}`, detail }],
    });
  }
  checkFeatures(columns, features);
}

/**
 * As `checkColumns`, of the features alone. Columns that differ in case alone are refused: either
 * may be the one that is meant.
 */
export function checkFeatures(columns: readonly string[], features: readonly string[]): void {
  const alike = ambiguityIn(columns, features);
  if (alike !== null) {
    const detail = `differ in case alone, and each may be the one that the endpoint requires; send one of them, or rename the other`;
    throw new ServiceError('invalid-request', `The columns ${listed(alike)} ${detail}.`, {
      errors: alike.map((name) => ({ pointer: `/columns/${name}`, detail: 'differs from another in case alone' })),
    });
  }
  const missing = missingFrom(columns, features);
  if (missing.length === 0) return;
  throw new ServiceError('invalid-request', `The table lacks ${listed(missing)}; it has ${listed(columns)}.`, {
    errors: missing.map((name) => ({ pointer: `/columns/${name}`, detail: 'is required and missing' })),
  });
}
