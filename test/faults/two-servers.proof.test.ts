import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { folderForTest } from '../support/folder.ts';
import { send } from '../support/http.ts';
import { startServerProcess } from '../support/server-process.ts';
import { FIXTURES } from '../support/service.ts';
import { MAIN } from '../cli/command.ts';

test('a second server on a data folder is refused with what to do, the first goes on, and a third may have it once the first was killed', async () => {
  const folder = await folderForTest();
  const endpoints = { jobs: { model: join(FIXTURES, 'anything.ts'), mode: 'async' } } as const;
  const first = await startServerProcess(folder, endpoints);
  const config = join(folder, 'claimcheck.config.json');
  const second = spawnSync(
    process.execPath,
    [MAIN, 'serve', '--config', config, '--port', '0', '--data', join(folder, 'data')],
    { encoding: 'utf8' },
  );
  expect(second.stderr).toMatch(
    /^error: Another process has .*ledger\.sqlite open\. One server at a time can use a data folder: stop the other one, or choose another with --data\.\n$/,
  );
  expect(second.status).toBe(1);
  const submitted = await first.submit('jobs', 1);
  expect(submitted?.status).toBe(202);
  first.child.kill('SIGKILL');
  await first.ended();
  const third = await startServerProcess(folder, endpoints);
  expect((await send(third.url, 'GET', `/runs/${submitted!.json.run_id as string}`)).status).toBe(200);
});
