// Waiting for a run in front of a person: progress on standard error, and Ctrl-C that says what
// goes on.

import { ConnectionError, RunEndedError } from '../client/errors.ts';
import type { Run } from '../client/run.ts';
import type { RunBody } from '../wire/runs.ts';
import { comeBack, type ConnectionOptions } from './connection.ts';
import { Interrupted } from './failure.ts';
import { Interrupts } from './interrupts.ts';
import { outputFileOf, type OutputOptions } from './output-place.ts';

/** How long a second Ctrl-C may follow the first. */
const SECOND_CHANCE_MS = 3_000;

/** Where the run is, and where its output was to go. */
interface FollowOptions extends ConnectionOptions, OutputOptions {}

/**
 * Waits until a run has ended, well or not, and answers it.
 *
 * @throws Interrupted after Ctrl-C: the run goes on, or was cancelled by a second one; and after
 *   what ends a command at once
 */
export async function follow(run: Run, options: FollowOptions): Promise<RunBody> {
  const interrupts = new Interrupts();
  try {
    return await run.wait({ signal: interrupts.first, progress: true });
  } catch (error) {
    const isInterrupted = interrupts.first.aborted;
    if (isInterrupted || error instanceof ConnectionError) process.stderr.write(howToComeBack(run, options));
    if (!isInterrupted) throw error;
    if (interrupts.signal !== 'SIGINT') throw new Interrupted('', interrupts.signal);
    throw await offerToCancel(run, interrupts);
  } finally {
    interrupts.stop();
  }
}

/** What goes on, and the commands with which it is waited for and fetched. */
function howToComeBack(run: Run, options: FollowOptions): string {
  const goesOn = `Stopped waiting. Run ${run.id} goes on. Come back with: ${comeBack('wait', run.id, options)}\n`;
  const file = outputFileOf(options);
  return file === undefined ? goesOn : `${goesOn}Fetch its output then: ${comeBack('output', run.id, options, file)}\n`;
}

/** After the first Ctrl-C: leaves a moment for the second. */
async function offerToCancel(run: Run, interrupts: Interrupts): Promise<Interrupted> {
  process.stderr.write(`Ctrl-C again within ${SECOND_CHANCE_MS / 1_000} s cancels the run.\n`);
  if (!(await interrupts.second(SECOND_CHANCE_MS))) return new Interrupted('');
  // From here on, Ctrl-C ends the process as everywhere, should the server not answer.
  interrupts.stop();
  try {
    await run.cancel();
    return new Interrupted(`Cancelled run ${run.id}.`);
  } catch (error) {
    if (!(error instanceof RunEndedError)) throw error;
    return new Interrupted(error.detail);
  }
}
