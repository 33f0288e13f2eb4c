// What `claimcheck` understands: one file per command.

import { Command } from 'commander';
import manifest from '../../package.json' with { type: 'json' };
import { asCalled } from './called-as.ts';

const EXAMPLES = `
Examples:
  $ claimcheck serve --config claimcheck.config.ts
  $ claimcheck invoke smiles-to-2d molecules.csv -o descriptors.csv
  $ claimcheck submit smiles-to-3d molecules.csv
  $ claimcheck runs wait <id>

Commands other than serve, check, migrate, doctor, backup, restore, keys, webhooks and completion talk to the server at CLAIMCHECK_URL (http://127.0.0.1:4242),
with the API key in CLAIMCHECK_API_KEY where it asks for one.
They exit with 0 on success, 1 when a run failed or something went wrong, 2 for wrong usage, 130 after Ctrl-C, 143 after SIGTERM.`;

/** Every command, in the order of the help. */
const COMMANDS: Readonly<Record<string, () => Promise<Command>>> = {
  serve: async () => (await import('./commands/serve.ts')).serveCommand(),
  check: async () => (await import('./commands/check.ts')).checkCommand(),
  deploy: async () => (await import('./commands/deploy.ts')).deployCommand(),
  doctor: async () => (await import('./commands/doctor.ts')).doctorCommand(),
  migrate: async () => (await import('./commands/migrate.ts')).migrateCommand(),
  backup: async () => (await import('./commands/backup.ts')).backupCommand(),
  restore: async () => (await import('./commands/restore.ts')).restoreCommand(),
  invoke: async () => (await import('./commands/invoke.ts')).invokeCommand(),
  submit: async () => (await import('./commands/submit.ts')).submitCommand(),
  runs: async () => (await import('./commands/runs.ts')).runsCommand(),
  endpoints: async () => (await import('./commands/endpoints.ts')).endpointsCommand(),
  purge: async () => (await import('./commands/purge.ts')).purgeCommand(),
  captures: async () => (await import('./commands/captures.ts')).capturesCommand(),
  cache: async () => (await import('./commands/cache.ts')).cacheCommand(),
  keys: async () => (await import('./commands/keys.ts')).keysCommand(),
  webhooks: async () => (await import('./commands/webhooks.ts')).webhooksCommand(),
};
/** Arguments that need no command. */
const ALONE = ['--version', '-V'];

/**
 * The program for a command line whose first argument is `first`. It has the command that `first`
 * names, or every command: a process runs one command, and loading all of them takes longer than
 * most commands run.
 */
export async function program(first?: string): Promise<Command> {
  const needed = namesFor(first);
  const claimcheck = await commands(needed);
  if (needed.length > 1) await addCompletion(claimcheck);
  throwInsteadOfExit(claimcheck);
  nameAsCalled(claimcheck);
  return claimcheck;
}

function namesFor(first: string | undefined): readonly string[] {
  if (first === undefined) return Object.keys(COMMANDS);
  if (ALONE.includes(first)) return [];
  return Object.hasOwn(COMMANDS, first) ? [first] : Object.keys(COMMANDS);
}

/** Adds the commands that complete all others. */
async function addCompletion(claimcheck: Command): Promise<void> {
  const { completionCommand, completeCommand } = await import('./commands/completion.ts');
  const all = (): Promise<Command> => commands(Object.keys(COMMANDS));
  claimcheck.addCommand(completionCommand(all)).addCommand(completeCommand(all), { hidden: true });
}

/** `claimcheck` with these commands. */
async function commands(names: readonly string[]): Promise<Command> {
  const claimcheck = new Command('claimcheck')
    .description(
      'Long-running inference over HTTP without holding the connection: hand in your work, get a ticket, come back for the result.',
    )
    .version(manifest.version)
    .addHelpText('after', EXAMPLES);
  for (const command of await Promise.all(names.map((name) => COMMANDS[name]!()))) claimcheck.addCommand(command);
  throwInsteadOfExit(claimcheck);
  return claimcheck;
}

/**
 * Examples in a command's help, and what is wrong with its arguments, name commands that can be
 * typed here.
 */
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
