import { readFileSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { EXIT } from '../../src/cli/failure.ts';
import { newFolder, removeFolder } from '../support/folder.ts';
import { startCommand } from './command.ts';

test('the page has every exit code, and no other', () => {
  const page = readFileSync(new URL('../../docs/cli.md', import.meta.url), 'utf8');
  const codes = [...page.matchAll(/^\| (\d+) \|/gm)].map(([, code]) => Number(code));
  expect(codes).toEqual(Object.values(EXIT).toSorted((a, b) => a - b));
});

describe('a configuration that cannot be used is wrong usage', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await newFolder();
    await writeFile(join(folder, 'wrong.json'), '{"endpoints": {"a": {"model": "./no.ts", "timeout": "soon"}}}');
    await writeFile(join(folder, 'right.json'), '{"endpoints": {"a": {"model": ["true"]}}}');
  });
  afterAll(() => removeFolder(folder));

  const claimcheck = (...args: readonly string[]) => startCommand('', args).ended();
  const config = (name: string): string[] => ['--config', join(folder, `${name}.json`)];

  test.each(['check', 'serve', 'deploy', 'migrate', 'doctor', 'keys list', 'webhooks secret a'])(
    'for %s: one sentence and exit code 2',
    async (words) => {
      const stderr = `error: There is no file ${join(folder, 'nofile.json')}.\n`;
      expect(await claimcheck(...words.split(' '), ...config('nofile'))).toEqual({ code: 2, stdout: '', stderr });
    },
  );

  test.each(['serve', 'migrate', 'keys list'])('%s --data with a file says that it is one', async (words) => {
    const file = join(folder, 'right.json');
    const stderr = `error: The folder ${file} cannot be made: it is a file. Name another one with --data.\n`;
    const ended = await claimcheck(...words.split(' '), ...config('right'), '--data', file);
    expect(ended).toEqual({ code: 2, stdout: '', stderr });
  });

  test('a mistake in the TypeScript of one is told with its line and column', async () => {
    await writeFile(join(folder, 'broken.ts'), 'export const config = {\n  port: 1\n  endpoints: {},\n};\n');
    expect(await claimcheck('check', '--config', join(folder, 'broken.ts'))).toEqual({
      code: 2,
      stdout: '',
      stderr:
        "error: broken.ts has a mistake:\n  the file  cannot be read: Expected ',', got 'ident' (line 3, column 3)\n",
    });
  });

  test('check names everything in one pass: keys, programs that are not there, and models that cannot be imported', async () => {
    const place = join(folder, 'many');
    await mkdir(place);
    await writeFile(join(place, 'package.json'), '{"type": "commonjs"}');
    await writeFile(join(place, 'old.ts'), 'export const model = { invoke: () => 1 };');
    await writeFile(join(place, 'throws.mjs'), "throw new Error('There are no weights.');");
    const endpoints = {
      a: { model: ['no-such-program-anywhere'] },
      b: { model: ['python3', 'nowhere.py'] },
      c: { model: './throws.mjs' },
      d: { model: './old.ts' },
      e: { model: ['true'], timeout: 'soon' },
      fine: { model: ['true'] },
    };
    const file = join(place, 'claimcheck.json');
    await writeFile(file, JSON.stringify({ endpoints, batchSize: 3 }));
    const { code, stderr } = await claimcheck('check', '--config', file);
    expect(code).toBe(2);
    for (const line of [
      /claimcheck\.json has 6 mistakes:/,
      /batchSize {2}is not known here: it belongs under endpoints\.<name>/,
      /endpoints\.a\.model {2}runs no-such-program-anywhere, and there is no program of that name on the PATH/,
      /endpoints\.b\.model {2}runs \S+nowhere\.py, which does not exist/,
      /endpoints\.c\.model {2}.*There are no weights\./,
      /endpoints\.d\.model {2}.*"type": "module"/,
      /endpoints\.e\.timeout {2}is "soon"/,
    ])
      expect(stderr).toMatch(line);
  });

  test('a file with almost the right name is named', async () => {
    const place = join(folder, 'almost');
    await mkdir(place);
    await writeFile(join(place, 'claimcheck.yaml'), 'endpoints: {}');
    const { stderr, code } = await startCommand('', ['check'], '', {}, place).ended();
    expect(code).toBe(2);
    expect(stderr).toContain('Name it claimcheck.config.yaml, or say --config claimcheck.yaml.');
  });

  test('check --json says that it is none and why, and how it stands where it is one', async () => {
    const { code, stdout, stderr } = await claimcheck('check', ...config('wrong'), '--json');
    expect(JSON.parse(stdout)).toEqual({
      valid: false,
      file: join(folder, 'wrong.json'),
      mistakes: [
        { pointer: 'endpoints.a.timeout', detail: expect.stringContaining('"soon"') },
        { pointer: 'endpoints.a.model', detail: `${join(folder, 'no.ts')} does not exist` },
      ],
    });
    expect({ code, stderr }).toEqual({ code: 2, stderr: expect.stringContaining('2 mistakes') });
    const missing = await claimcheck('check', ...config('nofile'), '--json');
    expect(JSON.parse(missing.stdout)).toEqual({
      valid: false,
      file: join(folder, 'nofile.json'),
      mistakes: [{ pointer: '', detail: `There is no file ${join(folder, 'nofile.json')}.` }],
    });
    const right = await claimcheck('check', ...config('right'), '--json');
    expect(JSON.parse(right.stdout)).toEqual({
      valid: true,
      file: join(folder, 'right.json'),
      endpoints: [{ name: 'a', mode: 'sync', takes: 'any' }],
    });
    expect(right.code).toBe(0);
  });
});
