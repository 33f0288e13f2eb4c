// claimcheck check

import { Command } from 'commander';
import pc from 'picocolors';
import { loadConfig } from '../config/config.ts';
import { inspectModels } from '../service.ts';

/** The command that says everything that is wrong with a configuration, and starts nothing. */
export function checkCommand(): Command {
  return new Command('check')
    .summary('check a configuration file')
    .description(
      'Reads a configuration and imports every model file, and prints every mistake at once with its place. Starts no server and loads no model.',
    )
    .option('-c, --config <file>', 'configuration file (default: claimcheck.config.ts, .js, .json or .yaml here)')
    .addHelpText('after', '\nExample:\n  $ claimcheck check --config examples/molecules/claimcheck.config.ts')
    .action(check);
}

async function check(options: { readonly config?: string }): Promise<void> {
  const config = await loadConfig(options);
  const kinds = await inspectModels(config);
  for (const { name, mode } of config.endpoints) {
    process.stdout.write(
      `${pc.green('ok')}  ${name}  ${mode}, ${kinds.get(name) === 'rows' ? 'takes tables' : 'takes any input'}\n`,
    );
  }
}
