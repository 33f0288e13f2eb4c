// The transcripts of docs/http.md, typed in as they stand.

import { readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { serve, serveCommand } from '../../tools/serve.ts';
import { newFolder, removeFolder } from '../support/folder.ts';
import { patternOf, stepsOf, typeIn } from '../support/transcript.ts';

const ROOT = resolve(import.meta.dirname, '../..');
const ADDRESS = 'http://127.0.0.1:4242';
const steps = stepsOf(await readFile(join(ROOT, 'docs/http.md'), 'utf8'));

let folder: string;
let printed: string[];
let stop: () => Promise<void>;

beforeAll(async () => {
  folder = await newFolder();
  const config = join(ROOT, 'examples/pipeline/claimcheck.config.ts');
  const server = await serve(serveCommand(config, join(folder, '.claimcheck')), { cwd: folder, stderr: 'inherit' });
  const { url } = server;
  stop = () => server.end('SIGTERM');
  const here = steps.map(({ command, shown }) => ({ command: command.replaceAll(ADDRESS, url), shown }));
  printed = await typeIn(here, { cwd: folder, env: { ...process.env, CLAIMCHECK_URL: url } });
});
afterAll(async () => {
  await stop();
  await removeFolder(folder);
});

test('the page shows every kind of request', () => {
  expect(steps.length).toBeGreaterThan(15);
});

for (const [place, { command, shown }] of steps.entries())
  test(`the page's "${command.replaceAll(/\s+/g, ' ').slice(0, 100)}" prints what the page shows`, () => {
    expect(printed[place]!).toMatch(patternOf(shown));
  });
