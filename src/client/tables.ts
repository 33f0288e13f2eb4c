// Tables of the libraries that people keep them in: an Arrow table (apache-arrow, flechette), a
// frame of Polars. They are told by their shape, travel as Arrow, and what comes back is of the
// same kind. A library is loaded only where one of its tables was given.

import type { Table as FlechetteTable } from '@uwdata/flechette';
import { afterByteOrderMark, utf8 } from '../table/bytes.ts';
import { BORDER_TYPES, borderFormatOf } from '../table/format.ts';
import { namesInstances } from '../table/json/json.ts';
import type { Row } from '../table/rows.ts';
import { indexTable, sliceTable } from '../table/split.ts';
import { type Content, type InputContent, isContent, isJsonType } from './content.ts';
import { linesOf, rowsFrom, type TextRow, textRowsFrom, textRowsIn } from '../table/text-rows.ts';

/** A table of apache-arrow or of flechette, as far as it is looked at here. */
export interface ArrowTable {
  readonly numRows: number;
  readonly schema: { readonly fields: readonly { readonly name: string }[] };
  getChild(name: string): unknown;
}

/** A DataFrame of nodejs-polars, as far as it is looked at here. */
export interface PolarsFrame {
  readonly height: number;
  writeIPCStream(options?: object): Uint8Array;
  toRecords(): object[];
}

/** A table that some library made. */
export type LibraryTable = ArrowTable | PolarsFrame;

/**
 * Every kind of table that the client takes: rows, bytes with their content type, or a library's.
 */
export type AnyTable = readonly Row[] | Content | LibraryTable;

type Library = 'apache-arrow' | 'flechette' | 'polars';

/** Which library made a table; null for what is no such table. */
function libraryOf(input: unknown): Library | null {
  if (typeof input !== 'object' || input === null || Array.isArray(input) || isContent(input)) return null;
  // A frame answers for its columns as well, under any name; these two are methods in
  // every frame.
  if (isMethod(input, 'writeIPCStream') && isMethod(input, 'toRecords')) return 'polars';
  if (!isMethod(input, 'getChild')) return null;
  const { schema, batches, children } = input as {
    schema?: { fields?: unknown };
    batches?: unknown;
    children?: unknown;
  };
  if (!Array.isArray(schema?.fields)) return null;
  if (Array.isArray(batches)) return 'apache-arrow';
  return Array.isArray(children) ? 'flechette' : null;
}

const isMethod = (input: object, name: string): boolean =>
  typeof (input as Readonly<Record<string, unknown>>)[name] === 'function';

/** Whether an input is a table of a library. */
export function isLibraryTable(input: unknown): input is LibraryTable {
  return libraryOf(input) !== null;
}

/**
 * Holds what was given for a table against what a table is; its rows are looked at where they are
 * written.
 *
 * @throws TypeError that says what was given, and what a table is
 */
export function checkTable(input: unknown): void {
  if (Array.isArray(input) || isContent(input) || isLibraryTable(input)) return;
  throw new TypeError(
    `This is no table but ${kindOf(input)}. A table is an array of rows, [{ column: value, ... }], bytes with their type, { bytes, contentType }, or a table of apache-arrow, flechette or Polars.`,
  );
}

function kindOf(input: unknown): string {
  if (input === null || input === undefined) return String(input);
  if (typeof input !== 'object') return `a ${typeof input}`;
  if ('byteLength' in input) return 'bytes';
  if (!('bytes' in input)) return 'an object';
  const { bytes, contentType } = input as { readonly bytes: unknown; readonly contentType?: unknown };
  return `{ bytes: ${kindOf(bytes)}, contentType: ${kindOf(contentType)} }`;
}

/**
 * A library's table as an Arrow stream, JSON so that it can stand in other JSON, and anything else
 * as it is.
 */
