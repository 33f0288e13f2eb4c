// What Tab does: in a real bash, with the script as it is printed.

import { chmodSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { connect } from '../../../src/client/connect.ts';
import { type RunningServer, startServer } from '../../client/server.ts';
import { folderForTest } from '../../support/folder.ts';
import { orWhy, whyNot } from '../../support/optional.ts';
import { hasPython, NO_PYTHON } from '../../support/python.ts';
import { openTerminal } from '../../support/terminal.ts';
import { until } from '../../support/until.ts';
import { MAIN, startCommand } from '../command.ts';

let server: RunningServer;
beforeAll(async () => {
  server = await startServer();
});
afterAll(() => server.stop());

/** The words that may stand next, and what the shell is to do beside. */
async function wordsAfter(url: string, ...words: string[]): Promise<{ words: string[]; directive: string }> {
  const { stdout } = await startCommand(url, ['complete', '--', ...words]).ended();
  const lines = stdout.trimEnd().split('\n');
  return { words: lines.slice(0, -1).map((line) => line.split('\t')[0]!), directive: lines.at(-1)! };
}

describe('Tab completes', () => {
  test.each([
    [['inv'], ['invoke']],
    [
      ['runs', 'l'],
      ['list', 'logs'],
    ],
    [['invoke', '--on'], ['--on-row-error']],
    [
      ['invoke', 'rows', 'x.csv', '--on-row-error', ''],
      ['mark', 'drop', 'fail'],
    ],
    [['runs', 'list', '--status', 'f'], ['failed']],
    [['invoke', 'sl'], ['slow-sync']],
    [['endpoints', 'warm', 'nar'], ['narrow']],
    [['runs', 'list', '--endpoint', 'any'], ['anything']],
  ])('%j to %j', async (words, expected) => {
    expect((await wordsAfter(server.url, ...words)).words).toEqual(expected);
  });

  test('the ids of runs', async () => {
    const { id } = await connect({ url: server.url }).endpoint('anything').submit({});
    expect((await wordsAfter(server.url, 'runs', 'wait', '')).words).toContain(id);
  });

  test('files, by the shell, where a file may stand', async () => {
    for (const words of [
      ['invoke', 'rows', ''],
      ['invoke', 'rows', 'x.csv', '-o', ''],
      ['serve', '--config', ''],
    ])
      expect(await wordsAfter(server.url, ...words)).toEqual({ words: [], directive: ':0' });
    expect(await wordsAfter(server.url, 'purge', 'rows', '')).toEqual({ words: [], directive: ':4' });
  });

  test('nothing of a server that is not there, and says nothing', async () => {
    const command = await startCommand('http://127.0.0.1:9', ['complete', '--', 'invoke', '']).ended();
    expect(command).toEqual({ code: 0, stdout: ':4\n', stderr: '' });
  });
});

test.each(['bash', 'zsh', 'fish', 'powershell'])('there is a script for %s', async (shell) => {
  const { code, stdout } = await startCommand(server.url, ['completion', shell]).ended();
  expect(code).toBe(0);
  expect(stdout).toMatch(/claimcheck[^]*complete/);
});

test('a shell that nobody knows is wrong usage', async () => {
  const { code, stderr } = await startCommand(server.url, ['completion', 'tcsh']).ended();
  expect(code).toBe(2);
  expect(stderr).toContain('Allowed choices are bash, zsh, fish, powershell.');
});

const noCompletion = hasPython
  ? whyNot('bash', ['-ic', 'complete -p -D; type complete'], { prints: 'builtin' })
  : NO_PYTHON;

test.skipIf(noCompletion !== null)(`bash completes commands, endpoints and files${orWhy(noCompletion)}`, async () => {
  const folder = await folderForTest();
  writeFileSync(join(folder, 'claimcheck'), `#!/bin/sh\nexec '${process.execPath}' '${MAIN}' "$@"\n`);
  chmodSync(join(folder, 'claimcheck'), 0o755);
  writeFileSync(join(folder, 'molecules.csv'), 'id\n1\n');
  const path = [folder, process.env['PATH']].join(delimiter);
  const shell = openTerminal(['bash', '--norc', '-i'], {
    CLAIMCHECK_URL: server.url,
    PATH: path,
    PS1: 'ready> ',
    TERM: 'dumb',
  });
  const seen = (text: string) => until(`${text} is on the screen`, () => shell.written().includes(text));
  // Twice, as when .bashrc is read again.
  shell.type(
    `cd ${folder}; source <(claimcheck completion bash); source <(claimcheck completion bash); echo loaded $?\r`,
  );
  await seen('loaded 0');
  shell.type('claimcheck inv\t');
  await seen('claimcheck invoke ');
  shell.type('ro\t');
  await seen('claimcheck invoke rows ');
  shell.type('mol\t');
  await seen('claimcheck invoke rows molecules.csv ');
  shell.type('--json\r');
  await seen('"status": "succeeded"');
  shell.type('exit\r');
  await shell.ended();
  expect(shell.written()).not.toMatch(/readonly|command not found/);
});
