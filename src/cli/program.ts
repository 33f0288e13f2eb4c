// What `claimcheck` understands: one file per command.

import { Command } from 'commander';
import manifest from '../../package.json' with { type: 'json' };
import { backupCommand } from './commands/backup.ts';
import { asCalled } from './called-as.ts';
import { cacheCommand } from './commands/cache.ts';
import { capturesCommand } from './commands/captures.ts';
import { checkCommand } from './commands/check.ts';
import { completeCommand, completionCommand } from './commands/completion.ts';
import { deployCommand } from './commands/deploy.ts';
import { doctorCommand } from './commands/doctor.ts';
import { endpointsCommand } from './commands/endpoints.ts';
import { invokeCommand } from './commands/invoke.ts';
import { keysCommand } from './commands/keys.ts';
import { migrateCommand } from './commands/migrate.ts';
import { purgeCommand } from './commands/purge.ts';
import { restoreCommand } from './commands/restore.ts';
import { runsCommand } from './commands/runs.ts';
import { serveCommand } from './commands/serve.ts';
import { submitCommand } from './commands/submit.ts';
import { webhooksCommand } from './commands/webhooks.ts';

const EXAMPLES = `
Examples:
  $ claimcheck serve --config claimcheck.config.ts
  $ claimcheck invoke smiles-to-2d molecules.csv -o descriptors.csv
  $ claimcheck submit smiles-to-3d molecules.csv
  $ claimcheck runs wait <id>

Commands other than serve, check, migrate, doctor, backup, restore, keys, webhooks and completion talk to the server at CLAIMCHECK_URL (http://127.0.0.1:4242),
with the API key in CLAIMCHECK_API_KEY where it asks for one.
They exit with 0 on success, 1 when a run failed or something went wrong, 2 for wrong usage, 130 after Ctrl-C, 143 after SIGTERM.`;

/** Every command. */
export function program(): Command {
  const claimcheck = commands()
    .addCommand(completionCommand(commands))
    .addCommand(completeCommand(commands), { hidden: true });
  throwInsteadOfExit(claimcheck);
  nameAsCalled(claimcheck);
  return claimcheck;
}

/** Every command but those that complete these. */
function commands(): Command {
  const claimcheck = new Command('claimcheck')
    .description(
      'Long-running inference over HTTP without holding the connection: hand in your work, get a ticket, come back for the result.',
    )
    .version(manifest.version)
    .addHelpText('after', EXAMPLES)
    .addCommand(serveCommand())
    .addCommand(checkCommand())
    .addCommand(deployCommand())
    .addCommand(doctorCommand())
    .addCommand(migrateCommand())
    .addCommand(backupCommand())
    .addCommand(restoreCommand())
    .addCommand(invokeCommand())
    .addCommand(submitCommand())
    .addCommand(runsCommand())
    .addCommand(endpointsCommand())
    .addCommand(purgeCommand())
    .addCommand(capturesCommand())
    .addCommand(cacheCommand())
    .addCommand(keysCommand())
    .addCommand(webhooksCommand());
  throwInsteadOfExit(claimcheck);
  return claimcheck;
}

/** Examples in a command's help, and what is wrong with its arguments, name commands that can be typed here. */
function nameAsCalled(command: Command): void {
  command.configureOutput({
    writeOut: (text) => void process.stdout.write(asCalled(text)),
    writeErr: (text) => void process.stderr.write(asCalled(text)),
  });
  for (const child of command.commands) nameAsCalled(child);
}

/** Commander ends the process itself unless every command is told not to. */
function throwInsteadOfExit(command: Command): void {
  command.exitOverride();
  for (const child of command.commands) throwInsteadOfExit(child);
}
