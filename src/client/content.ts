// Content as bytes with a type, and its way from and to values.

import { tableFormatOf } from '../table/format.ts';
import { decodeRows } from '../table/rows.ts';

/** Bytes and what they are: a CSV file, an image, an output. They travel as they are, no value is touched. */
export interface Content {
  readonly bytes: Uint8Array;
  /** `text/csv`, `application/jsonlines`, `image/png`, ... */
  readonly contentType: string;
}

/** Whether an input is given as bytes. No JSON value is, since JSON has no bytes. */
export function isContent(input: unknown): input is Content {
  return (
    typeof input === 'object' &&
    input !== null &&
    (input as Partial<Content>).bytes instanceof Uint8Array &&
    typeof (input as Partial<Content>).contentType === 'string'
  );
}

/** Whether a content type is JSON as a single value (JSON Lines are a table). */
export function isJsonType(contentType: string): boolean {
  const type = contentType.split(';', 1)[0]!.trim().toLowerCase();
  return type === 'application/json' || type.endsWith('+json');
}

/**
 * A value as JSON text.
 *
 * @throws TypeError for what JSON would drop or turn into null without a word: undefined, NaN, infinities, functions, bytes
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

/** An output as a value: JSON parsed, a table (CSV, JSON Lines) as rows, anything else as its bytes. Values of a CSV are strings. */
export function valueOf({ bytes, contentType }: Content): unknown {
  if (isJsonType(contentType)) return JSON.parse(new TextDecoder().decode(bytes));
  const format = tableFormatOf(contentType);
  return format === null ? bytes : decodeRows(bytes, format);
}
