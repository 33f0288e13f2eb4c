// What a text says of its encoding: every text type that is sent names it, since clients guess
// otherwise, and each in its own way.

import { isUtf8 } from 'node:buffer';
import { Readable } from 'node:stream';
import { ServiceError } from '../../domain/errors.ts';
import { isJson } from '../../domain/payload.ts';
import type { Engine } from '../../engine/engine.ts';
import type { RunRecord } from '../../stores/ledger/ledger.ts';
import { tableFormatOf } from '../../table/format.ts';

/** Bytes of a model's text that are looked at to tell whether it is UTF-8. */
const LOOKED_AT = 64 * 1_024;

/** The parameter of a content type that names the encoding, in quotes or not. */
const CHARSET = /;\s*charset\s*=\s*(?:"([^"]*)"|([^\s;]*))/i;

/** The encoding that a content type names, in lower case; null where it names none. */
export function charsetOf(contentType: string): string | null {
  const [, quoted, bare] = CHARSET.exec(contentType) ?? [];
  return (quoted ?? bare)?.trim().toLowerCase() ?? null;
}

/**
 * The content type of a text in UTF-8, with its encoding: any `text/…`, and JSON Lines. JSON is
 * UTF-8 by its own standard and takes no parameter.
 */
export function inUtf8(contentType: string): string {
  return isUnnamedText(contentType) ? `${contentType.replace(/\s*;?\s*$/, '')}; charset=utf-8` : contentType;
}

function isUnnamedText(contentType: string): boolean {
  if (charsetOf(contentType) !== null) return false;
  const isText = contentType.trimStart().toLowerCase().startsWith('text/');
  return isText || (tableFormatOf(contentType) !== null && !isJson(contentType));
}

/**
 * The content type that the output of a succeeded run is sent with. What a batch has put together
 * is UTF-8; a single run's is the model's, and is called UTF-8 where its beginning is.
 */
export async function outputTypeOf(engine: Engine, { runId, kind, output }: RunRecord): Promise<string> {
  const { contentType, bytes } = output!;
  if (!isUnnamedText(contentType)) return contentType;
  if (kind === 'batch' || bytes === 0) return inUtf8(contentType);
  const beginning = await engine.runs.openOutput(runId, { from: 0, to: Math.min(bytes, LOOKED_AT) });
  if (beginning === null) return contentType;
  const { content } = beginning;
  const seen = content instanceof Readable ? Buffer.concat((await content.toArray()) as Buffer[]) : content;
  return isUtf8(bytes > LOOKED_AT ? withoutHalf(seen) : seen) ? inUtf8(contentType) : contentType;
}

/** Without the bytes at the end that may be the beginning of a character. */
function withoutHalf(bytes: Uint8Array): Uint8Array {
  let end = bytes.length;
  while (end > bytes.length - 3 && (bytes[end - 1]! & 0xc0) === 0x80) end -= 1;
  return bytes.subarray(0, bytes[end - 1]! >= 0xc0 ? end - 1 : end);
}

/** Names of the encoding that JSON is read in, and of the one that is a part of it. */
const READ: ReadonlySet<string> = new Set(['utf-8', 'utf8', 'us-ascii', 'ascii']);

/**
 * Refuses JSON, or JSON Lines, in another encoding than UTF-8.
 *
 * @throws ServiceError `unsupported-media-type`
 */
export function assertUtf8(contentType: string): void {
  const charset = charsetOf(contentType);
  if (charset === null || READ.has(charset)) return;
  const format = tableFormatOf(contentType);
  if (!isJson(contentType) && format !== 'jsonl') return;
  throw new ServiceError(
    'unsupported-media-type',
    `The Content-Type says that the body is in ${JSON.stringify(charset.slice(0, 40))}; ${format === 'jsonl' ? 'JSON Lines are' : 'JSON is'} read in UTF-8 alone. Send it in UTF-8.`,
  );
}
