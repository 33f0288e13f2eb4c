// Six endpoints in a network with 16 ports, beside a stranger that takes what ports it can get:
// each answers with its own name.

import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { folderForTest } from '../../support/folder.ts';
import { FIXTURES } from '../../support/service.ts';

const SETUP = 'ip link set lo up && echo "40000 40015" > /proc/sys/net/ipv4/ip_local_port_range';
const inNetwork = (script: string, ...args: string[]): ReturnType<typeof spawnSync> =>
  spawnSync('unshare', ['--net', 'sh', '-c', `${SETUP} && ${script}`, 'sh', ...args], { encoding: 'utf8' });
const canTry = inNetwork('true').status === 0;
const WHY = canTry ? '' : ' (skipped: this user cannot make a network of its own with unshare and ip)';

test.skipIf(!canTry)(`no endpoint answers with another's model where ports are few${WHY}`, async () => {
  const script = join(FIXTURES, 'few-ports.ts');
  const { stdout, stderr } = inNetwork('exec "$@"', process.execPath, script, await folderForTest());
  const said = String(stdout).trim().split('\n').at(-1)!;
  if (!said.startsWith('{')) throw new Error(`The script failed: ${String(stderr)}`);
  const { results, requests } = JSON.parse(said) as { results: { name: string; answer: string }[]; requests: string[] };
  expect(results).toHaveLength(30);
  for (const { name, answer } of results) expect(answer).toBe(name);
  expect(requests).toEqual([]);
});
