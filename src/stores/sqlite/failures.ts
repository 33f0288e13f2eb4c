// What an error of SQLite means for the ledger. Result codes: https://www.sqlite.org/rescode.html

import { StorageBroken } from '../../domain/errors.ts';

const BUSY = 5;
const LOCKED = 6;
const NOMEM = 7;
const READONLY = 8;
const INTERRUPT = 9;
const IOERR = 10;
const CORRUPT = 11;
const FULL = 13;
const CANTOPEN = 14;
const PROTOCOL = 15;
const NOTADB = 26;

/**
 * Codes after which nobody can know what the file holds. READONLY among them: it says that the file
 * was moved or turned read-only under the server.
 */
const BROKEN: ReadonlySet<number> = new Set([READONLY, IOERR, CORRUPT, CANTOPEN, NOTADB]);

/**
 * Codes by which SQLite says that it cannot do now what it may do later: somebody else has the
 * file, or there is no memory.
 */
const AWAY: ReadonlySet<number> = new Set([BUSY, LOCKED, NOMEM, INTERRUPT, PROTOCOL]);

/**
 * `full`: undone for want of room, everything else goes on. `away`: undone, and may be done later.
 * `broken`: the file can no longer be trusted. `bug`: one call's own affair.
 */
export type Failure = 'full' | 'away' | 'broken' | 'bug';

/** What an error that a statement threw means. */
export function failureOf(error: unknown): Failure {
  if (error instanceof StorageBroken) return 'broken';
  const code = codeOf(error);
  if (code === FULL) return 'full';
  if (code === null) return 'bug';
  return BROKEN.has(code) ? 'broken' : AWAY.has(code) ? 'away' : 'bug';
}

/** Whether a file was opened that is no database at all. */
export const isNoDatabase = (error: unknown): boolean => codeOf(error) === NOTADB;

/** SQLite's primary result code: the low eight bits of the extended one that Node hands on. */
function codeOf(error: unknown): number | null {
  const { errcode } = (typeof error === 'object' && error !== null ? error : {}) as { errcode?: unknown };
  return typeof errcode === 'number' ? errcode & 0xff : null;
}
