// What is printed of a run that was handed in and is not waited for.

import { DeduplicatedError } from '../client/errors.ts';
import type { Run } from '../client/run.ts';
import { comeBack, type ConnectionOptions } from './connection.ts';
import { jsonText, write } from './text/text.ts';

/**
 * Refuses to wait for a run that was made for another input.
 *
 * @throws DeduplicatedError
 */
export function assertOwn({ deduplicated, id }: Run, options: ConnectionOptions): void {
  if (deduplicated) throw new DeduplicatedError(id, `Wait for that run: ${comeBack('wait', id, options)}`);
}

/**
 * The id alone on standard output, so that it can be caught; how to come back for the run on
 * standard error. With --json, the run.
 */
export async function printSubmitted(run: Run, options: ConnectionOptions): Promise<void> {
  if (options.json === true) {
    await write(process.stdout, jsonText(await run.status()));
    return;
  }
  await write(process.stdout, `${run.id}\n`);
  if (run.deduplicated)
    await write(process.stderr, `No run was made: ${run.id} has the same concurrency key and has not ended.\n`);
  await write(
    process.stderr,
    `Wait for it:      ${comeBack('wait', run.id, options)}\nFetch its output: ${comeBack('output', run.id, options)} -o <file>\n`,
  );
}
