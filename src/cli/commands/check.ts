// claimcheck check

import { resolve } from 'node:path';
import { Command } from 'commander';
import { ConfigError } from '../../config/config-error.ts';
import { coloursFor, jsonText, write } from '../text/text.ts';

/** The command that says everything that is wrong with a configuration, and starts nothing. */
export function checkCommand(): Command {
  return new Command('check')
    .summary('check a configuration file')
    .description(
      'Reads a configuration and imports every model file, and prints every mistake at once with its place. Exits with 2 where there is one. Starts no server and loads no model.',
    )
    .option('-c, --config <file>', 'configuration file (default: claimcheck.config.ts, .js, .json or .yaml here)')
    .option('--json', 'print JSON for a program')
    .addHelpText('after', '\nExample:\n  $ claimcheck check --config examples/molecules/claimcheck.config.ts')
    .action(check);
}

interface CheckOptions {
  readonly config?: string;
  readonly json?: boolean;
}

async function check(options: CheckOptions): Promise<void> {
  try {
    await printEndpoints(options);
  } catch (error) {
    if (options.json === true && error instanceof ConfigError) {
      const { file, mistakes } = error;
      await write(process.stdout, jsonText({ valid: false, file: resolve(file), mistakes }));
    }
    throw error;
  }
}

async function printEndpoints(options: CheckOptions): Promise<void> {
  // Imported here, so that every other command starts without the server's code.
  const [{ readConfig }, { inspectModels }] = await Promise.all([
    import('../../config/config.ts'),
    import('../../deploy/examination.ts'),
  ]);
  const { config, mistakes } = await readConfig(options);
  // Models are imported also where something else is wrong: one check names every mistake.
  const { kinds, mistakes: ofModels } = await inspectModels(config);
  const all = [...mistakes, ...ofModels];
  if (all.length > 0) throw new ConfigError(config.file, all);
  const endpoints = config.endpoints.map(({ name, mode }) => ({ name, mode, takes: kinds.get(name) }));
  if (options.json === true) return write(process.stdout, jsonText({ valid: true, file: config.file, endpoints }));
  const { green } = coloursFor(process.stdout);
  const lines = endpoints.map(
    ({ name, mode, takes }) =>
      `${green('ok')}  ${name}  ${mode}, ${takes === 'rows' ? 'takes tables' : 'takes any input'}\n`,
  );
  await write(process.stdout, lines.join(''));
}
