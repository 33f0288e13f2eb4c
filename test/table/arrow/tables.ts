// Arrow tables for tests, written by the library that is not ours to read with.

import * as flechette from '@uwdata/flechette';
import { expect } from 'vitest';
import { arrowToLines } from '../../../src/table/arrow/to-lines.ts';
import { TableError } from '../../../src/table/format.ts';

/** Columns as their values and their type. */
export type Columns = Readonly<Record<string, readonly [readonly unknown[], flechette.DataType]>>;

/** An Arrow stream of these columns, in batches of so many rows. */
export function arrowOf(columns: Columns, maxBatchRows = 4): Uint8Array {
  const entries = Object.entries(columns).map(
    ([name, [values, type]]) => [name, flechette.columnFromArray([...values], type, { maxBatchRows })] as const,
  );
  return flechette.tableToIPC(flechette.tableFromColumns(entries as [string, flechette.Column<unknown>][]), {
    format: 'stream',
  })!;
}

/** What an Arrow stream holds, as its schema and its values, each with every digit. */
export function contentOf(bytes: Uint8Array): unknown {
  const table = flechette.tableFromIPC(bytes, { useBigInt: true, useBigIntTimestamp: true, useDecimalInt: true });
  return {
    schema: table.schema.fields.map(({ name, type, nullable }) => ({ name, nullable, type: shownType(type) })),
    rows: table.children.map((column) => Array.from(column, shownValue)),
  };
}

function shownType(type: flechette.DataType): unknown {
  return JSON.parse(
    JSON.stringify({ ...type, id: undefined }, (_, value: unknown) =>
      typeof value === 'function' ? value.name : value,
    ),
  );
}

function shownValue(value: unknown): unknown {
  if (typeof value === 'bigint') return `${value}n`;
  if (typeof value === 'number') return Object.is(value, -0) ? '-0' : value;
  if (ArrayBuffer.isView(value)) return Array.from(value as unknown as ArrayLike<unknown>, shownValue);
  if (Array.isArray(value)) return value.map(shownValue);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, shownValue(member)]));
}

/**
 * Changes every byte of a table in turn: the result is read as some table, or refused as none, and
 * nothing else.
 */
export function expectSomeTableOrNone(whole: Uint8Array): void {
  for (let at = 0; at < whole.length; at += 1) {
    for (const change of [0x01, 0x80, 0xff]) {
      const changed = Uint8Array.from(whole);
      changed[at]! ^= change;
      try {
        arrowToLines(changed);
      } catch (error) {
        expect(error, `byte ${at} changed by ${change}`).toBeInstanceOf(TableError);
      }
    }
  }
}
