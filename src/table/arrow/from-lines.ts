// JSON Lines as an Arrow stream. A column that the input table had too gets its type from there, if
// it holds every value exactly; any other is given the type that all of its values have.

import type * as FlechetteModule from '@uwdata/flechette';
import type { DataType, Field, Table } from '@uwdata/flechette';
import { plainBytes } from '../bytes.ts';
import { reasonsLast } from '../codec.ts';
import { shownName, TableError } from '../format.ts';
import { indexTable } from '../split.ts';
import { type BuiltColumn, type Builder, builderOf, type KnownDictionaries } from './build.ts';
import { textUnfitness } from './fits.ts';
import { fieldOf, Guess } from './guess.ts';
import { type OpenArrow, openArrow } from './to-lines.ts';
import { type ArrowField, type ArrowSchema, type ArrowType, TIME_UNITS } from './types.ts';
import { type IndexedLines, visitCells, type VisitCell } from './values.ts';

/**
 * Values that a table may have however short its text is; each takes about 40 bytes of memory until
 * the table is written. Beyond them, there must be a byte of text for each value: a table whose
 * rows have all of its columns has five and more.
 */
const VALUES_MAX = 16 * 1_024 * 1_024;

/** Types that columns may have, and the dictionaries that they speak of. */
export interface Likeness {
  readonly schema: ArrowSchema;
  readonly dictionaries: KnownDictionaries;
}

/** The types of an Arrow table, for one that shall be like it. Throws as `arrowToLines` does. */
export const likenessOf = (bytes: Uint8Array): Likeness => likenessIn(openArrow(bytes));

/** As `likenessOf`, of a table that is open already. */
export const likenessIn = (table: OpenArrow): Likeness => ({
  schema: table.schema,
  dictionaries: table.dictionaries(),
});

/**
 * Writes rows as an Arrow stream.
 *
 * @param lines JSON Lines; a row without a column has null there
 * @param like the Arrow table that the rows were made from, or its types; null where they were made
 *   from none
 * @throws TableError for a column whose values have no type in common, with two rows that show it,
 *   and, before anything is built, for rows that have hardly any of all their columns
 */
export async function linesToArrow(lines: Uint8Array, like: Uint8Array | Likeness | null): Promise<Uint8Array> {
  return openLines(lines, like instanceof Uint8Array ? likenessOf(like) : like).write();
}

/**
 * What messages stand in: one after the other, or in a file that says where each of them starts.
 */
export type ArrowFrame = 'stream' | 'file';

/** Rows that were looked through, and can be written. */
export interface OpenLines {
  /**
   * How many values the table takes, nulls and those within others among them. Columns that are
   * like those of another table count as one a row.
   */
  readonly values: number;
  /** The rows as an Arrow stream, or file. Throws as `linesToArrow` does. */
  write(frame?: ArrowFrame): Promise<Uint8Array>;
}

/** As `linesToArrow`, for who wants to know how much there is to be written first. */
export function openLines(lines: Uint8Array, likeness: Likeness | null): OpenLines {
  const bytes = plainBytes(lines);
  const table: IndexedLines = { bytes, index: indexTable(bytes, 'jsonl') };
  const { rows, columns } = table.index;
  const known = likeness?.schema.fields ?? [];
  // A table without rows has no columns of its own to show.
  const names = rows === 0 ? known.map(({ name }) => name) : reasonsLast(columns ?? []);
  if (names.length === 0 && rows > 0)
    throw new TableError('The rows have no columns, so an Arrow table cannot hold them; return at least one column.');
  for (const name of names) {
    const fault = textUnfitness(name);
    if (fault !== null)
      throw new TableError(`The column ${shownName(name)} has a name that ${fault}.`, { column: name });
  }
  checkProportion(table, names.length, rows * names.length);
  const fields = new Map(known.map((field) => [field.name, field]));
  const guesses = guessAll(
    table,
    names.filter((name) => !fields.has(name)),
  );
  const values = valuesIn(guesses, rows, names.length);
  checkProportion(table, names.length, values);
  return {
    values,
    write(frame = 'stream') {
      const alike = names.flatMap((name) => fields.get(name) ?? []);
      const columns = buildColumns({ table, names, alike, guesses, dictionaries: likeness?.dictionaries ?? new Map() });
      const isAlike = columns.length === known.length && columns.every(({ field }, k) => field === known[k]);
      return encode(columns, isAlike ? (likeness?.schema.notes ?? null) : null, frame);
    },
  };
}

