// claimcheck migrate

import { Command } from 'commander';
import { jsonText, plainLine, write } from '../text/text.ts';

interface MigrateOptions {
  readonly config?: string;
  readonly data?: string;
  readonly adopt?: boolean;
  readonly json?: boolean;
}

/** The command that brings the ledger up to date without starting a server. */
export function migrateCommand(): Command {
  return new Command('migrate')
    .summary('bring the ledger and the stores beside it to the newest schema')
    .description(
      'Applies the migrations that the ledger, the vault, the captures and the cache lack, and says which. A server does the same when it starts; this does it before. A server that keeps its runs in a folder must be stopped first.',
    )
    .option('-c, --config <file>', 'configuration file that says where the ledger is')
    .option('-d, --data <folder>', 'folder of runs and payloads, needs no configuration')
    .option(
      '--adopt',
      'make the data folder and the ledger belong to each other, regardless of what they belonged to; the cache is emptied',
    )
    .option('--json', 'print JSON for a program')
    .addHelpText(
      'after',
      '\nA Postgres database is named by the configuration or by CLAIMCHECK_DATABASE_URL.\n\nExample:\n  $ claimcheck migrate --config examples/molecules/claimcheck.config.ts',
    )
    .action(migrate);
}

async function migrate(options: MigrateOptions): Promise<void> {
  // Imported here, so that every other command starts without the server's code.
  const [{ locateStore }, { adoptFolder, migrateLedger, migrateStores }] = await Promise.all([
    import('../../config/config.ts'),
    import('../../stores/open.ts'),
  ]);
  const place = await locateStore(options);
  const { ledger, applied, schema } = await migrateLedger(place, options.adopt === true);
  if (options.adopt === true) await adoptFolder(place);
  const stores = await migrateStores(place);
  const beside = Object.entries(stores).flatMap(([store, names]) => names.map((name) => `${store}: ${name}`));
  const lines = [...applied, ...beside].map((name) => `applied  ${name}\n`).join('');
  const state = applied.length === 0 ? 'was up to date' : 'is up to date now';
  const adopted =
    options.adopt === true ? `${plainLine(place.data)} and ${ledger} belong to each other from now on.\n` : '';
  const text = `${lines}The ledger (${ledger}) ${state}: schema ${schema}.\n${adopted}`;
  await write(
    process.stdout,
    options.json === true ? jsonText({ applied, schema, stores, adopted: options.adopt === true }) : text,
  );
}
