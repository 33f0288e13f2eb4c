// From an error to what a person reads and what a script sees.

import { ClaimcheckError, ConnectionError } from '../client/errors.ts';
import { ConfigError } from '../config/config-error.ts';
import { StorageBroken } from '../domain/errors.ts';
import { FolderError } from '../system/folders.ts';
import { plain } from './text/text.ts';

/**
 * Exit codes: 0 is success; a run that failed is not. A script tells apart what was decided (1, 65,
 * 77) from what may go better later (69, 75). 64 to 78 are those of sysexits.h, and those of
 * signals are what shells use.
 */
export const EXIT = {
  ok: 0,
  /** The run that was asked about failed, or was cancelled. */
  failed: 1,
  usage: 2,
  /** EX_DATAERR: the server refused the request. */
  refused: 65,
  /** EX_UNAVAILABLE: no server answers, or it cannot do its work now. */
  unavailable: 69,
  /** EX_SOFTWARE: a bug, here or in the server. */
  bug: 70,
  /** EX_IOERR */
  storage: 74,
  /** EX_TEMPFAIL: the server takes no more just now. */
  notNow: 75,
  /** EX_NOPERM: the API key is missing, unknown, or may not do this. */
  noPermission: 77,
  SIGHUP: 129,
  SIGINT: 130,
  SIGTERM: 143,
} as const;

/** What ends a command from outside: a terminal that was closed, Ctrl-C, and `kill`. */
export type StopSignal = 'SIGHUP' | 'SIGINT' | 'SIGTERM';

/**
 * The command was asked for something that it cannot do: wrong arguments, a file that cannot be
 * read.
 */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** Ctrl-C, or another signal; the message says what goes on and how to come back. */
export class Interrupted extends Error {
  override readonly name = 'Interrupted';
  readonly signal: StopSignal;

  constructor(message: string, signal: StopSignal = 'SIGINT') {
    super(message);
    this.signal = signal;
  }
}

/** What is printed of an error, and what the process exits with. */
export interface Report {
  readonly text: string;
  readonly exitCode: number;
}

/** What the caller has to put right before the command can succeed. */
const WRONG_USAGE = [UsageError, ConfigError, FolderError];
/**
 * The errors that the language itself throws: nobody writes a sentence for a reader into one of
 * these.
 */
const BUGS = [TypeError, RangeError, ReferenceError, SyntaxError];

/** One sentence for every error that can be expected; only a bug shows its stack. */
export function reportOf(error: unknown): Report {
  if (!(error instanceof Error) || BUGS.some((Bug) => error instanceof Bug)) return reportOfBug(error);
  if (error instanceof Interrupted) return { text: plain(error.message), exitCode: EXIT[error.signal] };
  const sentence = error instanceof ClaimcheckError ? problemText(error) : error.message;
  return { text: `error: ${plain(sentence)}`, exitCode: exitCodeOf(error) };
}

function exitCodeOf(error: Error): number {
  if (error instanceof StorageBroken) return EXIT.storage;
  if (error instanceof ConnectionError) return EXIT.unavailable;
  if (error instanceof ClaimcheckError) return exitCodeOfProblem(error);
  return WRONG_USAGE.some((Wrong) => error instanceof Wrong) ? EXIT.usage : EXIT.failed;
}

/**
 * A problem that the server answered a request with has the request's id; the failure of a run has
 * none.
 */
function exitCodeOfProblem({ instance, status }: ClaimcheckError): number {
  if (instance === null) return EXIT.failed;
  if (status === 401 || status === 403) return EXIT.noPermission;
  if (status === 408 || status === 429 || status === 507) return EXIT.notNow;
  if (status === 502 || status === 503 || status === 504) return EXIT.unavailable;
  return status >= 500 ? EXIT.bug : EXIT.refused;
}

function reportOfBug(error: unknown): Report {
  const stack = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return { text: `error: this should not have happened; please report it.\n${plain(stack)}`, exitCode: EXIT.bug };
}

function problemText({ slug, detail, runId, instance, status }: ClaimcheckError): string {
  if (runId !== null) return detail.includes(runId) ? `${slug}: ${detail}` : `${slug}: ${detail} (run ${runId})`;
  return status >= 500 && instance !== null ? `${slug}: ${detail} (${instance})` : `${slug}: ${detail}`;
}
