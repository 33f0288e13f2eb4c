// claimcheck submit

import { Command } from 'commander';
import { clientOf } from '../connection.ts';
import { readSubmission, type SubmissionOptions, withSubmission } from '../submission.ts';
import { printSubmitted } from '../submitted.ts';

/** The command that hands an input in and does not wait. */
export function submitCommand(): Command {
  return withSubmission(new Command('submit'))
    .summary('hand an input in and come back later')
    .description(
      "Hands an input in and prints the run's id as soon as the server has written it down. How to come back for it goes to standard error, so that the id alone can be caught: id=$(claimcheck submit ...).",
    )
    .addHelpText('after', '\nExample:\n  $ claimcheck submit smiles-to-3d molecules.csv --run-name nightly')
    .action(submit);
}

async function submit(
  first: string | undefined,
  second: string | undefined,
  options: SubmissionOptions,
): Promise<void> {
  const { endpoint, input, options: said } = await readSubmission(first, second, options);
  const run = await clientOf(options).endpoint(endpoint).submit(input, said);
  await printSubmitted(run, options);
}
