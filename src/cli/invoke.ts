// claimcheck invoke

import { Command } from 'commander';
import { errorOfRun } from '../client/errors.ts';
import { clientOf } from './connection.ts';
import { checkWritable, wantedType, writeOutput } from './files.ts';
import { follow } from './follow.ts';
import { readSubmission, type SubmissionOptions, withSubmission } from './submission.ts';
import { assertOwn } from './submitted.ts';
import { jsonText, write } from './text.ts';

interface InvokeOptions extends SubmissionOptions {
  readonly output?: string;
}

/** The command that hands an input in, waits with progress, and writes the output. */
export function invokeCommand(): Command {
  return withSubmission(new Command('invoke'))
    .summary('run an input and wait for its output')
    .description(
      'Hands an input in, waits for the run with progress, and writes its output to -o or standard output. Tables go through as they are: no value is changed. Ctrl-C stops waiting, a second one cancels the run. With --json, standard output gets the run, and -o its output.',
    )
    .option('-o, --output <file>', 'where the output goes; .csv, .jsonl and .json also choose its format')
    .addHelpText('after', '\nExample:\n  $ claimcheck invoke smiles-to-2d molecules.csv -o descriptors.csv')
    .action(invoke);
}

async function invoke(first: string | undefined, second: string | undefined, options: InvokeOptions): Promise<void> {
  const { endpoint, input, options: said } = await readSubmission(first, second, options);
  if (options.output !== undefined) await checkWritable(options.output);
  const run = await clientOf(options)
    .endpoint(endpoint)
    .submit(input, { ...said, accept: wantedType(options.output, input) });
  assertOwn(run, options);
  const ended = await follow(run, options);
  if (options.json === true) await write(process.stdout, jsonText(ended));
  if (ended.status !== 'succeeded') throw errorOfRun(ended);
  if (options.json === true && options.output === undefined) return;
  await writeOutput(await run.output(), options.output);
}
