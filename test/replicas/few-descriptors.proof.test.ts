// A server that has no file descriptors left for a replica: its start has failed, and the server
// goes on.

import { execFile, spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { folderForTest } from '../support/folder.ts';
import { FIXTURES } from '../support/service.ts';

const canLimit = spawnSync('prlimit', ['--nofile=48', 'true']).status === 0;
const WHY = canLimit ? '' : ' (skipped: there is no prlimit here)';

test.skipIf(!canLimit).each(['command', 'node'])(
  `a replica in %s that cannot be started for want of descriptors ends no server, and starts once there are some${WHY}`,
  async (runtime) => {
    const argv = [
      '--nofile=48',
      process.execPath,
      join(FIXTURES, 'few-descriptors.ts'),
      runtime,
      await folderForTest(),
    ];
    const { stdout } = await promisify(execFile)('prlimit', argv);
    const started = JSON.parse(stdout) as boolean[];
    expect(started).toContain(false);
    expect(started).toContain(true);
    expect(started).toHaveLength(11);
  },
);
