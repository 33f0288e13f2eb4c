// The README's tour, typed in as it stands.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { serve } from '../../tools/serve.ts';

const ROOT = resolve(import.meta.dirname, '../..');
const ADDRESS = 'http://127.0.0.1:4242';

interface Block {
  readonly expected: string;
  readonly language: string;
  readonly text: string;
}

const readme = await readFile(join(ROOT, 'README.md'), 'utf8');
const blocks: Block[] = [...readme.matchAll(/<!-- tour: expect (.*?) -->\n```(\w+)\n(.*?)```/gs)].map(
  ([, expected, language, text]) => ({
    expected: expected!,
    language: language!,
    text: text!,
  }),
);
const serveCommand = /<!-- tour: server -->\n```sh\n(.*?)\n```/s.exec(readme)![1]!;

let folder: string;
let url: string;
let stop: () => Promise<void>;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'claimcheck-readme-'));
  const { url: address, child } = await serve(['bash', '-c', `exec ${serveCommand} --port 0 --data ${folder}/data`], {
    cwd: ROOT,
    detached: true,
    stderr: 'inherit',
  });
  url = address;
  stop = async () => {
    const closed = once(child, 'close');
    process.kill(-child.pid!, 'SIGTERM');
    await closed;
  };
});

afterAll(async () => {
  await stop();
  await rm(folder, { recursive: true });
});

test('the README has a tour', () => {
  expect(blocks.length).toBeGreaterThan(5);
});

for (const block of blocks) {
  const title = block.text.trim().split('\n')[0]!;
  test(`the README's block "${title}" does what it says`, async () => {
    expect(await run(block)).toContain(block.expected);
  });
}

test('the README’s ten lines are a model, its configuration and a client that work', async () => {
  const [, text] = /## Ten lines\n.*?```ts\n(.*?)```/s.exec(readme)!;
  // In the repository, so that they find what they import.
  const home = await mkdtemp(join(ROOT, 'test', 'readme-lines-'));
  onTestFinished(() => rm(home, { recursive: true }));
  for (const file of text!.trim().split('\n\n')) {
    const [, name] = /^\/\/ ([\w.]+\.ts)/.exec(file)!;
    await writeFile(join(home, name!), file);
  }
  const config = join(home, 'claimcheck.config.ts');
  const main = join(ROOT, 'src/cli/main.ts');
  const { url: address, child } = await serve(
    [process.execPath, main, 'serve', '--config', config, '--port', '0', '--data', join(home, 'data')],
    { cwd: home, stderr: 'inherit' },
  );
  try {
    expect(await output(process.execPath, [join(home, 'client.ts')], address)).toContain("loud: 'hello!'");
  } finally {
    const closed = once(child, 'close');
    child.kill('SIGTERM');
    await closed;
  }
});

/**
 * What a block prints when it is run from the root of the repository, against the server of this
 * test.
 */
async function run({ language, text }: Block): Promise<string> {
  const here = text.replaceAll(ADDRESS, url).replaceAll('descriptors.csv', join(folder, 'descriptors.csv'));
  if (language === 'sh') return output('bash', ['-e', '-o', 'pipefail', '-c', here]);
  const file = join(ROOT, 'test', `readme-block-${process.pid}.ts`);
  await writeFile(file, here);
  try {
    return await output(process.execPath, [file]);
  } finally {
    await rm(file);
  }
}

async function output(command: string, argv: readonly string[], address = url): Promise<string> {
  const child = spawn(command, argv, {
    cwd: ROOT,
    env: { ...process.env, CLAIMCHECK_URL: address },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let printed = '';
  child.stdout.on('data', (bytes: Buffer) => (printed += bytes.toString()));
  child.stderr.on('data', (bytes: Buffer) => (printed += bytes.toString()));
  const [code] = (await once(child, 'close')) as [number];
  if (code !== 0) throw new Error(`Exit code ${code}: ${printed}`);
  return printed;
}