interface Column {
  readonly field: ArrowField;
  readonly built: BuiltColumn;
}

/** What columns are built from. */
interface ColumnPlan {
  readonly table: IndexedLines;
  /** All of them, in their order. */
  readonly names: readonly string[];
  /** Those that another table has too, with its types. */
  readonly alike: readonly ArrowField[];
  /** All others. */
  readonly guesses: ReadonlyMap<string, Guess>;
  readonly dictionaries: KnownDictionaries;
}

function buildColumns({ table, names, alike, guesses, dictionaries }: ColumnPlan): Column[] {
  const kept = build(table, alike, dictionaries);
  const unlike = guessAll(
    table,
    alike.flatMap(({ name }) => (kept.has(name) ? [] : name)),
  );
  const others = new Map([...guesses, ...unlike]);
  checkProportion(table, names.length, valuesIn(others, table.index.rows, names.length));
  const guessed = build(
    table,
    [...others].map(([name, guess]) => fieldOf(name, guess.type())),
    dictionaries,
  );
  return names.map((name) => (kept.get(name) ?? guessed.get(name))!);
}

function guessAll(table: IndexedLines, names: readonly string[]): Map<string, Guess> {
  const guesses = new Map(names.map((name) => [name, new Guess(name)]));
  visitCells(table, new Map([...guesses].map(([name, guess]) => [name, guess.add.bind(guess)])));
  return guesses;
}

function valuesIn(guesses: ReadonlyMap<string, Guess>, rows: number, columns: number): number {
  const ofOthers = rows * (columns - guesses.size);
  return [...guesses.values()].reduce((sum, guess) => sum + guess.values(rows), ofOthers);
}

/** Few bytes may have very many columns: each row one of its own. */
function checkProportion({ bytes, index: { rows } }: IndexedLines, columns: number, values: number): void {
  if (values <= Math.max(VALUES_MAX, bytes.length)) return;
  throw new TableError(
    `Arrow has a value for every column, and for every member of an object, in every row: ${values} for the ${columns} columns of these ${rows} rows, nearly all of them null. Ask for JSON Lines (application/jsonlines), which have only what is there, or return the same columns in every row.`,
  );
}

/** Those of the columns whose type holds every value. */
function build(
  table: IndexedLines,
  fields: readonly ArrowField[],
  dictionaries: KnownDictionaries,
): Map<string, Column> {
  const builders = new Map<ArrowField, Builder>(fields.map((field) => [field, builderOf(field.type, dictionaries)]));
  const visitors = new Map<string, VisitCell>();
  for (const [field, builder] of builders) {
    visitors.set(field.name, (value, row) => {
      if (!builders.has(field)) return;
      builder.fill(row);
      if (!builder.add(value)) builders.delete(field);
    });
  }
  visitCells(table, visitors);
  return new Map([...builders].map(([field, builder]) => [field.name, finish(field, builder, table.index.rows)]));
}

function finish(field: ArrowField, builder: Builder, rows: number): Column {
  builder.fill(rows);
  const built = builder.finish();
  const isNullable = field.nullable || built.nullCount > 0;
  return { field: isNullable === field.nullable ? field : { ...field, nullable: isNullable }, built };
}

type Flechette = typeof FlechetteModule;

/**
 * Tables without a column, which the library writes so that others refuse them; these are
 * pyarrow's: `pa.ipc.new_stream(sink, pa.schema([]))`, and `new_file`.
 */
const NO_COLUMNS: Readonly<Record<ArrowFrame, string>> = {
  stream: '/////zAAAAAQAAAAAAAKAAwABgAFAAgACgAAAAABBAAMAAAACAAIAAAABAAIAAAABAAAAAAAAAD/////AAAAAA==',
  file: 'QVJST1cxAAD/////MAAAABAAAAAAAAoADAAGAAUACAAKAAAAAAEEAAwAAAAIAAgAAAAEAAgAAAAEAAAAAAAAAP////8AAAAAEAAAAAwAFAAGAAgADAAQAAwAAAAAAAQAHAAAAAwAAAAEAAAAAAAAAAAAAAAIAAgAAAAEAAgAAAAEAAAAAAAAAEAAAABBUlJPVzE=',
};

