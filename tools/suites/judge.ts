// Judges that know nothing of this repository's readers: V8's JSON with the digits of numbers,
// apache-arrow, Polars, and the expected values of the suites themselves.

import { tableFromIPC } from 'apache-arrow';
import { tableFromIPC as flechette } from '@uwdata/flechette';
import polars from 'nodejs-polars';

/**
 * A value of JSON with numbers as the exact numbers that they are: `1.50` and `15e-1` are one, `0`
 * and `-0` two.
 */
export function exactly(text: string): string {
  return JSON.stringify(JSON.parse(text, exactNumber));
}

function exactNumber(_: string, value: unknown, context?: { readonly source?: string }): unknown {
  return typeof value === 'number' ? `number ${normal(context!.source!)}` : value;
}

/** Digits without zeros at either side, and the power of ten of the last. */
function normal(source: string): string {
  const [, sign, whole, fraction = '', exponent = '0'] = /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([-+]?\d+))?$/.exec(source)!;
  const digits = `${whole}${fraction}`.replace(/^0+/, '');
  const kept = digits.replace(/0+$/, '');
  const power = BigInt(exponent) - BigInt(fraction.length) + BigInt(digits.length - kept.length);
  return kept === '' ? `${sign}0` : `${sign}${kept}e${power}`;
}

/** A table as a judge sees it; null where it cannot read it. */
type Seen = string | null;

const shown = (value: unknown): string =>
  JSON.stringify(value, (_, member: unknown) => (typeof member === 'bigint' ? `${member}n` : member));

function seenByApache(bytes: Uint8Array): Seen {
  return orNull(() => {
    const table = tableFromIPC(bytes);
    const columns = table.schema.fields.map(({ name, type }, at) => [
      name,
      String(type),
      Array.from({ length: table.numRows }, (_, row) => shown(table.getChildAt(at)!.get(row))),
    ]);
    return shown(columns);
  });
}

/**
 * Arrow's own library for JavaScript reads neither views nor 256 bits; this one does, and is used
 * here for writing alone.
 */
function seenByFlechette(bytes: Uint8Array): Seen {
  return orNull(() => {
    const table = flechette(bytes, { useBigInt: true, useDecimalInt: true, useDate: false });
    return shown([table.schema.fields.map(({ name, type }) => [name, type.typeId]), table.toArray()]);
  });
}

/** It shows what stands beneath a struct that is null, which is nothing's value. */
function seenByPolars(bytes: Uint8Array): Seen {
  const isFile = Buffer.from(bytes.subarray(0, 6)).toString('latin1') === 'ARROW1';
  return orNull(() => {
    const frame = isFile ? polars.readIPC(Buffer.from(bytes)) : polars.readIPCStream(Buffer.from(bytes));
    const types = frame.dtypes.map(String);
    return types.some((type) => type.includes('Struct')) ? null : shown([frame.columns, types, frame.rows()]);
  });
}

function orNull(see: () => Seen): Seen {
  try {
    return see();
  } catch {
    return null;
  }
}

/**
 * Whether two Arrow tables are the same to each judge that can read the first; null where none can.
 */
export function sameArrow(given: Uint8Array, answered: Uint8Array): boolean | null {
  return agreed([
    [seenByApache(given), () => seenByApache(answered)],
    [seenByFlechette(given), () => seenByFlechette(answered)],
    [seenByPolars(given), () => seenByPolars(answered)],
  ]);
}

/**
 * As `sameArrow`, of Parquet files, and of the values alone: writers differ in the types that they
 * write.
 */
export function sameParquet(given: Uint8Array, answered: Uint8Array): boolean | null {
  return agreed([[parquetSeen(given), () => parquetSeen(answered)]]);
}

/**
 * The rows of a Parquet file as Polars has them; as its JSON, where JavaScript has no form for
 * them.
 */
function parquetSeen(bytes: Uint8Array): Seen {
  return orNull(() => {
    const frame = polars.readParquet(Buffer.from(bytes));
    const rows = orNull(() => shown(frame.rows())) ?? frame.writeJSON({ format: 'lines' }).toString();
    // Old files say of a timestamp no more than its unit: UTC by the format, and to pyarrow, and
    // local time to Polars.
    return `${shown(frame.columns)}\n${rows.replaceAll(/(\d)T(\d\d:\d\d:\d\d)\+00:00/g, '$1 $2')}`;
  });
}

function agreed(judges: readonly (readonly [Seen, () => Seen])[]): boolean | null {
  const able = judges.filter(([before]) => before !== null);
  return able.length === 0 ? null : able.every(([before, after]) => before === after());
}

/**
 * The records of a CSV by RFC 4180, as simply as they can be read: the table is known to be well
 * formed.
 */
export function recordsOf(csv: string): string[][] {
  const records: string[][] = [];
  let at = 0;
  while (at < csv.length) {
    const record: string[] = [];
    for (;;) {
      const field = /(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|\r?\n|$)/y;
      field.lastIndex = at;
      const [all, quoted, bare, end] = field.exec(csv)!;
      record.push(quoted === undefined ? bare! : quoted.replaceAll('""', '"'));
      at += all.length;
      if (end !== ',') break;
    }
    records.push(record);
  }
  return records;
}
