// Every command there is.

import type { Command } from 'commander';
import { expect, test } from 'vitest';
import { program } from '../../src/cli/program.ts';

const leaves = (command: Command, path: string): [string, Command][] =>
  command.commands.length === 0
    ? [[path, command]]
    : command.commands.flatMap((child) => leaves(child, `${path} ${child.name()}`.trim()));
/** `complete` is called by the shells' scripts alone. */
const COMMANDS = leaves(await program(), '').filter(([path]) => path !== 'complete');

test('there are commands', () => {
  expect(COMMANDS.length).toBeGreaterThan(25);
});

test.each(COMMANDS)('claimcheck %s has help with an example of itself', (path, command) => {
  let help = '';
  command.configureOutput({ writeOut: (text) => (help += text) }).outputHelp();
  expect(help).toContain(`\nExample:\n  $ claimcheck ${path}`);
  expect(command.summary()).not.toBe('');
});

/** What a server or a shell reads, and no program. */
const WITHOUT_JSON = ['serve', 'completion'];

test.each(COMMANDS.filter(([path]) => !WITHOUT_JSON.includes(path)))('claimcheck %s takes --json', (_path, command) => {
  expect(command.options.map(({ long }) => long)).toContain('--json');
});

/** What works without a server, or beside it. */
const WITHOUT_SERVER = /^(?:serve|completion|check|doctor|migrate|backup|restore|keys .*|webhooks secret)$/;

test.each(COMMANDS.filter(([path]) => !WITHOUT_SERVER.test(path)))('claimcheck %s takes --url', (_path, command) => {
  expect(command.options.map(({ long }) => long)).toContain('--url');
});
