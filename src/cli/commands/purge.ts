// claimcheck purge

import { Command } from 'commander';
import { clientOf, type ConnectionOptions, withConnection } from '../connection.ts';
import { jsonText, plainLine, write } from '../text/text.ts';
import { readSeconds } from '../values.ts';

interface PurgeOptions extends ConnectionOptions {
  readonly olderThan?: number;
  readonly runName?: string;
  readonly dryRun?: boolean;
}

/** The command that empties a queue. */
export function purgeCommand(): Command {
  return withConnection(new Command('purge'))
    .summary("cancel the runs in an endpoint's queue")
    .description(
      'Cancels the runs that wait in the queue of an endpoint, and says how many. Those that are running go on, and those that arrive meanwhile stay.',
    )
    .argument('<endpoint>', 'the endpoint')
    .option(
      '--older-than <duration>',
      "only runs that arrived longer ago: '90s', '10m' or a number of seconds",
      readSeconds,
    )
    .option('--run-name <name>', 'only runs with this label')
    .option('--dry-run', 'say how many there are, and cancel none')
    .addHelpText('after', '\nExample:\n  $ claimcheck purge smiles-to-3d --older-than 10m --dry-run')
    .action(purge);
}

async function purge(endpoint: string, options: PurgeOptions): Promise<void> {
  const { olderThan, runName, dryRun } = options;
  const { cancelled } = await clientOf(options).endpoint(endpoint).purgeQueue({ olderThan, runName, dryRun });
  const runs = `${cancelled} queued ${cancelled === 1 ? 'run' : 'runs'} of ${plainLine(endpoint)}`;
  const text = dryRun === true ? `${runs} would be cancelled.\n` : `Cancelled ${runs}.\n`;
  const json = dryRun === true ? { cancelled, dry_run: true } : { cancelled };
  await write(process.stdout, options.json === true ? jsonText(json) : text);
}
