// What a model leaves behind: a promise that nobody waits for, a timer or an emitter that throws.
// Node would end the process for each, and with it every run that it works on.

import { failInvocation } from './printed-output.ts';
import { traceOf } from './thrown.ts';

/**
 * From now on none of this ends the process. An error that reaches nobody fails the invocation
 * whose code has thrown it, where that is known and not over, since it may wait for ever for what
 * has failed; it is written to standard error in any case.
 */
export function surviveLeftovers(): void {
  process.on('unhandledRejection', (reason) => note('A promise was rejected that nobody waits for', reason));
  process.on('uncaughtException', (thrown) => {
    note('An error reached nobody', thrown);
    failInvocation(thrown);
  });
}

function note(what: string, thrown: unknown): void {
  try {
    process.stderr.write(`${what}: ${traceOf(thrown)}\n`);
  } catch {
    // A model may have put something else in the place of standard error.
  }
}
