// Inputs from files, standard input or the command line.

import { constants, openAsBlob } from 'node:fs';
import { access, readFile, stat } from 'node:fs/promises';
import { extname } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { type InputContent, isJsonType } from '../client/content.ts';
import { reasonOf } from '../domain/system-error.ts';
import { BORDER_TYPES, CONTENT_TYPES } from '../table/format.ts';
import { jsonFaultIn } from '../table/json/text.ts';
import { UsageError } from './failure.ts';
import { PARQUET_TYPE, sentTable, TABLE_EXTENSIONS } from './table-files.ts';

const EXTENSIONS: Readonly<Record<string, string>> = {
  ...TABLE_EXTENSIONS,
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

/**
 * Files that are handed over for tables and are none that a model could be given the rows of: what
 * they are, and what to do.
 */
const NO_TABLES: readonly (readonly [ending: RegExp, remedy: string])[] = [
  [/\.tsv$/i, 'Its columns are separated by tabs. Separate them by commas, and name it .csv.'],
  [/\.xlsx?$/i, 'It is a workbook. Save its sheet as .csv.'],
  [/\.(?:csv|tsv|jsonl|ndjson|json)\.(?:gz|bz2|xz|zst|zip)$/i, 'It is compressed. Decompress it first.'],
];

/**
 * Longest JSON that is read before it is sent, in bytes: the longest that a server takes unless its
 * `limits.envelopeBytes` says more.
 */
const CHECKED_JSON_MAX = 64 * 1_024 * 1_024;
/** It is sent as a member of an object. */
const JSON_DEPTH = 2;

/** What an invocation's arguments say about its input. */
export interface InputArguments {
  /** A path, or `-` for standard input. */
  readonly file: string | undefined;
  /** JSON text given as an option. */
  readonly data: string | undefined;
  /**
   * `csv`, `jsonl`, `json`, `arrow`, `parquet` or a content type, over what the file's name says.
   */
  readonly type: string | undefined;
}

/**
 * Reads the input.
 *
 * @throws UsageError for no input, two inputs, a file that cannot be read or is a known mistake, or
 *   what should be JSON and is not
 */
export async function readInput({ file, data, type }: InputArguments): Promise<InputContent> {
  if ((file === undefined) === (data === undefined)) {
    throw new UsageError(
      file === undefined
        ? 'There is no input. Name a file, - for standard input, or give JSON with -d \'{"a": 1}\'.'
        : 'There are two inputs: a file and -d. Leave one out.',
    );
  }
  if (data !== undefined) return textInput(data);
  if (file === '-') return readStandardInput(type);
  const contentType = contentTypeOf(type) ?? typeByName(file!);
  return checkedInput(file!, await sentTable({ bytes: await readBytes(file!), contentType }));
}

function textInput(text: string): InputContent {
  const bytes = new TextEncoder().encode(text);
  const fault = jsonFaultIn(bytes, JSON_DEPTH);
  if (fault === null) return { bytes, contentType: CONTENT_TYPES.json };
  throw new UsageError(`The text after -d is not JSON: ${fault}. Put it in single quotes: -d '{"a": 1}'.`);
}

function typeByName(file: string): string {
  const [, remedy] = mistakeIn(file) ?? [];
  if (remedy === undefined) return contentTypeByName(file) ?? OCTET_STREAM;
  throw new UsageError(
    `${file} is no table that is read here. ${remedy} A model that takes it as it is gets it with --type ${OCTET_STREAM}.`,
  );
}

const mistakeIn = (file: string) => NO_TABLES.find(([ending]) => ending.test(file));

/** Whether a file has the name of a table in a form that is neither read nor written here. */
export const isKnownMistake = (file: string): boolean => mistakeIn(file) !== undefined;

/**
 * The places of what is wrong with JSON count from the start of its file here; a server would count
 * from the start of what is sent.
 */
async function checkedInput(name: string, input: InputContent): Promise<InputContent> {
  const { bytes, contentType } = input;
  const length = bytes instanceof Blob ? bytes.size : bytes.length;
  if (!isJsonType(contentType) || length > CHECKED_JSON_MAX) return input;
  const fault = jsonFaultIn(bytes instanceof Blob ? new Uint8Array(await bytes.arrayBuffer()) : bytes, JSON_DEPTH);
  if (fault !== null) throw new UsageError(`${name} is not JSON: ${fault}.`);
  return input;
}

async function readStandardInput(type: string | undefined): Promise<InputContent> {
  const contentType = contentTypeOf(type);
  if (contentType === null)
    throw new UsageError(
      'Standard input has no name to tell its type by. Add --type csv, jsonl, json, arrow, parquet or a content type.',
    );
  return checkedInput('Standard input', await sentTable({ bytes: await buffer(process.stdin), contentType }));
}

/**
 * A file is read while it is sent, and never held; what can be read once alone, such as a pipe, is
 * held.
 */
async function readBytes(file: string): Promise<Uint8Array | Blob> {
  try {
    await access(file, constants.R_OK);
    return (await stat(file)).isFile() ? await openAsBlob(file) : await readFile(file);
  } catch (cause) {
    throw new UsageError(`${file} cannot be read: ${reasonOf(cause)}.`, { cause });
  }
}

function contentTypeOf(type: string | undefined): string | null {
  if (type === undefined) return null;
  const named: Readonly<Record<string, string>> = { ...BORDER_TYPES, parquet: PARQUET_TYPE };
  if (Object.hasOwn(named, type)) return named[type]!;
  if (/^[\w.+-]+\/[\w.+-]+(?:\s*;.*)?$/.test(type)) return type;
  throw new UsageError(
    `--type ${type} is neither csv, jsonl, json, arrow nor parquet, nor a content type like image/png.`,
  );
}

/** The content type that a file's name says, or null. */
export function contentTypeByName(file: string): string | null {
  return EXTENSIONS[extname(file).toLowerCase()] ?? null;
}