/** Who has no Arrow table never loads the library that writes them. */
async function encode(columns: readonly Column[], notes: ArrowSchema['notes'], frame: ArrowFrame): Promise<Uint8Array> {
  if (columns.length === 0) return Uint8Array.from(atob(NO_COLUMNS[frame]), (char) => char.charCodeAt(0));
  const flechette = await import('@uwdata/flechette');
  const fields = columns.map(({ field }) => flechetteField(flechette, field));
  const isNullAlone = columns.every(({ field: { type } }) => type.kind === 'null');
  const children = columns.map(({ built }, k) => {
    // The library leaves an empty list of buffers out, and others refuse such a batch. Written as
    // an object without members, a column of nulls has a buffer of no bytes, which is read for none
    // of them; what the schema says of it is not asked here.
    const type = isNullAlone && k === 0 ? flechette.struct([]) : fields[k]!.type;
    return { type, data: [batchOf(type, isNullAlone ? { ...built, children: [] } : built)] };
  });
  const metadata = notes === null ? null : new Map(notes);
  const { Version, Endianness } = flechette;
  const schema = { version: Version.V5, endianness: Endianness.Little, fields, metadata };
  const bytes = flechette.tableToIPC({ schema, children } as unknown as Table, { format: frame });
  if (bytes === null) throw new Error('The Arrow table was written to nowhere.');
  return bytes;
}

/** A batch as the library's encoder looks at it: the type of each part beside its buffers. */
function batchOf(type: DataType, built: BuiltColumn): object {
  const { children, dictionary, ...buffers } = built;
  const parts = 'children' in type ? type.children : [];
  return {
    ...buffers,
    type,
    ...(children !== undefined && { children: children.map((child, k) => batchOf((parts[k] as Field).type, child)) }),
    ...(dictionary !== undefined &&
      'dictionary' in type && {
        dictionary: { type: type.dictionary, data: [batchOf(type.dictionary, dictionary)] },
      }),
  };
}

function flechetteField(flechette: Flechette, { name, type, nullable, notes }: ArrowField): Field {
  return flechette.field(name, flechetteType(flechette, type), nullable, notes === null ? null : new Map(notes));
}

function flechetteType(flechette: Flechette, type: ArrowType): DataType {
  switch (type.kind) {
    case 'null':
      return flechette.nullType();
    case 'bool':
      return flechette.bool();
    case 'int':
      return flechette.int(type.bits, type.signed);
    case 'float':
      return { 16: flechette.float16, 32: flechette.float32, 64: flechette.float64 }[type.bits]();
    case 'decimal':
      return flechette.decimal(type.precision, type.scale, type.bits);
    case 'text':
      return { small: flechette.utf8, large: flechette.largeUtf8, view: flechette.utf8View }[type.layout]();
    case 'date':
      return type.unit === 'day' ? flechette.dateDay() : flechette.dateMillisecond();
    case 'time':
      return flechette.time(unitNumber(type.unit));
    case 'timestamp':
      return flechette.timestamp(unitNumber(type.unit), type.zone);
    case 'duration':
      return flechette.duration(unitNumber(type.unit));
    case 'list':
      return listType(flechette, type);
    case 'struct':
      return flechette.struct(type.fields.map((field) => flechetteField(flechette, field)));
    case 'dictionary': {
      const index = flechette.int(type.index.bits, type.index.signed);
      return flechette.dictionary(flechetteType(flechette, type.values), index, type.ordered);
    }
  }
}

function listType(flechette: Flechette, { layout, size, item }: Extract<ArrowType, { kind: 'list' }>): DataType {
  const field = flechetteField(flechette, item);
  if (layout === 'fixed') return flechette.fixedSizeList(field, size);
  const { list, largeList, listView, largeListView } = flechette;
  return { small: list, large: largeList, view: listView, 'large-view': largeListView }[layout](field);
}

const unitNumber = (unit: (typeof TIME_UNITS)[number]): 0 | 1 | 2 | 3 => TIME_UNITS.indexOf(unit) as 0 | 1 | 2 | 3;
