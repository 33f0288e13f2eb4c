// The names in JSON objects, decoded once: rows of one table name their columns in the same order, nearly always.
import { startsWithBytes } from './bytes.ts';
import { COLUMNS_MAX } from './codec.ts';
import { shownName, TableError } from './format.ts';
import type { Member, VisitMember } from './json-scan.ts';

/** The names met so far, by position in the row; the last one met stands for the next row. */
export interface NameMemory {
  readonly raw: Uint8Array[];
  readonly names: string[];
}

/** A memory with nothing in it. */
export function openNames(): NameMemory {
  return { raw: [], names: [] };
}

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** The name of a member. */
export function nameOf(memory: NameMemory, bytes: Uint8Array, { position, nameStart, nameEnd }: Member): string {
  const known = memory.raw[position];
  // A name ends with its quote, so no name is the start of another.
  if (known !== undefined && startsWithBytes(bytes, nameStart, known)) {
    return memory.names[position] as string;
  }
  // A copy: what the table is read from may be let go of.
  const raw = bytes.slice(nameStart, nameEnd);
  const name = JSON.parse(decoder.decode(raw)) as string;
  memory.raw[position] = raw;
  memory.names[position] = name;
  return name;
}

/** A row has a name more than once, so that one of two values would be lost. Who scans the row knows where it stands, and says so. */
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
 * Adds the names in the rows of some bytes to those of the table, in the order first met: a row need not have every column.
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

/** Gathered names as the columns of a table; null where there are none, as nothing is known of them then. */
export const columnsOf = (names: ReadonlySet<string>): readonly string[] | null => (names.size > 0 ? [...names] : null);
