// claimcheck backup

import { resolve } from 'node:path';
import { Command } from 'commander';
import { formatBytes } from '../domain/bytes.ts';
import { jsonText, plainLine, write } from './text.ts';

interface BackupOptions {
  readonly config?: string;
  readonly data?: string;
  readonly withoutDatabase?: boolean;
  readonly json?: boolean;
}

/** The command that copies a data folder while servers work in it. */
export function backupCommand(): Command {
  return new Command('backup')
    .summary('copy what a server has stored, while it works')
    .description(
      'Copies the ledger, the keys, captures, answers, payloads and logs into a new folder, so that they fit together, while servers go on. Every run that was acknowledged before is in it.',
    )
    .argument('<folder>', 'folder to make, best on another disk')
    .option('-c, --config <file>', 'configuration file that says where the store is')
    .option('-d, --data <folder>', 'folder of runs and payloads, needs no configuration')
    .option('--without-database', 'leave the Postgres database to your own means, which must have dumped it before')
    .option('--json', 'print JSON for a program')
    .addHelpText(
      'after',
      '\nA Postgres database is named by the configuration or by CLAIMCHECK_DATABASE_URL, and dumped with pg_dump.\n\nExample:\n  $ claimcheck backup /mnt/backups/monday --data .claimcheck',
    )
    .action(backup);
}

async function backup(folder: string, options: BackupOptions): Promise<void> {
  // Imported here, so that every other command starts without the server's code.
  const [{ locateStore }, { backUp }] = await Promise.all([
    import('../config/config.ts'),
    import('../backup/backup.ts'),
  ]);
  const { data, database } = await locateStore(options);
  const to = resolve(folder);
  const manifest = await backUp({
    place: { data, database },
    to,
    withoutDatabase: options.withoutDatabase === true,
    environment: process.env,
  });
  const { blobs, captureBlobs } = manifest;
  const payloads = blobs.files + captureBlobs.files;
  const counts = `${payloads} ${payloads === 1 ? 'payload' : 'payloads'} (${formatBytes(blobs.bytes + captureBlobs.bytes)}) beside the stores`;
  const rest = manifest.database === false ? ' The database is not in it.' : '';
  const text = `${plainLine(data)} is backed up in ${plainLine(to)}: ${counts}.${rest}\n`;
  await write(process.stdout, options.json === true ? jsonText({ folder: to, ...manifest }) : text);
}
