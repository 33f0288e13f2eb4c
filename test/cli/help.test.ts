import type { Command } from 'commander';
import { expect, test } from 'vitest';
import { checkCommand } from '../../src/cli/check.ts';
import { doctorCommand } from '../../src/cli/doctor.ts';
import { endpointsCommand } from '../../src/cli/endpoints.ts';
import { invokeCommand } from '../../src/cli/invoke.ts';
import { keysCommand } from '../../src/cli/keys.ts';
import { migrateCommand } from '../../src/cli/migrate.ts';
import { purgeCommand } from '../../src/cli/purge.ts';
import { runsCommand } from '../../src/cli/runs.ts';
import { serveCommand } from '../../src/cli/serve.ts';
import { submitCommand } from '../../src/cli/submit.ts';
import { webhooksCommand } from '../../src/cli/webhooks.ts';

const leaves = (command: Command, path: string): [string, Command][] =>
  command.commands.length === 0
    ? [[path, command]]
    : command.commands.flatMap((child) => leaves(child, `${path} ${child.name()}`));
const COMMANDS = [
  serveCommand(),
  checkCommand(),
  doctorCommand(),
  invokeCommand(),
  submitCommand(),
  runsCommand(),
  endpointsCommand(),
  purgeCommand(),
  migrateCommand(),
  keysCommand(),
  webhooksCommand(),
].flatMap((command) => leaves(command, command.name()));

test.each(COMMANDS)('claimcheck %s has help with an example of itself', (path, command) => {
  let help = '';
  command.configureOutput({ writeOut: (text) => (help += text) }).outputHelp();
  expect(help).toContain(`\nExample:\n  $ claimcheck ${path}`);
  expect(command.summary()).not.toBe('');
});

test.each(COMMANDS.filter(([path]) => !/^(?:serve|check|doctor|migrate|keys .*|webhooks secret)$/.test(path)))(
  'claimcheck %s takes --json and --url',
  (_path, command) => {
    expect(command.options.map(({ long }) => long)).toEqual(expect.arrayContaining(['--json', '--url']));
  },
);
