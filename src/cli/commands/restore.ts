// claimcheck restore

import { resolve } from 'node:path';
import { Command } from 'commander';
import { examineStore } from './doctor.ts';
import { plainLine, write } from '../text/text.ts';

interface RestoreOptions {
  readonly config?: string;
  readonly data?: string;
  readonly withoutDatabase?: boolean;
  readonly json?: boolean;
}

/** The command that puts a backup back and examines it. */
export function restoreCommand(): Command {
  return new Command('restore')
    .summary('put a backup back')
    .description(
      'Copies a backup into a data folder that has not been used, and examines what is there then, as claimcheck doctor does. The backup stays as it is.',
    )
    .argument('<folder>', 'folder that claimcheck backup has made')
    .option('-c, --config <file>', 'configuration file that says where to put it')
    .option('-d, --data <folder>', 'folder to put it into, needs no configuration')
    .option('--without-database', 'leave the Postgres database alone: you have put it back before by your own means')
    .option('--json', 'print JSON for a program')
    .addHelpText(
      'after',
      '\nA Postgres database is named by the configuration or by CLAIMCHECK_DATABASE_URL; it must have nothing of claimcheck in it.\nExits with 0 when every promise is kept, as the doctor does.\n\nExample:\n  $ claimcheck restore /mnt/backups/monday --data .claimcheck',
    )
    .action(restore);
}

async function restore(folder: string, options: RestoreOptions): Promise<void> {
  // Imported here, so that every other command starts without the server's code.
  const [{ locateStore }, { putBack }, { settleRestored }] = await Promise.all([
    import('../../config/config.ts'),
    import('../../stores/backup/restore.ts'),
    import('../../stores/open.ts'),
  ]);
  const { data, database } = await locateStore(options);
  const from = resolve(folder);
  const withoutDatabase = options.withoutDatabase === true;
  const { madeAt } = await putBack({ from, place: { data, database }, withoutDatabase, environment: process.env });
  await settleRestored({ data, database });
  await write(process.stderr, `${plainLine(from)}, made at ${madeAt}, is in ${plainLine(data)} again.\n`);
  await examineStore({ data, database }, options.json === true);
}
