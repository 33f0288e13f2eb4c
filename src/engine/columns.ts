// The columns of a table that runs as a batch: those that the endpoint requires, and the one that is ours. Checked before anything is stored.

import { ServiceError } from '../domain/errors.ts';
import { ERROR_COLUMN } from '../table/codec.ts';
import { decodeRows } from '../table/rows.ts';
import { sliceTable, type TableIndex } from '../table/split.ts';

/**
 * Checks that a table has every required column, without regard to case, and none of the name that failed rows are marked with.
 * Tables without a header are judged by their first row; one without any row has nothing to check.
 *
 * @throws ServiceError `invalid-request` that names the columns
 */
export function checkColumns(bytes: Uint8Array, index: TableIndex, features: readonly string[]): void {
  if (index.columns === null && index.rows === 0) return;
  const columns = index.columns ?? Object.keys(decodeRows(sliceTable(bytes, index, 0, 1), index.format)[0]!);
  if (columns.includes(ERROR_COLUMN)) {
    const detail = `is the column that failed rows are marked with; rename or drop it before the table is sent`;
    throw new ServiceError('invalid-request', `"${ERROR_COLUMN}" ${detail}.`, {
      errors: [{ pointer: `/columns/${ERROR_COLUMN}`, detail }],
    });
  }
  const present = new Set(columns.map((column) => column.toLowerCase()));
  const missing = features.filter((feature) => !present.has(feature.toLowerCase()));
  if (missing.length === 0) return;
  throw new ServiceError('invalid-request', `The table lacks ${listed(missing)}; it has ${listed(columns)}.`, {
    errors: missing.map((name) => ({ pointer: `/columns/${name}`, detail: 'is required and missing' })),
  });
}

/** A table may have thousands of columns, and a message should stay one that is read. */
const LISTED_MAX = 20;

function listed(names: readonly string[]): string {
  const shown = names.slice(0, LISTED_MAX).map((name) => JSON.stringify(name));
  return names.length > LISTED_MAX ? `${shown.join(', ')} and ${names.length - LISTED_MAX} more` : shown.join(', ');
}
