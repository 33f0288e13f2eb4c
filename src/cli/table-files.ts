// Tables in files that are no text: Arrow, which goes over the wire as it is, and Parquet, which
// becomes Arrow for the way.

import { extname } from 'node:path';
import type { Content, InputContent } from '../client/content.ts';
import { BORDER_TYPES, borderFormatOf } from '../table/format.ts';
import { UsageError } from './failure.ts';

/** Content type of a Parquet file on this side of the wire; none ever goes over it. */
export const PARQUET_TYPE = 'application/vnd.apache.parquet';

/**
 * Files of these names hold Arrow or Parquet. `.arrows` is a stream; the others are files, and read
 * as either.
 */
export const TABLE_EXTENSIONS: Readonly<Record<string, string>> = {
  '.arrow': BORDER_TYPES.arrow,
  '.arrows': BORDER_TYPES.arrow,
  '.feather': BORDER_TYPES.arrow,
  '.ipc': BORDER_TYPES.arrow,
  '.parquet': PARQUET_TYPE,
};

/** The content type that goes over the wire for one of a file. */
export const wireTypeOf = (contentType: string): string =>
  contentType === PARQUET_TYPE ? BORDER_TYPES.arrow : contentType;

/**
 * What a file holds, as it goes over the wire. Throws UsageError or TableError for a Parquet file
 * that cannot be read.
 */
export async function sentTable(content: InputContent): Promise<InputContent> {
  const { bytes, contentType } = content;
  if (contentType !== PARQUET_TYPE) return content;
  const { readParquetFile } = await import('./parquet/reader.ts');
  const held = bytes instanceof Uint8Array ? bytes : new Uint8Array(await bytes.arrayBuffer());
  return { bytes: await readParquetFile(held), contentType: BORDER_TYPES.arrow };
}

/**
 * Whether an output of a content type is written to a file in another form than it came: what comes
 * as Arrow is a stream, which files are not.
 *
 * @param named content type that the file's name says, or null
 */
export function isConverted(contentType: string, named: string | null): boolean {
  if (named === PARQUET_TYPE) return true;
  const [format, wanted] = [borderFormatOf(contentType), named === null ? null : borderFormatOf(named)];
  return format !== null && wanted !== null && (format !== wanted || format === 'arrow');
}

/**
 * The bytes of an output that `isConverted`, as its file has them.
 *
 * @throws UsageError for an output that is no table, where the file is to be Parquet; TableError
 *   for one that is none after all, or that such a file cannot hold
 */
export async function fileBytes({ bytes, contentType }: Content, file: string, named: string): Promise<Uint8Array> {
  const format = borderFormatOf(contentType);
  if (format === null)
    throw new UsageError(`The output is ${contentType}, which is no table. Write it to a file that is not .parquet.`);
  const wanted = borderFormatOf(wireTypeOf(named))!;
  const { convertBorder } = await import('../table/border.ts');
  const table = format === wanted ? bytes : await convertBorder(bytes, format, wanted);
  if (wanted !== 'arrow' || extname(file).toLowerCase() === '.arrows') return table;
  if (named !== PARQUET_TYPE) return arrowFile(table);
  const { parquetFromArrow } = await import('./parquet/parquet.ts');
  return parquetFromArrow(table);
}

/** An Arrow stream in the frame of a file, which programs expect under these names. */
async function arrowFile(stream: Uint8Array): Promise<Uint8Array> {
  const { arrowSchemaOf, arrowToLines } = await import('../table/arrow/to-lines.ts');
  if (arrowSchemaOf(stream).fields.every(({ type }) => type.kind === 'null')) {
    // The library alone would write one that others refuse.
    const { likenessOf, openLines } = await import('../table/arrow/from-lines.ts');
    return openLines(arrowToLines(stream).lines, likenessOf(stream)).write('file');
  }
  const { tableFromIPC, tableToIPC } = await import('@uwdata/flechette');
  return tableToIPC(tableFromIPC(stream), { format: 'file' })!;
}
