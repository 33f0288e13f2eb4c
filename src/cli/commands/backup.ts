// claimcheck backup

import { basename, resolve } from 'node:path';
import { Command } from 'commander';
import { formatBytes } from '../../domain/bytes.ts';
import { EXIT } from '../failure.ts';
import { jsonText, plainLine, write } from '../text/text.ts';

/** Missing payloads that are named; the manifest has all of them. */
const MISSING_NAMED = 5;

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
    import('../../config/config.ts'),
    import('../../stores/backup/backup.ts'),
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
  if (manifest.missing.length > 0) {
    process.exitCode = EXIT.failed;
    await write(process.stderr, `${missingText(manifest.missing, data)}\n`);
  }
  await write(process.stdout, options.json === true ? jsonText({ folder: to, ...manifest }) : text);
}

/** A backup with less than it should have is one all the same: what is lost was lost before. */
function missingText(missing: readonly string[], data: string): string {
  const few = missing.slice(0, MISSING_NAMED).map((path) => basename(path));
  const more = missing.length > few.length ? ` and ${missing.length - few.length} more` : '';
  return `${missing.length} ${missing.length === 1 ? 'payload is' : 'payloads are'} missing in ${plainLine(data)}, and so in the backup: ${few.join(', ')}${more}. claimcheck doctor names the runs and captures that are broken by it.`;
}
