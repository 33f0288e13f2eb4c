// The sockets that listen on a port of 127.0.0.1, as Linux lists them in /proc/net/tcp and tcp6
// (proc(5)).

import { closeSync, openSync, readSync } from 'node:fs';
import { endianness } from 'node:os';

/** A socket that listens. */
export interface Listener {
  /** Names the socket for as long as the machine runs: the kernel counts up. */
  readonly inode: string;
  /** The user who made it. */
  readonly uid: number;
}

/** In the state column. */
const LISTENING = '0A';
const CHUNK_BYTES = 16_384;

/** An address as the kernel prints it: each word of four bytes as a number of this machine. */
const printed = (...words: readonly string[]): string =>
  words
    .map((word) => (endianness() === 'LE' ? Buffer.from(Buffer.from(word, 'hex').toReversed()).toString('hex') : word))
    .join('');
const NONE = '00000000';
const LOOPBACK = printed('7f000001');
const MAPPED_LOOPBACK = printed(NONE, NONE, '0000ffff', '7f000001');
const ANY_V6 = printed(NONE, NONE, NONE, NONE);
/**
 * Which of the listeners on a port gets a connection to 127.0.0.1, as the kernel chooses: those of
 * the first of these that anybody has.
 */
const MOST_SPECIFIC_FIRST: readonly (readonly string[])[] = [[LOOPBACK, MAPPED_LOOPBACK], [NONE], [ANY_V6]];

/**
 * The listeners that a connection to a port of 127.0.0.1 may reach now; several where they share
 * the port (SO_REUSEPORT). Null on a system that does not list them.
 */
export function listenersOn(port: number): readonly Listener[] | null {
  const suffix = `:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  const tables = ['/proc/self/net/tcp', '/proc/self/net/tcp6'].map(readListening);
  // A kernel without IPv6 has the first alone.
  if (tables[0] === null) return null;
  const rows = tables.flatMap((table) => table ?? []).filter(({ local }) => local.endsWith(suffix));
  const groups = MOST_SPECIFIC_FIRST.map((addresses) =>
    rows.filter(({ local }) => addresses.includes(local.slice(0, -suffix.length).toLowerCase())),
  );
  return groups.find((group) => group.length > 0) ?? [];
}

/** The rows of sockets that listen: they come first, and what follows may be very long. */
function readListening(file: string): (Listener & { readonly local: string })[] | null {
  let text = '';
  try {
    const handle = openSync(file, 'r');
    try {
      const chunk = Buffer.alloc(CHUNK_BYTES);
      for (let read = -1; read !== 0 && !hasOthers(text);) {
        read = readSync(handle, chunk);
        text += chunk.toString('latin1', 0, read);
      }
    } finally {
      closeSync(handle);
    }
  } catch (error) {
    if (['ENOENT', 'EACCES', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code ?? '')) return null;
    throw error;
  }
  return text.split('\n').flatMap((line) => {
    const [, local, , state, , , , uid, , inode] = line.trim().split(/\s+/);
    return state === LISTENING ? [{ local: local!, uid: Number(uid), inode: inode! }] : [];
  });
}

/** Whether a whole row that does not listen has been read. */
function hasOthers(text: string): boolean {
  const last = text.slice(0, text.lastIndexOf('\n')).split('\n').at(-1)!;
  const state = last.trim().split(/\s+/)[3];
  return state !== undefined && state !== 'st' && state !== LISTENING;
}
