// Tables as they come in and go out. Within, a table is text that is cut and merged by its bytes;
// Arrow is turned into JSON Lines when it comes, and made of them when it goes.

import { type ArrowFrame, linesToArrow } from './arrow/from-lines.ts';
import { arrowToLines } from './arrow/to-lines.ts';
import { convertTable } from './convert.ts';
import { ARROW_FILE_TYPE, type BorderFormat, borderFormatOf, CONTENT_TYPES, type TableFormat } from './format.ts';

/** A table as text. */
export interface TextTable {
  readonly bytes: Uint8Array;
  readonly format: TableFormat;
  /**
   * The columns of an Arrow table, which has a schema even where it has no rows; null where the
   * text says which there are.
   */
  readonly columns: readonly string[] | null;
}

/** The text format of the rows of a table: Arrow's are JSON Lines. */
export const textFormatOf = (format: BorderFormat): TableFormat => (format === 'arrow' ? 'jsonl' : format);

/**
 * A table as text, untouched where it is text already. Throws a TableError for an Arrow table that
 * cannot be read.
 */
export function textTable(bytes: Uint8Array, format: BorderFormat): TextTable {
  if (format !== 'arrow') return { bytes, format, columns: null };
  const { lines, columns } = arrowToLines(bytes);
  return { bytes: lines, format: 'jsonl', columns };
}

/**
 * The content type in which models are asked for the rows of a table that is answered in `wanted`:
 * never Arrow.
 */
export function textTypeOf(wanted: string): string {
  return borderFormatOf(wanted) === 'arrow' ? CONTENT_TYPES.jsonl : wanted;
}

/** What the messages of an Arrow table stand in that is answered in `wanted`. */
export const arrowFrameOf = (wanted: string): ArrowFrame =>
  wanted.split(';', 1)[0]!.trim().toLowerCase() === ARROW_FILE_TYPE ? 'file' : 'stream';

/**
 * The same rows in another format, as `convertTable` has it. From CSV every value is a string, in
 * Arrow too; into CSV, Arrow's values go as the text that they have in JSON.
 *
 * @throws TableError for a table that cannot be read, or that the other format cannot hold
 */
export async function convertBorder(bytes: Uint8Array, from: BorderFormat, to: BorderFormat): Promise<Uint8Array> {
  const text = textTable(bytes, from);
  if (to !== 'arrow') return convertTable(text.bytes, text.format, to);
  const lines = text.format === 'jsonl' ? text.bytes : convertTable(text.bytes, text.format, 'jsonl');
  return linesToArrow(lines, from === 'arrow' ? bytes : null);
}
