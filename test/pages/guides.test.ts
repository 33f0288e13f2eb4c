// The guides, followed as they stand: their files are written, their commands typed in, and their
// cells run, against a real server.

import { spawnSync } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { delimiter, dirname, join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Served, serve, serveCommand } from '../../tools/serve.ts';
import { newFolder, removeFolder } from '../support/folder.ts';
import { cellsOf, runCells, setUp } from '../support/page.ts';
import { hasPython, NO_PYTHON } from '../support/python.ts';
import { patternOf, stepsOf, typeIn } from '../support/transcript.ts';

const GUIDES = resolve(import.meta.dirname, '../../docs/guides');
const ADDRESS = 'http://127.0.0.1:4242';
const read = (name: string): Promise<string> => readFile(join(GUIDES, name), 'utf8');

const fromCsv = await read('from-a-csv.md');
const steps = stepsOf(fromCsv);
const cells = cellsOf(await read('from-a-notebook.md'));

let folder: string;
let server: Served;
let environment: NodeJS.ProcessEnv;
beforeAll(async () => {
  folder = await newFolder();
  await setUp(fromCsv, folder);
  server = await serve(serveCommand(join(folder, 'claimcheck.config.ts'), join(folder, '.claimcheck')), {
    cwd: folder,
  });
  // Node as this test has it, and npx without a look at the registry or a word on how this
  // machine's npm is set up.
  const path = [dirname(process.execPath), process.env['PATH']].join(delimiter);
  environment = {
    ...process.env,
    PATH: path,
    CLAIMCHECK_URL: server.url,
    npm_config_offline: 'true',
    npm_config_loglevel: 'error',
  };
});
afterAll(async () => {
  await server.end('SIGTERM');
  await removeFolder(folder);
});

describe('from a CSV', () => {
  let printed: string[];
  beforeAll(async () => {
    printed = await typeIn(steps, { cwd: folder, env: environment });
  });

  test('the page shows the whole way', () => {
    expect(steps.length).toBeGreaterThan(15);
  });

  for (const [place, { command, shown }] of steps.entries())
    test(`"${command}" prints what the page shows`, () => {
      expect(printed[place]!).toMatch(patternOf(shown));
    });
});

describe.skipIf(!hasPython)(`from a notebook${hasPython ? '' : ` (${NO_PYTHON})`}`, () => {
  let printed: string[];
  beforeAll(async () => {
    const here = cells.map(({ code, shown }) => ({ code: code.replaceAll(ADDRESS, server.url), shown }));
    printed = await runCells(here, { cwd: folder, env: { ...environment, ...withRequests(folder) } });
  });

  test('the page shows every step', () => {
    expect(cells.length).toBeGreaterThan(6);
  });

  for (const [place, { code, shown }] of cells.entries())
    test(`the cell that begins with "${code.split('\n')[0]!}" prints what the page shows`, () => {
      expect(printed[place]!).toMatch(patternOf(shown));
    });
});

/**
 * Where Python finds the one package that the page needs; it is installed for this test where the
 * machine has none.
 */
function withRequests(home: string): NodeJS.ProcessEnv {
  if (spawnSync('python3', ['-c', 'import requests']).status === 0) return {};
  const target = join(home, 'python');
  const { status, stderr } = spawnSync('python3', ['-m', 'pip', 'install', '--quiet', '--target', target, 'requests']);
  if (status !== 0) throw new Error(`requests could not be installed: ${String(stderr)}`);
  return { PYTHONPATH: target };
}
