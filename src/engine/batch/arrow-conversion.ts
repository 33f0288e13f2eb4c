// What an Arrow table is made into, and what is made into one, as requests and answers that cross
// from one thread to another.

import { finishBytes, openWriter, writeAll } from '../../table/bytes.ts';
import { type ArrowFrame, type Likeness, likenessIn, openLines } from '../../table/arrow/from-lines.ts';
import { openArrow } from '../../table/arrow/to-lines.ts';
import { TableError, type TableFormat, type TablePlace } from '../../table/format.ts';
import { indexTable, type TableIndex } from '../../table/split.ts';

/** An Arrow table as the JSON Lines that its chunks are. */
export interface ArrowRows {
  readonly lines: Uint8Array<ArrayBuffer>;
  /** Where the rows stand in the lines, with the columns of the schema. */
  readonly index: TableIndex;
  readonly likeness: Likeness;
}

/** What a table has, where its rows are not wanted yet. */
export interface ArrowShape {
  readonly rows: number;
  readonly columns: readonly string[];
}

/** One conversion, or the index of a table that is text. */
export type ConversionRequest =
  | { readonly to: 'index'; readonly bytes: Uint8Array; readonly format: TableFormat }
  | { readonly to: 'shape'; readonly bytes: Uint8Array }
  | { readonly to: 'lines'; readonly bytes: Uint8Array }
  | { readonly to: 'arrow'; readonly lines: Uint8Array; readonly like: Likeness | null; readonly frame: ArrowFrame };

/** What a request may ask for. */
export type AnyResult = ArrowShape | ArrowRows | TableIndex | Uint8Array;

/** Its outcome: `Result` is what the request asks for. */
export type Converted<Result> =
  | { readonly result: Result }
  | { readonly refusal: { readonly message: string; readonly place: TablePlace } };

/**
 * How long a table may be that is read here, in bytes: as Arrow without compression, and as JSON
 * Lines.
 */
export interface ReadLimits {
  readonly arrowBytesMax: number;
  readonly linesBytesMax: number;
}

/** What it takes to begin with a compressed buffer, as bytes that are read in the same time. */
const BUFFER_BYTES = 4_096;

const UNLIMITED: ReadLimits = { arrowBytesMax: Infinity, linesBytesMax: Infinity };

/**
 * Reads an Arrow table; null for one that is longer.
 *
 * @throws TableError as `openArrow` does
 */
export function readArrow(bytes: Uint8Array, { arrowBytesMax, linesBytesMax }: ReadLimits): ArrowRows | null {
  const table = openArrow(bytes);
  if (table.size.bytes + table.size.compressed * BUFFER_BYTES > arrowBytesMax) return null;
  const writer = openWriter(Math.min(bytes.length * 2, linesBytesMax));
  for (const piece of table.pieces()) {
    if (writer.length + piece.length > linesBytesMax) return null;
    writeAll(writer, piece);
  }
  const lines = finishBytes(writer);
  const columns = table.schema.fields.map(({ name }) => name);
  return { lines, index: { ...indexTable(lines, 'jsonl'), columns }, likeness: likenessIn(table) };
}

/** Reads an Arrow table to its end, and keeps nothing of it. Throws as `openArrow` does. */
function shapeOf(bytes: Uint8Array): ArrowShape {
  const table = openArrow(bytes);
  for (const _ of table.pieces());
  return { rows: table.rows, columns: table.schema.fields.map(({ name }) => name) };
}

/** Converts a table; a TableError is a value, since errors lose what they are between threads. */
export async function convert(request: ConversionRequest): Promise<Converted<AnyResult>> {
  try {
    return { result: await answerTo(request) };
  } catch (error) {
    if (!(error instanceof TableError)) throw error;
    const { message, row, line, column, pointer } = error;
    return { refusal: { message, place: { row, line, column, pointer } } };
  }
}

async function answerTo(request: ConversionRequest): Promise<AnyResult> {
  switch (request.to) {
    case 'index':
      return indexTable(request.bytes, request.format);
    case 'shape':
      return shapeOf(request.bytes);
    case 'lines':
      return readArrow(request.bytes, UNLIMITED)!;
    case 'arrow':
      return openLines(request.lines, request.like).write(request.frame);
  }
}
