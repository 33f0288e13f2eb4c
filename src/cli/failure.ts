// From an error to what a person reads and what a script sees.

import { ClaimcheckError } from '../client/errors.ts';
import { StorageBroken } from '../domain/errors.ts';
import { plain } from './text.ts';

/** Exit codes: 0 is success; a run that failed is not. 74 is EX_IOERR of sysexits.h, 130 what shells use for Ctrl-C. */
export const EXIT = { ok: 0, failed: 1, usage: 2, storage: 74, interrupted: 130 } as const;

/** The command was asked for something that it cannot do: wrong arguments, a file that cannot be read. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** Ctrl-C; the message says what goes on and how to come back. */
export class Interrupted extends Error {
  override readonly name = 'Interrupted';
}

/** What is printed of an error, and what the process exits with. */
export interface Report {
  readonly text: string;
  readonly exitCode: number;
}

/** The errors that the language itself throws: nobody writes a sentence for a reader into one of these. */
const BUGS = [TypeError, RangeError, ReferenceError, SyntaxError];

/** One sentence for whatever can be expected; only a bug shows its stack. */
export function reportOf(error: unknown): Report {
  if (error instanceof Interrupted) return { text: plain(error.message), exitCode: EXIT.interrupted };
  if (error instanceof StorageBroken) return { text: `error: ${plain(error.message)}`, exitCode: EXIT.storage };
  if (error instanceof UsageError) return { text: `error: ${plain(error.message)}`, exitCode: EXIT.usage };
  if (error instanceof ClaimcheckError) return { text: `error: ${plain(problemText(error))}`, exitCode: EXIT.failed };
  if (error instanceof Error && !BUGS.some((Bug) => error instanceof Bug))
    return { text: `error: ${plain(error.message)}`, exitCode: EXIT.failed };
  const stack = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return { text: `error: this should not have happened; please report it.\n${plain(stack)}`, exitCode: EXIT.failed };
}

function problemText({ slug, detail, runId, instance, status }: ClaimcheckError): string {
  if (runId !== null) return detail.includes(runId) ? `${slug}: ${detail}` : `${slug}: ${detail} (run ${runId})`;
  return status >= 500 && instance !== null ? `${slug}: ${detail} (${instance})` : `${slug}: ${detail}`;
}
