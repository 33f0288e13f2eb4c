// claimcheck invoke

import { Command } from 'commander';
import { clientOf } from '../connection.ts';
import { explained } from '../failed-run.ts';
import { follow } from '../follow.ts';
import { writeOutput } from '../output-file.ts';
import { checkWritable, outputFileOf, outputOption, type OutputOptions, wantedType } from '../output-place.ts';
import { readSubmission, type SubmissionOptions, withSubmission } from '../submission.ts';
import { assertOwn } from '../submitted.ts';
import { jsonText, write } from '../text/text.ts';

interface InvokeOptions extends SubmissionOptions, OutputOptions {}

/** The command that hands an input in, waits with progress, and writes the output. */
export function invokeCommand(): Command {
  return withSubmission(new Command('invoke'))
    .summary('run an input and wait for its output')
    .description(
      'Hands an input in, waits for the run with progress, and writes its output to -o or standard output. Tables go through as they are: no value is changed. Ctrl-C stops waiting, a second one cancels the run. With --json, standard output gets the run, and -o its output.',
    )
    .addOption(outputOption())
    .addHelpText('after', '\nExample:\n  $ claimcheck invoke smiles-to-2d molecules.csv -o descriptors.csv')
    .action(invoke);
}

async function invoke(first: string | undefined, second: string | undefined, options: InvokeOptions): Promise<void> {
  const { endpoint, input, options: said } = await readSubmission(first, second, options);
  const file = outputFileOf(options);
  if (file !== undefined) await checkWritable(file);
  const run = await clientOf(options)
    .endpoint(endpoint)
    .submit(input, { ...said, accept: wantedType(file, input) });
  assertOwn(run, options);
  const ended = await follow(run, options);
  if (options.json === true) await write(process.stdout, jsonText(ended));
  if (ended.status !== 'succeeded') throw await explained(run, ended, options);
  if (options.json === true && file === undefined) return;
  await writeOutput(run, file, options);
}
