// CSV tables (RFC 4180). How rows are read and refused: csv-scan.ts; blank lines: csv-index.ts;
// merging: csv-merge.ts.
import type { Row, TableCodec } from '../codec.ts';
import { encodeCsv } from './field.ts';
import { valueText } from './header.ts';
import { indexCsv, sliceCsv } from './index.ts';
import { CsvMerge } from './merge.ts';
import { openCursor, readRow } from './scan.ts';
import { startOf } from '../spans.ts';
import { forEachRowText } from '../text-window.ts';

/** CSV, as the other formats are. */
export const csvCodec: TableCodec = {
  index: indexCsv,
  slice: sliceCsv,
  decode: decodeCsv,
  encode: encodeCsv,
  merge: (facts) => new CsvMerge(facts),
};

/** Every value the string that stands in the file: no trimming, no numbers, no nulls. */
function decodeCsv(bytes: Uint8Array): Row[] {
  const { columns, spans } = indexCsv(bytes);
  const names = columns ?? [];
  const cursor = openCursor(bytes, 0, names.length);
  const rows: Row[] = [];
  forEachRowText(bytes, spans, (row, window) => {
    cursor.pos = startOf(spans, row);
    readRow(cursor);
    const record: Row = {};
    for (let k = 0; k < names.length; k += 1) setValue(record, names[k] as string, valueText(cursor, window, k));
    rows.push(record);
  });
  return rows;
}

function setValue(row: Row, column: string, value: string): void {
  // Assigning `__proto__` would set the row's prototype, or do nothing, instead of adding a column.
  if (column === '__proto__')
    Object.defineProperty(row, column, { value, writable: true, enumerable: true, configurable: true });
  else row[column] = value;
}
