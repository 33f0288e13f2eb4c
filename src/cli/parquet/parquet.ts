// Parquet files in and out. A file travels as an Arrow table, so that its types survive; the
// libraries are loaded when one is met.

import { brotliDecompressSync, gunzipSync, zstdDecompressSync } from 'node:zlib';
import type { FileMetaData, SchemaElement, SchemaTree } from 'hyparquet';
import { CellFault } from '../../table/arrow/cells.ts';
import { linesToArrow } from '../../table/arrow/from-lines.ts';
import { decompressBlock } from '../../table/arrow/lz4.ts';
import { arrowSchemaOf, arrowToLines } from '../../table/arrow/to-lines.ts';
import { type Value, visitCells } from '../../table/arrow/values.ts';
import { shownName, TableError } from '../../table/format.ts';
import { indexTable } from '../../table/split.ts';
import { UsageError } from '../failure.ts';
import { type ReadableColumn, readableColumn } from './types.ts';
import { elementsOf, valueReader } from './values.ts';

/** How columns may be compressed; Snappy the library reads itself. */
const DECOMPRESS = {
  GZIP: (bytes: Uint8Array) => gunzipSync(bytes),
  BROTLI: (bytes: Uint8Array) => brotliDecompressSync(bytes),
  ZSTD: (bytes: Uint8Array) => zstdDecompressSync(bytes),
  LZ4_RAW: decompressBlock,
};
const READABLE = ['UNCOMPRESSED', 'SNAPPY', ...Object.keys(DECOMPRESS)];

/**
 * A Parquet file as an Arrow stream.
 *
 * @throws UsageError for bytes that are no such file, or not all of one; TableError for what has no
 *   honest form in JSON
 */
export async function arrowFromParquet(bytes: Uint8Array): Promise<Uint8Array> {
  try {
    return await readParquet(bytes);
  } catch (error) {
    if (error instanceof TableError || error instanceof UsageError) throw error;
    throw unreadable(whyUnreadable(error), error);
  }
}

/**
 * The library says some things in sentences; what it trips over in a damaged file is an error of
 * the engine's, which helps nobody.
 */
function whyUnreadable(error: unknown): string {
  const isOwn = error instanceof Error && error.constructor === Error && !('code' in error);
  const known = isOwn && !/undefined|\bnull\b/.test(error.message) ? ` (${error.message.replace(/\.$/, '')})` : '';
  return `it is damaged, or written in a way that is not known here${known}; look whether pandas or pyarrow reads it, and write it anew with them`;
}

const unreadable = (why: string, cause?: unknown): UsageError =>
  new UsageError(`The Parquet file cannot be read: ${why}.`, { cause });

async function readParquet(bytes: Uint8Array): Promise<Uint8Array> {
  const { parquetMetadataAsync, parquetRead, parquetSchema } = await import('hyparquet');
  const buffer = new Uint8Array(bytes).buffer;
  const file = { byteLength: buffer.byteLength, slice: (start: number, end?: number) => buffer.slice(start, end) };
  if (new DataView(buffer).byteLength < 12) throw unreadable('it is too short to be one');
  const metadata = await parquetMetadataAsync(file, { geoparquet: false });
  checkCompression(metadata);
  const tree = parquetSchema(metadata);
  const columns = tree.children.map((child) => readableColumn(child));
  checkNames(columns);
  checkPaths(tree);
  const rows = await new Promise<unknown[][]>((resolve, reject) => {
    const read = parquetRead({
      file,
      metadata: withoutMeaning(metadata),
      compressors: DECOMPRESS,
      utf8: false,
      geoparquet: false,
      parsers: { timestampFromNanoseconds: (nanoseconds) => nanoseconds },
      rowFormat: 'array',
      onComplete: resolve,
    });
    read.catch(reject);
  });
  if (rows.length !== Number(metadata.num_rows))
    throw unreadable(`it has ${rows.length} rows where it says ${metadata.num_rows}`);
  const lines = new TextEncoder().encode(rows.map((values, row) => `${lineOf(columns, values, row)}\n`).join(''));
  const schema = { fields: columns.map(({ field }) => field), notes: null };
  return linesToArrow(lines, { schema, dictionaries: new Map() });
}

function checkCompression({ row_groups: groups }: FileMetaData): void {
  for (const { columns } of groups) {
    for (const { meta_data: column } of columns) {
      // Of a codec that it does not know the library says nothing, in spite of its types.
      const codec: string | undefined = column?.codec;
      if (column === undefined || READABLE.includes(codec ?? '')) continue;
      throw unreadable(
        `it is compressed with ${codec ?? 'what is not known here'}; write it with zstd, snappy, gzip or without compression`,
      );
    }
  }
}

function checkNames(columns: readonly ReadableColumn[]): void {
  const names = columns.map(({ field }) => field.name);
  const twice = names.find((name, k) => names.indexOf(name) !== k);
  if (twice !== undefined)
    throw new TableError(
      `The table has two columns with the name ${shownName(twice)}; give every column a name of its own.`,
    );
}

/**
 * The library knows the parts of a table by names with dots between them, and would take a column
 * `a.b` for the member `b` of `a`.
 */
function checkPaths(tree: SchemaTree): void {
  const seen = new Set<string>();
  const visit = ({ path, children }: SchemaTree): void => {
    const name = path.join('.');
    if (seen.has(name)) throw unreadable(`two of its columns or their parts are called ${shownName(name)}; rename one`);
    seen.add(name);
    for (const child of children) visit(child);
  };
  for (const column of tree.children) visit(column);
}

/**
 * The library makes floats of decimals, and milliseconds of finer times; without being told what
 * values mean it leaves them alone.
 */
function withoutMeaning(metadata: FileMetaData): FileMetaData {
  const schema = metadata.schema.map((element) => (element.type === undefined ? element : withoutOwnMeaning(element)));
  return { ...metadata, schema };
}

function withoutOwnMeaning(element: SchemaElement): SchemaElement {
  const plain = { ...element };
  delete plain.converted_type;
  delete plain.logical_type;
  return plain;
}

function lineOf(columns: readonly ReadableColumn[], values: readonly unknown[], row: number): string {
  const texts = columns.map(({ field, text }, k) => {
    try {
      return `${JSON.stringify(field.name)}:${text(values[k])}`;
    } catch (error) {
      throw error instanceof CellFault ? error.at(row, field.name) : error;
    }
  });
  return `{${texts.join(',')}}`;
}

/**
 * An Arrow stream as a Parquet file, compressed with Snappy.
 *
 * @throws TableError for what a Parquet file cannot hold
 */
export async function parquetFromArrow(bytes: Uint8Array): Promise<Uint8Array> {
  const { fields } = arrowSchemaOf(bytes);
  if (fields.length === 0) throw new TableError('The table has no columns, so a Parquet file cannot hold it.');
  const { lines, rows } = arrowToLines(bytes);
  const { parquetWriteBuffer } = await import('hyparquet-writer');
  const data = new Map(fields.map(({ name }) => [name, Array.from({ length: rows }, (): unknown => null)]));
  const visitors = new Map(
    fields.map(({ name, type }) => {
      const [values, read] = [data.get(name)!, valueReader(type)];
      return [name, (value: Value, row: number) => void (values[row] = read(value))];
    }),
  );
  visitCells({ bytes: lines, index: indexTable(lines, 'jsonl') }, visitors);
  const columnData = fields.map(({ name }) => ({ name, data: data.get(name)! }));
  const schema = [{ name: 'schema', num_children: fields.length }, ...fields.flatMap((field) => elementsOf(field))];
  return new Uint8Array(parquetWriteBuffer({ columnData, schema }));
}
