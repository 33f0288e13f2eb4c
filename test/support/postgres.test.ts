import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { expect, test } from 'vitest';

test('a process that has started a Postgres ends with the exit code that it set', async () => {
  const support = new URL('./postgres.ts', import.meta.url).href;
  const script = `
    const { startPostgres } = await import(${JSON.stringify(support)});
    await (await startPostgres()).stop();
    process.exitCode = 3;`;
  const child = spawn(process.execPath, ['--input-type=module', '--eval', script], {
    stdio: 'ignore',
    env: { ...process.env, CLAIMCHECK_TEST_POSTGRES_URL: '' },
  });
  const [code] = await once(child, 'exit');
  expect(code).toBe(3);
});
