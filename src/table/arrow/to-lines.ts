// An Arrow table as JSON Lines: the form in which its rows are cut into chunks and given to models.

import { finishBytes, openWriter, utf8, writeAll } from '../bytes.ts';
import { shownName, TableError } from '../format.ts';
import { type BatchPieces, openBatch } from './batch.ts';
import { CellFault, type Dictionaries, extended, readColumn } from './cells.ts';
import { bodySize, type BodySize } from './compression.ts';
import { DictionaryReader } from './dictionaries.ts';
import { readSchema } from './schema.ts';
import { type ArrowMessage, broken, readMessages, wellFormed } from './stream.ts';
import type { ArrowSchema } from './types.ts';

/** An Arrow table that was read. */
export interface ArrowLines {
  /** JSON Lines: every row with every column, in the order of the schema. */
  readonly lines: Uint8Array<ArrayBuffer>;
  readonly rows: number;
  readonly columns: readonly string[];
}

/**
 * Longest table as JSON Lines, in bytes, where nobody says another. A dictionary's value is written
 * once in Arrow and as often as it stands in JSON Lines, so few bytes could become very many.
 */
const LINES_BYTES_MAX = 1_024 * 1_024 * 1_024;
/**
 * Most bytes that what is compressed in a table may become: as many as a server takes of one that
 * is not (`limits.tableBytes` unless it is told), since both are held. A few kilobytes could become
 * gigabytes.
 */
const DECOMPRESSED_BYTES_MAX = 256 * 1_024 * 1_024;
/** Rows that may take no bytes at all, as those do of columns that are null throughout. */
const BYTELESS_ROWS_MAX = 1_000_000;
/** Text is turned into bytes this many characters at a time. */
const PIECE_CHARS = 65_536;

/**
 * Reads an Arrow stream, or file.
 *
 * @throws TableError for bytes that are none, or not all of one, for columns and values that have
 *   no honest form in JSON (binary, NaN, infinities), and for a table of more than `linesBytesMax`
 *   as JSON Lines, or whose compressed buffers become more than 256 MiB
 */
export function arrowToLines(bytes: Uint8Array, linesBytesMax = LINES_BYTES_MAX): ArrowLines {
  const table = openArrow(bytes, linesBytesMax);
  const writer = openWriter(Math.min(bytes.length * 2, linesBytesMax));
  for (const piece of table.pieces()) writeAll(writer, piece);
  return { lines: finishBytes(writer), rows: table.rows, columns: table.schema.fields.map(({ name }) => name) };
}

/** A table whose schema was read, and whose rows are read as they are asked for. */
export interface OpenArrow {
  readonly schema: ArrowSchema;
  readonly rows: number;
  /** How much is to be read for them; nothing was decompressed yet. */
  readonly size: BodySize;
  /** The rows as JSON Lines, some 64 KiB at a time. Throws as `arrowToLines` does. */
  pieces(): Generator<Uint8Array<ArrayBuffer>, void>;
  /** The dictionaries by their id, as they stand at the table's end: their values as JSON text. */
  dictionaries(): Dictionaries;
}

/** As `arrowToLines`, for who does not want all of it in memory at once. */
export function openArrow(bytes: Uint8Array, linesBytesMax = LINES_BYTES_MAX): OpenArrow {
  const messages = readMessages(bytes);
  const schema = readSchema(messages[0]!);
  const { rows, ...size } = sizeOf(messages);
  if (rows > 0 && schema.fields.length === 0) throw broken('it has rows and no columns');
  return {
    schema,
    rows,
    size,
    *pieces() {
      let written = 0;
      for (const piece of readPieces(messages, schema)) {
        const part = utf8(piece);
        written += part.length;
        if (written > linesBytesMax)
          throw new TableError(
            `The Arrow table has more than ${linesBytesMax} bytes as JSON Lines, in which models are given it; send it in several tables.`,
          );
        yield part;
      }
    },
    dictionaries() {
      const dictionaries = new DictionaryReader(schema);
      for (const message of messages) if (message.kind === 'dictionary') dictionaries.add(message);
      return dictionaries.values;
    },
  };
}

/** The schema of a table alone. */
export function arrowSchemaOf(bytes: Uint8Array): ArrowSchema {
  return readSchema(readMessages(bytes)[0]!);
}

/** How much there is in a table, or in one of its messages. */
interface TableSize extends BodySize {
  readonly rows: number;
}

/** The size of a table by what it says; throws a TableError where that is out of all proportion. */
function sizeOf(messages: readonly ArrowMessage[]): TableSize {
  const sizes = messages.map((message) => wellFormed(() => messageSize(message), 'a batch of its rows cannot be read'));
  const sum = (of: (size: TableSize) => number): number => sizes.reduce((total, size) => total + of(size), 0);
  const decompressed = sum(({ bytes, compressed }) => (compressed > 0 ? bytes : 0));
  if (decompressed > DECOMPRESSED_BYTES_MAX)
    throw broken(
      `what is compressed in it has ${decompressed} bytes without compression, which is more than ${DECOMPRESSED_BYTES_MAX}; send it in several tables`,
    );
  const byteless = sum(({ rows, bytes }) => Math.max(0, rows - bytes * 8));
  if (byteless > BYTELESS_ROWS_MAX)
    throw broken(`it has ${byteless} rows that take no bytes; leave columns without values out`);
  return {
    rows: sum(({ rows }) => rows),
    bytes: sum(({ bytes }) => bytes),
    compressed: sum((size) => size.compressed),
  };
}

/** A dictionary has values and no rows, a schema neither. */
function messageSize({ kind, header, body }: ArrowMessage): TableSize {
  const batch = kind === 'rows' ? header : kind === 'dictionary' ? header.table(1) : null;
  if (batch === null) return { rows: 0, bytes: 0, compressed: 0 };
  return { rows: kind === 'rows' ? batch.size(0) : 0, ...bodySize(batch, body) };
}

function* readPieces(messages: readonly ArrowMessage[], schema: ArrowSchema): Generator<string, void> {
  const dictionaries = new DictionaryReader(schema);
  let rows = 0;
  for (const message of messages) {
    if (message.kind === 'dictionary') dictionaries.add(message);
    if (message.kind !== 'rows') continue;
    const parts = openBatch(message.header, message.body);
    yield* batchPieces(schema, parts, dictionaries.values, rows);
    rows += parts.length;
  }
}

function* batchPieces(
  schema: ArrowSchema,
  parts: BatchPieces,
  dictionaries: Dictionaries,
  rowsBefore: number,
): Generator<string, void> {
  const columns = schema.fields.map(({ name, type }, k) => ({
    name,
    label: `${k === 0 ? '{' : ','}${JSON.stringify(name)}:`,
    cells: wellFormed(
      () => readColumn(parts, type, dictionaries),
      `column ${shownName(name)} cannot be read in the batch that starts with row ${rowsBefore + 1}`,
    ),
  }));
  let text = '';
  for (let row = 0; row < parts.length; row += 1) {
    let line = '';
    for (const { name, label, cells } of columns) {
      line = inCell(rowsBefore + row, name, () => extended(line, label + cells(row)));
    }
    text += `${line}}\n`;
    if (text.length < PIECE_CHARS) continue;
    yield text;
    text = '';
  }
  if (text !== '') yield text;
}

/** Runs what reads a value; one without a text is an error that says where it is. */
function inCell(row: number, column: string, read: () => string): string {
  try {
    return read();
  } catch (error) {
    throw error instanceof CellFault ? error.at(row, column) : error;
  }
}
