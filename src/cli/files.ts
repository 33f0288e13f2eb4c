// Inputs from files, standard input or the command line, and outputs to files or standard output.

import { constants } from 'node:fs';
import { access, readFile, stat, writeFile } from 'node:fs/promises';
import { basename, dirname, extname } from 'node:path';
import { buffer } from 'node:stream/consumers';
import type { Content } from '../client/content.ts';
import { CONTENT_TYPES, type TableFormat, tableFormatOf } from '../table/format.ts';
import { UsageError } from './failure.ts';
import { plain, write } from './text.ts';

const EXTENSIONS: Readonly<Record<string, string>> = {
  '.csv': CONTENT_TYPES.csv,
  '.jsonl': CONTENT_TYPES.jsonl,
  '.ndjson': CONTENT_TYPES.jsonl,
  '.json': CONTENT_TYPES.json,
  '.txt': 'text/plain',
  '.png': 'image/png',
  '.jpg': 'image/jpeg',
  '.jpeg': 'image/jpeg',
  '.webp': 'image/webp',
};
const OCTET_STREAM = 'application/octet-stream';

/** What an invocation's arguments say about its input. */
export interface InputArguments {
  /** A path, or `-` for standard input. */
  readonly file: string | undefined;
  /** JSON text given as an option. */
  readonly data: string | undefined;
  /** `csv`, `jsonl`, `json` or a content type, over what the file's name says. */
  readonly type: string | undefined;
}

/**
 * Reads the input.
 *
 * @throws UsageError for no input, two inputs, a file that cannot be read, or data that is not JSON
 */
export async function readInput({ file, data, type }: InputArguments): Promise<Content> {
  if ((file === undefined) === (data === undefined)) {
    throw new UsageError(
      file === undefined
        ? 'There is no input. Name a file, - for standard input, or give JSON with -d \'{"a": 1}\'.'
        : 'There are two inputs: a file and -d. Leave one out.',
    );
  }
  if (data !== undefined)
    return { bytes: new TextEncoder().encode(checkedJson(data)), contentType: CONTENT_TYPES.json };
  if (file === '-') return readStandardInput(type);
  const contentType = contentTypeOf(type) ?? contentTypeByName(file!) ?? OCTET_STREAM;
  return { bytes: await readBytes(file!), contentType };
}

async function readStandardInput(type: string | undefined): Promise<Content> {
  const contentType = contentTypeOf(type);
  if (contentType === null)
    throw new UsageError(
      'Standard input has no name to tell its type by. Add --type csv, jsonl, json or a content type.',
    );
  return { bytes: await buffer(process.stdin), contentType };
}

async function readBytes(file: string): Promise<Uint8Array> {
  try {
    return await readFile(file);
  } catch (cause) {
    throw new UsageError(`${file} cannot be read: ${reasonOf(cause)}.`, { cause });
  }
}

function checkedJson(text: string): string {
  try {
    JSON.parse(text);
    return text;
  } catch (cause) {
    throw new UsageError(
      `The text after -d is not JSON: ${(cause as Error).message}. Put it in single quotes: -d '{"a": 1}'.`,
      { cause },
    );
  }
}

function contentTypeOf(type: string | undefined): string | null {
  if (type === undefined) return null;
  if (Object.hasOwn(CONTENT_TYPES, type)) return CONTENT_TYPES[type as TableFormat];
  if (/^[\w.+-]+\/[\w.+-]+(?:\s*;.*)?$/.test(type)) return type;
  throw new UsageError(`--type ${type} is neither csv, jsonl nor json, nor a content type like image/png.`);
}

function contentTypeByName(file: string): string | null {
  return EXTENSIONS[extname(file).toLowerCase()] ?? null;
}

/** The format that an output file's name asks for, as a content type; undefined where it names no table, or the input's own. */
export function wantedType(file: string | undefined, input: Content): string | undefined {
  const wanted = file === undefined ? null : contentTypeByName(file);
  if (wanted === null || tableFormatOf(wanted) === null || tableFormatOf(input.contentType) === null) return undefined;
  return tableFormatOf(wanted) === tableFormatOf(input.contentType) ? undefined : wanted;
}

/** Finds out before an hour of work that its output could not be written. */
export async function checkWritable(file: string): Promise<void> {
  try {
    await access(dirname(file), constants.W_OK);
    const existing = await stat(file).catch(() => null);
    if (existing?.isDirectory() === true) throw new Error(`${basename(file)} is a folder`);
  } catch (cause) {
    throw new UsageError(`${file} cannot be written: ${reasonOf(cause)}.`, { cause });
  }
}

/** Writes an output to a file, or to standard output: as it is into a pipe, as harmless text on a terminal. */
export async function writeOutput({ bytes, contentType }: Content, file: string | undefined): Promise<void> {
  if (file !== undefined) {
    await writeFile(file, bytes);
    return;
  }
  if (!process.stdout.isTTY) {
    await write(process.stdout, bytes);
    return;
  }
  if (!isText(contentType))
    throw new UsageError(`The output is ${contentType}, which is no text. Write it to a file with -o, or into a pipe.`);
  const text = plain(new TextDecoder().decode(bytes));
  await write(process.stdout, text.endsWith('\n') ? text : `${text}\n`);
}

function isText(contentType: string): boolean {
  return (
    contentType.startsWith('text/') ||
    tableFormatOf(contentType) !== null ||
    /^application\/(?:.+\+)?json\b/.test(contentType)
  );
}

function reasonOf(cause: unknown): string {
  const { code, message } = cause as NodeJS.ErrnoException;
  const known: Readonly<Record<string, string>> = {
    ENOENT: 'there is no such file or folder',
    EACCES: 'this user may not',
    EISDIR: 'it is a folder',
  };
  return known[code ?? ''] ?? message;
}
