// A server that is process 1 of a namespace, as in a container without an init.

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { processIds, processRow, type ProcessRow } from '../../src/replicas/peers/processes.ts';
import { serve, serveCommand } from '../../tools/serve.ts';
import { folderForTest } from '../support/folder.ts';
import { orWhy, whyNot } from '../support/optional.ts';
import { FIXTURES } from '../support/service.ts';
import { until } from '../support/until.ts';
import { writeFileSync } from 'node:fs';

const NAMESPACE = ['--pid', '--fork', '--mount-proc', '--kill-child'];
const reason = process.platform === 'linux' ? whyNot('unshare', [...NAMESPACE, 'true']) : 'this is not Linux';

/** The children of a process that are there, also those that have ended and were not waited for. */
const childrenOf = (parent: number): ProcessRow[] =>
  processIds()
    .map(processRow)
    .filter((row) => row?.parent === parent)
    .filter((row) => row !== null);

test.skipIf(reason !== null)(
  `a server that is process 1 leaves no zombies, and ends when it is told to${orWhy(reason)}`,
  async () => {
    const folder = await folderForTest();
    const left = join(folder, 'left');
    const script = `(setsid sh -c 'sleep 0.2; touch ${left}' &) ; exec ${process.execPath} ${join(FIXTURES, 'program.js')}`;
    const model = ['sh', '-c', script];
    const config = join(folder, 'claimcheck.config.json');
    const endpoints = { leaves: { model, replicas: { min: 1 }, isolation: { user: 'server' } } };
    writeFileSync(config, JSON.stringify({ endpoints }));
    const served = await serve(['unshare', ...NAMESPACE, ...serveCommand(config, join(folder, 'data'))]);
    onTestFinished(() => void served.child.kill('SIGKILL'));
    const [one] = childrenOf(served.child.pid!);
    await until('what was left behind has ended', () => existsSync(left));
    await until('it was waited for', () => childrenOf(one!.pid).every(({ hasEnded }) => !hasEnded));
    process.kill(one!.pid, 'SIGTERM');
    expect(await served.ended()).toBe(0);
    expect(served.stdout()).toContain('Stopped.');
  },
);