export async function carriedInput(input: unknown): Promise<unknown> {
  if (isLibraryTable(input)) return { bytes: await arrowOf(input), contentType: BORDER_TYPES.arrow };
  return isContent(input) && isJsonType(input.contentType) ? withoutByteOrderMark(input) : input;
}

/** Bytes that a byte order mark, or marks, are looked for in. */
const HEAD_BYTES = 12;

async function withoutByteOrderMark({ bytes, contentType }: InputContent): Promise<InputContent> {
  const isBlob = bytes instanceof Blob;
  const start = afterByteOrderMark(isBlob ? new Uint8Array(await bytes.slice(0, HEAD_BYTES).arrayBuffer()) : bytes);
  return { bytes: isBlob ? bytes.slice(start) : bytes.subarray(start), contentType };
}

/** A library's table as an Arrow stream. */
async function arrowOf(table: LibraryTable): Promise<Uint8Array> {
  switch (libraryOf(table)) {
    case 'apache-arrow':
      return (await loadApacheArrow()).tableToIPC(table, 'stream');
    case 'flechette': {
      const { tableToIPC } = await import('@uwdata/flechette');
      return tableToIPC(table as unknown as FlechetteTable, { format: 'stream' })!;
    }
    case 'polars':
    case null:
      return (table as PolarsFrame).writeIPCStream();
  }
}

/** An Arrow stream as a table of the library that made `like`. */
export async function tableFromArrow<Table extends LibraryTable>(bytes: Uint8Array, like: Table): Promise<Table> {
  switch (libraryOf(like)) {
    case 'apache-arrow':
      return (await loadApacheArrow()).tableFromIPC(bytes) as Table;
    case 'flechette': {
      const { tableFromIPC } = await import('@uwdata/flechette');
      const flechette = like as unknown as FlechetteTable;
      return tableFromIPC(bytes, extractionOf(flechette)) as unknown as Table;
    }
    case 'polars':
    case null:
      return (await frameOf(bytes)) as Table;
  }
}

/**
 * A table whose rows are worked on as texts, in which every number of any kind has
 * its digits.
 */
export interface OpenTable<Table> {
  readonly rows: readonly TextRow[];
  /**
   * Other rows as a table of the same kind: bytes have its format, and columns that both have its
   * types, where they hold every value.
   *
   * @throws TableError for a value that the kind cannot hold
   */
  like(rows: readonly TextRow[]): Promise<Table>;
  /** The table without its rows: what it says of its columns is left. */
  withoutRows(): Promise<Table>;
}

/**
 * Opens a table of any kind.
 *
 * @throws TypeError for what is no table; TableError for one that cannot be read, or has a value
 *   without a JSON form
 */
export async function openTable<Table extends AnyTable>(table: Table): Promise<OpenTable<Table>>;
export async function openTable(table: AnyTable | InputContent): Promise<OpenTable<AnyTable>>;
export async function openTable(table: AnyTable | InputContent): Promise<OpenTable<AnyTable>> {
  checkTable(table);
  if (isLibraryTable(table)) return openLibraryTable(table);
  if (isContent(table)) return openContent(table);
  return {
    rows: textRowsFrom(table),
    like: async (rows) => rowsFrom(rows),
    withoutRows: async () => [],
  };
}

async function openLibraryTable(table: LibraryTable): Promise<OpenTable<LibraryTable>> {
  const arrow = await openContent({ bytes: await arrowOf(table), contentType: BORDER_TYPES.arrow });
  const tableOf = async (content: Promise<Content>) => tableFromArrow((await content).bytes, table);
  return {
    rows: arrow.rows,
    like: (rows) => tableOf(arrow.like(rows)),
    withoutRows: () => tableOf(arrow.withoutRows()),
  };
}

