// What an error of SQLite means for the ledger. Result codes: https://www.sqlite.org/rescode.html

import { StorageBroken } from '../../domain/errors.ts';

const READONLY = 8;
const IOERR = 10;
const CORRUPT = 11;
const FULL = 13;
const CANTOPEN = 14;
const NOTADB = 26;

/** Codes after which nobody can know what the file holds. READONLY among them: it says that the file was moved or turned read-only under the server. */
const BROKEN: ReadonlySet<number> = new Set([READONLY, IOERR, CORRUPT, CANTOPEN, NOTADB]);

/** `full`: undone for want of room, everything else goes on. `broken`: the file can no longer be trusted. `bug`: one call's own affair. */
export type Failure = 'full' | 'broken' | 'bug';

/** What an error that a statement threw means. */
export function failureOf(error: unknown): Failure {
  if (error instanceof StorageBroken) return 'broken';
  const code = codeOf(error);
  if (code === FULL) return 'full';
  return code !== null && BROKEN.has(code) ? 'broken' : 'bug';
}

/** Whether a file was opened that is no database at all. */
export const isNoDatabase = (error: unknown): boolean => codeOf(error) === NOTADB;

/** SQLite's primary result code: the low eight bits of the extended one that Node hands on. */
function codeOf(error: unknown): number | null {
  const { errcode } = (typeof error === 'object' && error !== null ? error : {}) as { errcode?: unknown };
  return typeof errcode === 'number' ? errcode & 0xff : null;
}
