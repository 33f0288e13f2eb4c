// Reads compressed Arrow that pyarrow and pandas themselves have written; tools/arrow-fixtures.py
// wrote it down.

import { expect, test } from 'vitest';
import { arrowToLines } from '../../../src/table/arrow/to-lines.ts';
import { decodeRows } from '../../../src/table/rows.ts';
import fixtures from './pyarrow.json' with { type: 'json' };

test.each(fixtures.tables.map((table) => [table.name, table] as const))(
  '%s is read with the rows that were written',
  (_name, { rows, times, bytes }) => {
    const table = arrowToLines(Buffer.from(bytes, 'base64'));
    expect(table.rows).toBe(rows.length * times);
    const read = decodeRows(table.lines, 'jsonl');
    for (let at = 0; at < read.length; at += rows.length) expect(read.slice(at, at + rows.length)).toEqual(rows);
  },
);
