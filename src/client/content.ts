// Content as bytes with a type, and its way from and to values.

import { type BorderFormat, borderFormatOf } from '../table/format.ts';
import { decodeRows, type Row } from '../table/rows.ts';

/**
 * Bytes and what they are: a CSV file, an image, an output. They travel as they are, no value is
 * touched.
 */
export interface Content {
  readonly bytes: Uint8Array;
  /** `text/csv`, `application/jsonlines`, `image/png`, ... */
  readonly contentType: string;
}

/**
 * An input as bytes. A Blob is read while it is sent, and again where it has to be sent again: in
 * Node, `fs.openAsBlob(file)` is a file that is never held.
 */
export interface InputContent {
  readonly bytes: Uint8Array | Blob;
  readonly contentType: string;
}

/** Whether an input is given as bytes. No JSON value is, since JSON has no bytes. */
export function isContent(input: unknown): input is InputContent {
  if (typeof input !== 'object' || input === null) return false;
  const { bytes, contentType } = input as Partial<InputContent>;
  return (bytes instanceof Uint8Array || bytes instanceof Blob) && typeof contentType === 'string';
}

/**
 * A content type as it is said in runs: the answer of a server names the encoding of every text as
 * well.
 */
export const withoutUtf8 = (contentType: string): string => contentType.replace(/; charset=utf-8$/, '');

/** Whether a content type is JSON as a single value (JSON Lines are a table). */
export function isJsonType(contentType: string): boolean {
  const type = contentType.split(';', 1)[0]!.trim().toLowerCase();
  return type === 'application/json' || type.endsWith('+json');
}

/**
 * A value as JSON text.
 *
 * @throws TypeError for what JSON would drop or turn into null without a word: undefined, NaN,
 *   infinities, functions, bytes
 */
export function jsonBytes(value: unknown): Uint8Array {
  const text = JSON.stringify(value, function (this: unknown, key: string, member: unknown) {
    const at = key === '' ? 'The input' : `"${key}" of the input`;
    if (typeof member === 'number' && !Number.isFinite(member))
      throw new TypeError(`${at} is ${member}, which JSON has no number for. Send null or a string if you mean one.`);
    if (typeof member === 'function' || typeof member === 'symbol')
      throw new TypeError(`${at} is a ${typeof member}, which has no JSON form.`);
    if ((this as Record<string, unknown>)[key] instanceof Uint8Array)
      throw new TypeError(`${at} is bytes, which JSON cannot hold. Send bytes on their own: { bytes, contentType }.`);
    return member;
  }) as string | undefined;
  if (text === undefined) throw new TypeError('The input is undefined. Send null if you mean no input.');
  return new TextEncoder().encode(text);
}

/**
 * An output as a value: JSON parsed, a table (CSV, JSON Lines, Arrow) as rows, anything else as its
 * bytes. Values of a CSV are strings.
 */
export async function valueOf({ bytes, contentType }: Content): Promise<unknown> {
  if (isJsonType(contentType)) return JSON.parse(new TextDecoder().decode(bytes));
  const format = borderFormatOf(contentType);
  return format === null ? bytes : rowsIn(bytes, format);
}

/**
 * The rows of a table in bytes; what reads Arrow is loaded where there is some.
 *
 * @throws TableError for bytes that are no table of the format
 */
async function rowsIn(bytes: Uint8Array, format: BorderFormat): Promise<Row[]> {
  if (format !== 'arrow') return decodeRows(bytes, format);
  const { arrowToLines } = await import('../table/arrow/to-lines.ts');
  return decodeRows(arrowToLines(bytes).lines, 'jsonl');
}
