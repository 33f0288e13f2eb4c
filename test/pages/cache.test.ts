// The example of docs/cache.md, run as it stands.

import { execFile } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { folderForTest } from '../support/folder.ts';
import { serviceForTest } from '../support/service.ts';

const ROOT = resolve(import.meta.dirname, '../..');
const page = await readFile(join(ROOT, 'docs/cache.md'), 'utf8');
const example = /```ts\n(.*?)```/s.exec(page)![1]!;

test('the page’s example prints what stands behind its lines', async () => {
  const folder = await folderForTest();
  const model = join(ROOT, 'test/client/fixtures/squares.ts');
  const env = { CALLS: join(folder, 'calls') };
  const server = await serviceForTest({ endpoints: { solubility: { model, env, isolation: { user: 'server' } } } });
  const file = join(folder, 'example.mts');
  await writeFile(file, example.replace("'claimcheck'", JSON.stringify(join(ROOT, 'src/index.ts'))));
  const { stdout } = await promisify(execFile)(process.execPath, [file], {
    env: { ...process.env, CLAIMCHECK_URL: server.url },
  });
  const promised = [...example.matchAll(/console\.log\(.*\); \/\/ (.*)/g)].map(([, text]) => text);
  expect(promised).toHaveLength(2);
  expect(stdout.trim().split('\n')).toEqual(promised);
  expect((await readFile(env.CALLS, 'utf8')).split('\n').filter(Boolean)).toHaveLength(3);
});
