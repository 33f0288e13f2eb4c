// The bodies that bring keys and answers to the cache.

import type { Static, TSchema } from 'typebox';
import { Type } from 'typebox';
import { type Answered, CACHE_KEY, type CacheKey } from '../../cache/port.ts';
import { formatBytes } from '../../domain/bytes.ts';
import { type FieldError, ServiceError } from '../../domain/errors.ts';
import { FAILED, OPEN_BRACE, OPEN_BRACKET, openScan, scanObject, skipSpace } from '../../table/json/scan.ts';
import { compileCheck } from '../../wire/validation.ts';
import { type BodyRule, bytesSchema } from './body-rules.ts';
import { readEnvelope } from './envelope.ts';
import { invalidRequest } from '../answer/problem.ts';

/** Longest body with keys, in bytes: 100,000 of them take 3.5 MB. */
const KEYS_BYTES_MAX = 4 * 2 ** 20;
/** Longest body with answers, in bytes. A client sends more of them in several requests. */
const ENTRIES_BYTES_MAX = 32 * 2 ** 20;
/** Longest answer, in bytes: a row of a table, and no file. */
const ANSWER_BYTES_MAX = 4 * 2 ** 20;

const LF = 0x0a;
const EMPTY = new Uint8Array();
const decoder = new TextDecoder('utf-8', { fatal: true });

/** A JSON object with many keys. */
export function keysBody<Schema extends TSchema>(schema: Schema): BodyRule<Static<Schema>> {
  const check = compileCheck(schema);
  return {
    required: true,
    content: { 'application/json': schema },
    bytesMax: KEYS_BYTES_MAX,
    read(bytes = EMPTY) {
      const { value } = readEnvelope(bytes);
      const errors = check(value);
      if (errors.length === 0) return value as Static<Schema>;
      throw invalidRequest('The request is not valid', errors);
    },
  };
}

/**
 * Answers as JSON Lines, each under its key: `{"key": "…", "answer": …}`. An answer's text stays as
 * it is.
 */
export const ENTRIES_BODY: BodyRule<readonly Answered[]> = {
  required: true,
  content: {
    'application/jsonlines': Type.String({
      description:
        'A line for every answer: `{"key": "<32 hexadecimal digits>", "answer": <an object or an array>}`. 32 MiB at the most, and 4 MiB an answer.',
    }),
    'application/octet-stream': bytesSchema('The same lines, for clients that know no JSON Lines.'),
  },
  bytesMax: ENTRIES_BYTES_MAX,
  read(bytes = EMPTY) {
    const entries: Answered[] = [];
    let line = 1;
    for (let start = 0; start < bytes.length; line += 1) {
      const found = bytes.indexOf(LF, start);
      const end = found === -1 ? bytes.length : found;
      if (end > start) entries.push(readEntry(bytes.subarray(start, end), line));
      start = end + 1;
    }
    return entries;
  },
};

function readEntry(bytes: Uint8Array, line: number): Answered {
  const members = new Map<string, Uint8Array>();
  const scan = openScan(bytes);
  const end =
    bytes[0] === OPEN_BRACE
      ? scanObject(scan, 0, 1, ({ nameStart, nameEnd, valueStart, valueEnd }) => {
          const name = textOf(bytes.subarray(nameStart, nameEnd), line).slice(1, -1);
          if (members.has(name)) throw malformed(line, `names ${JSON.stringify(name.slice(0, 80))} twice`);
          members.set(name, bytes.subarray(valueStart, valueEnd));
        })
      : FAILED;
  if (end === FAILED || skipSpace(scan, end) < bytes.length)
    throw malformed(line, `is no JSON object${scan.fault === '' ? '' : `: ${scan.fault}`}`);
  const [key, answer] = [members.get('key') ?? EMPTY, members.get('answer') ?? EMPTY];
  const errors = [...mistakesOf(members.keys(), line), ...mistakesOfKey(key, line), ...mistakesOfAnswer(answer, line)];
  if (errors.length > 0) throw invalidRequest('The answers are not valid', errors);
  return { key: textOf(key, line).slice(1, -1) as CacheKey, answer: textOf(answer, line) };
}

const at = (line: number, member: string): string => `/${line - 1}/${member}`;

function mistakesOf(names: Iterable<string>, line: number): FieldError[] {
  const unknown = [...names].filter((name) => name !== 'key' && name !== 'answer');
  return unknown.map((name) => ({ pointer: at(line, name.slice(0, 80)), detail: 'is not known here' }));
}

function mistakesOfKey(text: Uint8Array, line: number): FieldError[] {
  if (text.length === 34 && CACHE_KEY.test(textOf(text, line).slice(1, -1))) return [];
  return [{ pointer: at(line, 'key'), detail: 'must be 32 lower-case hexadecimal digits' }];
}

function mistakesOfAnswer(text: Uint8Array, line: number): FieldError[] {
  const pointer = at(line, 'answer');
  // Anything else could be taken for what a lookup says of a key that has no answer.
  if (text[0] !== OPEN_BRACE && text[0] !== OPEN_BRACKET) return [{ pointer, detail: 'must be an object or an array' }];
  if (text.length > ANSWER_BYTES_MAX)
    return [{ pointer, detail: `is longer than ${formatBytes(ANSWER_BYTES_MAX)}, the most that is kept` }];
  return [];
}

function textOf(bytes: Uint8Array, line: number): string {
  try {
    return decoder.decode(bytes);
  } catch {
    throw malformed(line, 'is no UTF-8');
  }
}

const malformed = (line: number, what: string): ServiceError =>
  new ServiceError(
    'malformed-body',
    `Line ${line} of the answers ${what}. Write {"key": …, "answer": …} on every line.`,
  );
