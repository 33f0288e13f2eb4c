// What is printed of a run that was handed in and is not waited for.

import type { Run } from '../client/run.ts';
import { comeBack, type ConnectionOptions } from './connection.ts';
import { jsonText, write } from './text.ts';

/** Says on standard error where handing an input in made no run: what is waited for may have another input. */
export async function noteDeduplicated({ deduplicated, id }: Run): Promise<void> {
  if (!deduplicated) return;
  await write(process.stderr, `No run was made: ${id} has the same concurrency key and has not ended.\n`);
}

/** The id alone on standard output, so that it can be caught; how to come back for the run on standard error. With --json, the run. */
export async function printSubmitted(run: Run, options: ConnectionOptions): Promise<void> {
  if (options.json === true) {
    await write(process.stdout, jsonText(await run.status()));
    return;
  }
  await write(process.stdout, `${run.id}\n`);
  await noteDeduplicated(run);
  await write(
    process.stderr,
    `Wait for it:      ${comeBack('wait', run.id, options)}\nFetch its output: ${comeBack('output', run.id, options)} -o <file>\n`,
  );
}
