// claimcheck check

import { Command } from 'commander';
import { coloursFor } from './text.ts';

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
  // Imported here, so that every other command starts without the server's code.
  const [{ loadConfig }, { inspectModels }] = await Promise.all([
    import('../config/config.ts'),
    import('../service.ts'),
  ]);
  const config = await loadConfig(options);
  const kinds = await inspectModels(config);
  const { green } = coloursFor(process.stdout);
  for (const { name, mode } of config.endpoints) {
    const takes = kinds.get(name) === 'rows' ? 'takes tables' : 'takes any input';
    process.stdout.write(`${green('ok')}  ${name}  ${mode}, ${takes}\n`);
  }
}
