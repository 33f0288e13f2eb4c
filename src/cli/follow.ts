// Waiting for a run in front of a person: progress on standard error, and Ctrl-C that says what goes on.

import type { Claimcheck } from '../client/connect.ts';
import { RunEndedError } from '../client/errors.ts';
import type { Run } from '../client/run.ts';
import type { RunBody } from '../wire/runs.ts';
import { comeBack, type ConnectionOptions } from './connection.ts';
import { Interrupted } from './failure.ts';
import { Interrupts } from './interrupts.ts';
import { Watch } from './watch.ts';

/** How long a second Ctrl-C may follow the first. */
const SECOND_CHANCE_MS = 3_000;

/**
 * Waits until a run has ended, well or not, and answers it.
 *
 * @throws Interrupted after Ctrl-C: the run goes on, or was cancelled by a second one
 */
export async function follow(client: Claimcheck, run: Run, connection: ConnectionOptions): Promise<RunBody> {
  const interrupts = new Interrupts();
  const watch = new Watch(client);
  try {
    const ended = await run.wait({ signal: interrupts.first, onProgress: (body) => watch.show(body) });
    watch.end('summary');
    return ended;
  } catch (error) {
    watch.end('nothing');
    if (!interrupts.first.aborted) throw error;
    throw await offerToCancel(run, connection, interrupts);
  } finally {
    interrupts.stop();
  }
}

/** After the first Ctrl-C: says what goes on, and leaves a moment for the second. */
async function offerToCancel(run: Run, connection: ConnectionOptions, interrupts: Interrupts): Promise<Interrupted> {
  const goesOn = `Stopped waiting. Run ${run.id} goes on. Come back with: ${comeBack('wait', run.id, connection)}`;
  process.stderr.write(`${goesOn}\nCtrl-C again within ${SECOND_CHANCE_MS / 1_000} s cancels the run.\n`);
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
