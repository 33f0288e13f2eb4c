// What a person is told of a run that failed, beside its error: what its model wrote last, and
// where the rest is.

import { type ClaimcheckError, ConnectionError, errorOfRun } from '../client/errors.ts';
import type { Run } from '../client/run.ts';
import { logLineText } from '../domain/log-line.ts';
import type { RunBody } from '../wire/runs.ts';
import { asCalled } from './called-as.ts';
import { type ConnectionOptions, serverOption } from './connection.ts';
import { plainLine, write } from './text/text.ts';

/** Lines that are shown: where a model fails, the last ones say why. */
const LINES_SHOWN = 5;

/** Says on standard error how a run that failed is looked into, and answers its error. */
export async function explained(run: Run, ended: RunBody, connection: ConnectionOptions): Promise<Error> {
  const error = errorOfRun(ended);
  if (ended.status === 'failed') await write(process.stderr, asCalled(await explanation(run, ended, connection)));
  return error;
}

async function explanation(run: Run, { batch }: RunBody, connection: ConnectionOptions): Promise<string> {
  const server = serverOption(connection);
  if (batch !== null)
    return `Which of its chunks failed: claimcheck runs list --parent ${run.id} --status failed${server}\n`;
  const lines = await run.logs().catch(unlessAnswered);
  const shown = lines.slice(-LINES_SHOWN).map((line) => `  ${plainLine(logLineText(line))}\n`);
  if (shown.length === 0) return `Its model wrote nothing. Its attempts: claimcheck runs show ${run.id}${server}\n`;
  const which =
    shown.length === lines.length ? 'What its model wrote' : `The last of ${lines.length} lines of its model`;
  return `${which}:\n${shown.join('')}All of it: claimcheck runs logs ${run.id}${server}\n`;
}

/**
 * The log is no more than an explanation: where it cannot be had, for want of the scope or of a
 * server, the run's own error is still to be told.
 */
function unlessAnswered(error: unknown): [] {
  if (error instanceof ConnectionError || (error as Partial<ClaimcheckError>).slug !== undefined) return [];
  throw error;
}
