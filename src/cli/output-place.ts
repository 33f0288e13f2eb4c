// Where an output goes: what may stand behind -o, and whether it can be written there.

import { constants, type Stats } from 'node:fs';
import { access, readlink, realpath, stat } from 'node:fs/promises';
import { basename, dirname, extname, join, resolve } from 'node:path';
import { InvalidArgumentError, Option } from 'commander';
import type { InputContent } from '../client/content.ts';
import { isSystemError, reasonOf } from '../domain/system-error.ts';
import { borderFormatOf } from '../table/format.ts';
import { UsageError } from './failure.ts';
import { contentTypeByName, isKnownMistake } from './files.ts';
import { wireTypeOf } from './table-files.ts';

const STANDARD_OUTPUT = '-';
const FORMATS = '.csv, .jsonl, .json, .arrow and .parquet';

/** What `outputOption` adds to a command's options. */
export interface OutputOptions {
  readonly output?: string;
}

/** The option `-o`, which is the same everywhere. */
export const outputOption = (): Option =>
  new Option(
    '-o, --output <file>',
    `where the output goes, - for standard output; ${FORMATS} also choose the format of a table`,
  ).argParser(readOutput);

function readOutput(text: string): string {
  if (text === '') throw new InvalidArgumentError('It must name a file, or be - for standard output.');
  if (isKnownMistake(text))
    throw new InvalidArgumentError(
      `Tables are written as ${FORMATS}, and not as ${extname(text)}. What a model answers in that form is written by: > ${text}`,
    );
  return text;
}

/** The file that an output goes to; undefined for standard output. */
export const outputFileOf = ({ output }: OutputOptions): string | undefined =>
  output === STANDARD_OUTPUT ? undefined : output;

/**
 * The format that an output file's name asks for, as a content type; undefined where it names no
 * table, or the input's own.
 */
export function wantedType(file: string | undefined, input: InputContent): string | undefined {
  const named = file === undefined ? null : contentTypeByName(file);
  const wanted = named === null ? null : wireTypeOf(named);
  if (wanted === null || borderFormatOf(wanted) === null || borderFormatOf(input.contentType) === null)
    return undefined;
  return borderFormatOf(wanted) === borderFormatOf(input.contentType) ? undefined : wanted;
}

/**
 * Where an output is written first, and where it shall be; the same for what is no file, such as a
 * pipe.
 */
export interface OutputPlace {
  readonly written: string;
  readonly target: string;
  /** The mode that the file has; null where there is none yet. */
  readonly mode: number | null;
}

/** Throws Error for a folder, and for a path that leads nowhere. */
export async function placeOf(file: string): Promise<OutputPlace> {
  const existing = await statOf(file);
  if (existing?.isDirectory() === true) throw new Error('it is a folder');
  if (existing !== null && !existing.isFile()) return { written: file, target: file, mode: null };
  // A link goes on leading to where it leads.
  const target = existing === null ? await endOfLinks(file) : await realpath(file);
  const written = join(dirname(target), `.${basename(target)}.${process.pid}.part`);
  return { written, target, mode: existing === null ? null : existing.mode & 0o7777 };
}

async function statOf(file: string): Promise<Stats | null> {
  try {
    return await stat(file);
  } catch (error) {
    if (isSystemError(error) && error.code === 'ENOENT') return null;
    throw error;
  }
}

/**
 * The file that is to be made: what a link leads to need not be there. Links that lead in a circle
 * are refused by `stat` before.
 */
async function endOfLinks(file: string): Promise<string> {
  const next = await readlink(file).catch(() => null);
  return next === null ? file : endOfLinks(resolve(await realpath(dirname(file)), next));
}

/** Finds out before an hour of work that its output could not be written. */
export async function checkWritable(file: string): Promise<void> {
  try {
    const { written, target } = await placeOf(file);
    await access(written === target ? target : dirname(target), constants.W_OK);
  } catch (cause) {
    throw new UsageError(`${file} cannot be written: ${reasonOf(cause)}.`, { cause });
  }
}