async function openContent({ bytes: given, contentType }: InputContent): Promise<OpenTable<Content>> {
  const bytes = given instanceof Blob ? new Uint8Array(await given.arrayBuffer()) : given;
  const format = borderFormatOf(contentType);
  if (format === null) throw new TypeError(`${contentType} is the type of no table.`);
  const contentOf = (made: Uint8Array): Content => ({ bytes: made, contentType: BORDER_TYPES[format] });
  if (format === 'arrow') {
    const { arrowToLines } = await import('../table/arrow/to-lines.ts');
    const { linesToArrow } = await import('../table/arrow/from-lines.ts');
    const like = async (rows: readonly TextRow[]) => contentOf(await linesToArrow(linesOf(rows), bytes));
    return { rows: textRowsIn(arrowToLines(bytes).lines), like, withoutRows: () => like([]) };
  }
  const { convertTable } = await import('../table/convert.ts');
  const isInstances = format === 'json' && namesInstances(bytes);
  return {
    rows: textRowsIn(convertTable(bytes, format, 'jsonl')),
    async like(rows) {
      const made = convertTable(linesOf(rows), 'jsonl', format);
      // As prediction servers answer {"instances": [...]}.
      return contentOf(isInstances ? utf8(`{"predictions":${new TextDecoder().decode(made)}}`) : made);
    },
    async withoutRows() {
      return contentOf(isInstances ? utf8('{"instances":[]}') : sliceTable(bytes, indexTable(bytes, format), 0, 0));
    },
  };
}

/**
 * How a table of flechette gives its values: what its own options were cannot be asked, so one
 * value of each column is looked at.
 */
function extractionOf(table: FlechetteTable) {
  const seen = table.children.map((column) => ({ typeId: column.type.typeId, value: firstOf(column) }));
  const gives = (typeIds: readonly number[], isSuch: (value: unknown) => boolean): boolean =>
    seen.some(({ typeId, value }) => typeIds.includes(typeId) && isSuch(value));
  const isBigInt = (value: unknown): boolean => typeof value === 'bigint';
  return {
    useBigInt: gives([INT_TYPE, DURATION_TYPE], isBigInt),
    useBigIntTimestamp: gives([TIMESTAMP_TYPE], isBigInt),
    useDecimalInt: gives([DECIMAL_TYPE], isBigInt),
    useDate: gives([DATE_TYPE, TIMESTAMP_TYPE], (value) => value instanceof Date),
  };
}

/** Numbers of types in the Arrow format (`Type` in Schema.fbs). */
const INT_TYPE = 2;
const DECIMAL_TYPE = 7;
const DATE_TYPE = 8;
const TIMESTAMP_TYPE = 10;
const DURATION_TYPE = 18;

function firstOf(column: FlechetteTable['children'][number]): unknown {
  try {
    for (const value of column) if (value !== null) return value;
  } catch {
    // An integer that no double holds, in a table that was asked for doubles: it gives none.
  }
  return null;
}

/** What is used of apache-arrow. */
interface ApacheArrow {
  tableToIPC(table: unknown, type: 'stream'): Uint8Array;
  tableFromIPC(bytes: Uint8Array): unknown;
}

const loadApacheArrow = (): Promise<ApacheArrow> =>
  import(/* webpackIgnore: true */ 'apache-arrow') as Promise<unknown> as Promise<ApacheArrow>;

/** A frame from an Arrow stream. Polars takes the bytes of a Buffer alone. */
async function frameOf(bytes: Uint8Array): Promise<unknown> {
  const { default: polars } = (await loadHidden('nodejs-polars')) as {
    readonly default: { readIPCStream(bytes: Uint8Array): unknown };
  };
  const { Buffer: NodeBytes } = (await loadHidden('node:buffer')) as {
    readonly Buffer: { from(bytes: ArrayBufferLike, offset: number, length: number): Uint8Array };
  };
  return polars.readIPCStream(NodeBytes.from(bytes.buffer, bytes.byteOffset, bytes.byteLength));
}

/**
 * By a name that bundlers do not look into: Polars is a program for one kind of machine, and no
 * browser has it.
 */
const loadHidden = (name: string): Promise<unknown> => import(/* @vite-ignore */ name);
