// Both libraries compute without ever giving up the thread; between their calls the process must
// answer /ping and hear of a cancelled run.
import { setImmediate } from 'node:timers/promises';

/** Waits for one turn of the event loop, then throws the signal's reason if it was aborted. */
export async function letOthersRun(signal: AbortSignal): Promise<void> {
  await setImmediate();
  signal.throwIfAborted();
}
