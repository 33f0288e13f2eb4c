// The names in JSON objects, decoded once: rows of one table name their columns in the same order,
// nearly always.
import { BACKSLASH, QUOTE, startsWithBytes } from '../bytes.ts';
import { COLUMNS_MAX } from '../codec.ts';
import { shownName, TableError } from '../format.ts';
import type { Member, VisitMember } from './scan.ts';

/** The names met so far, by position in the row; the last one met stands for the next row. */
export interface NameMemory {
  readonly names: string[];
  /** What each was read from; null for a plain one, which is compared itself. */
  readonly raw: (Uint8Array | null)[];
}

/** A memory with nothing in it. */
export function openNames(): NameMemory {
  return { names: [], raw: [] };
}

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** The name of a member. */
export function nameOf(memory: NameMemory, bytes: Uint8Array, { position, nameStart, nameEnd }: Member): string {
  const known = memory.names[position];
  if (known !== undefined && isThere(bytes, nameStart, known, memory.raw[position] ?? null)) return known;
  const plain = plainName(bytes, nameStart, nameEnd);
  if (plain !== null) return remember(memory, position, plain, null);
  // A copy: what the table is read from may be released.
  const raw = bytes.slice(nameStart, nameEnd);
  return remember(memory, position, JSON.parse(decoder.decode(raw)) as string, raw);
}

function remember(memory: NameMemory, position: number, name: string, raw: Uint8Array | null): string {
  memory.names[position] = name;
  memory.raw[position] = raw;
  return name;
}

/**
 * Whether a name stands at a place. A name ends with its quote, so no name is the start of another.
 */
function isThere(bytes: Uint8Array, nameStart: number, name: string, raw: Uint8Array | null): boolean {
  if (raw !== null) return startsWithBytes(bytes, nameStart, raw);
  for (let at = 0; at < name.length; at += 1) if (bytes[nameStart + 1 + at] !== name.charCodeAt(at)) return false;
  return bytes[nameStart + 1 + name.length] === QUOTE;
}

/**
 * Longest name, with its quotes, that is put together by hand, in bytes: to ask a decoder costs
 * more than a short name.
 */
const BY_HAND_MAX = 32;
const FIRST_PRINTED = 0x20;
const LAST_PRINTED = 0x7e;

/** A plain name: short, in ASCII, without escapes; null for any other. */
function plainName(bytes: Uint8Array, nameStart: number, nameEnd: number): string | null {
  if (nameEnd - nameStart > BY_HAND_MAX) return null;
  let name = '';
  for (let at = nameStart + 1; at < nameEnd - 1; at += 1) {
    const code = bytes[at] as number;
    if (code < FIRST_PRINTED || code > LAST_PRINTED || code === BACKSLASH) return null;
    name += String.fromCharCode(code);
  }
  return name;
}

/**
 * A row has a name more than once, so that one of two values would be lost. Who scans the row knows
 * where it stands, and says so.
 */
export class NameTwice extends Error {
  override readonly name = 'NameTwice';
  readonly column: string;

  constructor(column: string) {
    super(`names ${shownName(column)} more than once; give every value of a row a name of its own.`);
    this.column = column;
  }
}

/** A column, and the last row that has it, counted among the rows that have any. */
interface GatheredName {
  readonly name: string;
  lastRow: number;
}

/**
 * Adds the names in the rows of some bytes to those of the table, in the order first met: a row
 * need not have every column.
 *
 * @throws TableError, from the visit, where there are more than a table may have, and NameTwice
 */
export function gatherNames(bytes: Uint8Array, names: Set<string>): VisitMember {
  const memory = openNames();
  const gathered = new Map<string, GatheredName>();
  // By position in the row, as the names are remembered: nearly always nothing has to be looked up.
  const expected: GatheredName[] = [];
  let row = 0;
  const gather = (name: string): GatheredName => {
    names.add(name);
    if (names.size > COLUMNS_MAX)
      throw new TableError(`The rows name more than ${COLUMNS_MAX} columns; send at most so many.`);
    const found = gathered.get(name) ?? { name, lastRow: 0 };
    gathered.set(name, found);
    return found;
  };
  return (member) => {
    const { position } = member;
    if (position === 0) row += 1;
    const name = nameOf(memory, bytes, member);
    let column = expected[position];
    if (column === undefined || column.name !== name) {
      column = gather(name);
      expected[position] = column;
    }
    if (column.lastRow === row) throw new NameTwice(name);
    column.lastRow = row;
  };
}

/**
 * Gathered names as the columns of a table; null where there are none, as nothing is known of them
 * then.
 */
export const columnsOf = (names: ReadonlySet<string>): readonly string[] | null => (names.size > 0 ? [...names] : null);
