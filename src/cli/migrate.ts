// claimcheck migrate

import { Command } from 'commander';
import { jsonText, write } from './text.ts';

interface MigrateOptions {
  readonly config?: string;
  readonly data?: string;
  readonly json?: boolean;
}

/** The command that brings the ledger up to date without starting a server. */
export function migrateCommand(): Command {
  return new Command('migrate')
    .summary('bring the ledger to the newest schema')
    .description(
      'Applies the migrations that a ledger lacks, and says which. A server does the same when it starts; this does it before. A server that keeps its runs in a folder must be stopped first.',
    )
    .option('-c, --config <file>', 'configuration file that says where the ledger is')
    .option('-d, --data <folder>', 'folder of runs and payloads, needs no configuration')
    .option('--json', 'print JSON for a program')
    .addHelpText(
      'after',
      '\nA Postgres database is named by the configuration or by CLAIMCHECK_DATABASE_URL.\n\nExample:\n  $ claimcheck migrate --config examples/molecules/claimcheck.config.ts',
    )
    .action(migrate);
}

async function migrate(options: MigrateOptions): Promise<void> {
  // Imported here, so that every other command starts without the server's code.
  const [{ locateStore }, { migrateLedger }] = await Promise.all([
    import('../config/config.ts'),
    import('../stores.ts'),
  ]);
  const { ledger, applied, schema } = await migrateLedger(await locateStore(options));
  const lines = applied.map((name) => `applied  ${name}\n`).join('');
  const state = applied.length === 0 ? 'was up to date' : 'is up to date now';
  const text = `${lines}The ledger (${ledger}) ${state}: schema ${schema}.\n`;
  await write(process.stdout, options.json === true ? jsonText({ applied, schema }) : text);
}
