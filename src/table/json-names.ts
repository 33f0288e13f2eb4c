// The names in JSON objects, decoded once: rows of one table name their columns in the same order, nearly always.
import { startsWithBytes } from './bytes.ts';
import type { Member } from './json-scan.ts';

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
  const raw = bytes.subarray(nameStart, nameEnd);
  const name = JSON.parse(decoder.decode(raw)) as string;
  memory.raw[position] = raw;
  memory.names[position] = name;
  return name;
}
