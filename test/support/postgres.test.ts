import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { expect, test } from 'vitest';

test('a process that has started a Postgres ends with the exit code that it set, and without a word', async () => {
  const support = new URL('./postgres.ts', import.meta.url).href;
  const script = `
    const { startPostgres } = await import(${JSON.stringify(support)});
    await (await startPostgres()).stop();
    process.exitCode = 3;`;
  const child = spawn(process.execPath, ['--input-type=module', '--eval', script], {
    stdio: ['ignore', 'ignore', 'pipe'],
    env: { ...process.env, CLAIMCHECK_TEST_POSTGRES_URL: '' },
  });
  let said = '';
  child.stderr.on('data', (bytes: Buffer) => (said += bytes.toString()));
  const [code] = await once(child, 'close');
  expect({ code, said }).toEqual({ code: 3, said: '' });
});
