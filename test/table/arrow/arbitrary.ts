// Arbitrary Arrow tables: columns of many types, with nulls, in batches of any size.

import * as flechette from '@uwdata/flechette';
import fc from 'fast-check';
import { arrowOf, type Columns } from './tables.ts';

/**
 * How large the numbers may be: `safe` ones are the same in a language whose numbers are all
 * doubles.
 */
export type NumberRange = 'safe' | 'every';

interface ColumnKind {
  readonly value: fc.Arbitrary<unknown>;
  /**
   * Made anew for each column: two that share one share a dictionary when they are written,
   * with anything in it.
   */
  readonly type: () => flechette.DataType;
}

const DAY = 86_400_000;
const SAFE = BigInt(Number.MAX_SAFE_INTEGER);

const text = fc.oneof(
  fc.constantFrom(
    '',
    '"',
    '\\',
    '\n',
    '\r\n',
    '\uFEFF',
    '007',
    '1e5',
    'null',
    'NA',
    '😀',
    'longer than what fits a view',
  ),
  fc.string({ unit: 'grapheme' }),
);

function kinds(range: NumberRange): readonly ColumnKind[] {
  const long =
    range === 'safe' ? fc.bigInt({ min: -SAFE, max: SAFE }) : fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n });
  const int = { value: long, type: () => flechette.int64() };
  // JSON.stringify writes -0 as 0, and so do models in TypeScript.
  const signed = (value: number): number => (range === 'safe' ? value + 0 : value);
  const double = {
    value: fc.double({ noNaN: true, noDefaultInfinity: true }).map(signed),
    type: () => flechette.float64(),
  };
  const moment = fc.integer({ min: -100_000 * DAY, max: 100_000 * DAY });
  const scalars: ColumnKind[] = [
    int,
    double,
    { value: fc.integer({ min: -128, max: 127 }), type: () => flechette.int8() },
    { value: fc.nat(0xffff_ffff), type: () => flechette.uint32() },
    { value: fc.float({ noNaN: true, noDefaultInfinity: true }).map(signed), type: () => flechette.float32() },
    { value: fc.boolean(), type: () => flechette.bool() },
    { value: text, type: () => flechette.utf8() },
    { value: text, type: () => flechette.largeUtf8() },
    { value: fc.integer({ min: -1_000_000, max: 1_000_000 }).map((day) => day * DAY), type: () => flechette.dateDay() },
    { value: moment, type: () => flechette.timestamp(flechette.TimeUnit.MICROSECOND, 'UTC') },
    { value: moment, type: () => flechette.timestamp(flechette.TimeUnit.MILLISECOND) },
    { value: fc.integer({ min: 0, max: DAY - 1 }), type: () => flechette.timeMillisecond() },
    { value: fc.bigInt({ min: -(10n ** 14n), max: 10n ** 14n }), type: () => flechette.decimal(15, 4) },
  ];
  const point = () => flechette.struct({ x: flechette.float64(), 'na me': flechette.utf8() });
  const twice = () => flechette.list(flechette.list(flechette.int32()));
  return [
    ...scalars,
    {
      value: fc.constantFrom('red', 'green', 'blue', ''),
      type: () => flechette.dictionary(flechette.utf8(), flechette.int8()),
    },
    { value: fc.array(fc.option(text), { maxLength: 4 }), type: () => flechette.list(flechette.utf8()) },
    { value: fc.array(fc.array(fc.integer(), { maxLength: 3 }), { maxLength: 3 }), type: twice },
    { value: fc.record({ x: double.value, 'na me': fc.option(text) }), type: point },
  ];
}

/** An Arrow stream of one to five columns and up to eight rows. */
export function arrowTable(range: NumberRange): fc.Arbitrary<Uint8Array> {
  const names = fc.uniqueArray(
    text.filter((name) => name !== 'inference_error' && name !== 'fail'),
    { minLength: 1, maxLength: 5 },
  );
  const column = (rows: number) =>
    fc
      .constantFrom(...kinds(range))
      .chain(({ value, type }) =>
        fc
          .array(fc.option(value, { freq: 4 }), { minLength: rows, maxLength: rows })
          .map((values) => [values, type()] as const),
      );
  return fc
    .tuple(names, fc.nat(8), fc.constantFrom(1, 3, 100))
    .chain(([columns, rows, batchRows]) =>
      fc
        .array(column(rows), { minLength: columns.length, maxLength: columns.length })
        .map((made) => arrowOf(Object.fromEntries(columns.map((name, k) => [name, made[k]!])) as Columns, batchRows)),
    );
}
