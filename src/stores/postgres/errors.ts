// What went wrong between here and Postgres: whether something was done, was not done, or cannot be
// known.

import { StorageUnavailable } from '../../domain/errors.ts';

/**
 * The connection was lost while a write was on its way, so that nobody knows whether it was
 * committed.
 */
export class OutcomeUnknown extends StorageUnavailable {
  override readonly name = 'OutcomeUnknown';
  override readonly mayBeDone = true;
}

/** Postgres could not be reached for as long as the ledger waits for it; nothing was done. */
export class Unreachable extends StorageUnavailable {
  override readonly name = 'Unreachable';
}

/** The database cannot be used as it is; the message says why and what to do. */
export class Unusable extends Error {
  override readonly name = 'Unusable';
}

/**
 * SQLSTATEs by which Postgres says that it goes, is not there yet, or has no room; class 08 is the
 * connection itself.
 */
const GOING = new Set(['57P01', '57P02', '57P03', '57P05', '53300', '25P03']);
/**
 * SQLSTATEs after which a transaction is undone for certain and may be tried again: a deadlock, a
 * lost race.
 */
const UNDONE = new Set(['40001', '40P01']);
const NOT_NULL_VIOLATION = '23502';
const DISK_FULL = '53100';
const NETWORK = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
  'ETIMEDOUT',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOENT',
]);
/** What pg says without a code. */
const WORDS =
  /^(?:Connection terminated|timeout exceeded when trying to connect|Query read timeout|Client .* is not queryable)/;

/**
 * SQLSTATEs that speak of what was asked and not of the database: a value or a row that is refused,
 * a statement that is wrong. Of class 42 a missing right or table is not among them: somebody has
 * changed the database, and may change it back.
 */
const ABOUT_THE_CALL = /^(?:2[0-3]|42(?!501|P01))/;

/** What pg tells about an error; every field may be missing. */
interface PgFields {
  readonly code?: unknown;
  readonly constraint?: unknown;
  readonly column?: unknown;
  readonly message?: unknown;
}

const fieldsOf = (error: unknown): PgFields => (typeof error === 'object' && error !== null ? error : {});

/** Whether the connection is to blame, and another one may do better. */
export function isConnectionLost(error: unknown): boolean {
  const { code, message } = fieldsOf(error);
  if (typeof code === 'string' && (GOING.has(code) || NETWORK.has(code) || code.startsWith('08'))) return true;
  return typeof message === 'string' && WORDS.test(message);
}

/**
 * Whether Postgres does not do what it is asked for, though nothing is wrong with that: it is
 * stopping, read-only, out of memory.
 */
export function isTroubleOfPostgres(error: unknown): boolean {
  if (error instanceof StorageUnavailable) return false;
  const { code } = fieldsOf(error);
  return (
    isConnectionLost(error) || (typeof code === 'string' && /^[0-9A-Z]{5}$/.test(code) && !ABOUT_THE_CALL.test(code))
  );
}

/** Whether the connection was lost before, so that the statement was not even sent. */
export function wasNeverSent(error: unknown): boolean {
  const { message } = fieldsOf(error);
  return typeof message === 'string' && message.endsWith('is not queryable');
}

/** Whether Postgres has undone the transaction and it may be tried again as it is. */
export function isUndone(error: unknown): boolean {
  const { code } = fieldsOf(error);
  return typeof code === 'string' && UNDONE.has(code);
}

/** Whether Postgres has no room for what was to be written; the transaction is undone. */
export function isDiskFull(error: unknown): boolean {
  return fieldsOf(error).code === DISK_FULL;
}

/** Whether a row was refused by the constraint of this name. */
export function isRefusedBy(error: unknown, constraint: string): boolean {
  return fieldsOf(error).constraint === constraint;
}

/** Whether a row was refused for having nothing in this column. */
export function lacks(error: unknown, column: string): boolean {
  const { code, column: of } = fieldsOf(error);
  return code === NOT_NULL_VIOLATION && of === column;
}

/** Where a URL leads, without the password that may be in it: `host:port/database`. */
export function placeOf(url: string): string {
  const { host, pathname } = new URL(url);
  return `${host === '' ? 'localhost' : host}${pathname}`;
}

/** What kept a database from being opened, as a sentence that says what to do. */
export function notOpened(error: unknown, url: string): Unusable {
  return error instanceof Unusable ? error : new Unusable(whyNotOpened(error, url), { cause: error });
}

function whyNotOpened(error: unknown, url: string): string {
  const place = placeOf(url);
  const user = decodeURIComponent(new URL(url).username);
  const { code, message } = fieldsOf(error);
  switch (code) {
    case '28P01':
    case '28000':
      return `Postgres at ${place} does not let the user "${user}" in: check the user and the password in the URL.`;
    case '3D000':
      return `Postgres at ${place} has no such database: create it first (createdb), or name another one in the URL.`;
    case '42501':
      return `The user "${user}" may not create the schema claimcheck at ${place}: GRANT CREATE ON the database to it, or let its owner start claimcheck once.`;
    default:
      return isConnectionLost(error)
        ? `Postgres cannot be reached at ${place} (${String(message === '' ? code : message)}): check that it runs and that the URL is right.`
        : `Postgres at ${place} cannot be used: ${String(message)}`;
  }
}
