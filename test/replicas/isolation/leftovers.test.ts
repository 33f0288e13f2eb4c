// A server that is killed leaves what its kernel does not end with it: the next one on its data
// clears that away, and nothing else.

import { existsSync } from 'node:fs';
import { dirname } from 'node:path';
import { expect, test } from 'vitest';
import { thisMachine } from '../../../src/replicas/isolation/machine.ts';
import { folderForTest } from '../../support/folder.ts';
import { isAlive, processesWith } from '../../support/processes.ts';
import { send } from '../../support/http.ts';
import { FIXTURES } from '../../support/service.ts';
import { type ServerProcess, startServerProcess } from '../../support/server-process.ts';
import { until } from '../../support/until.ts';

const { memory, pids } = thisMachine().cgroups.folders;
const hasNone = memory === undefined && pids === undefined;
const WHY = hasNone ? ' (skipped: no cgroups can be made here)' : '';

/** A server whose model has started a daemon: the daemon, and the folder of its replica. */
async function serverWithDaemon(marker: string): Promise<{ server: ServerProcess; daemon: number; folder: string }> {
  const server = await startServerProcess(await folderForTest(), {
    bad: { model: `${FIXTURES}badmodel.ts`, env: { MARKER: marker } },
  });
  const { json: run } = (await server.submit('bad', { do: 'daemons' }))!;
  const [, daemon] = await until('the daemon runs', async () => {
    const { status, json } = await send(server.url, 'GET', `/runs/${run.run_id}/output`);
    return status === 200 ? (json as [number, number]) : null;
  });
  return { server, daemon, folder: await scratchOf(server) };
}

async function scratchOf(server: ServerProcess): Promise<string> {
  const { json: run } = (await server.submit('bad', { do: 'scratch' }))!;
  const scratch = await until('the model has said where its folder is', async () => {
    const { status, json } = await send(server.url, 'GET', `/runs/${run.run_id}/output`);
    return status === 200 ? (json as string) : null;
  });
  return dirname(dirname(scratch));
}

test.skipIf(hasNone)(`what a killed server leaves is ended by the next one on its data${WHY}`, async () => {
  const data = await folderForTest();
  const start = (): Promise<ServerProcess> =>
    startServerProcess(data, { bad: { model: `${FIXTURES}badmodel.ts`, env: { MARKER: data } } });
  const other = await serverWithDaemon('of another server');
  const killed = await start();
  const { json: run } = (await killed.submit('bad', { do: 'daemons' }))!;
  await until(
    'the daemons run',
    async () => (await send(killed.url, 'GET', `/runs/${run.run_id}/output`)).status === 200,
  );
  const folder = await scratchOf(killed);
  killed.child.kill('SIGKILL');
  // Its replica dies with it, and the processes that this had started go on.
  await until('the replica is gone', () => processesWith(data).length === 2);
  expect(existsSync(folder)).toBe(true);

  const next = await start();
  expect(processesWith(data)).toEqual([]);
  expect(existsSync(folder)).toBe(false);
  expect(isAlive(other.daemon)).toBe(true);
  expect(existsSync(other.folder)).toBe(true);

  for (const { child } of [next, other.server]) child.kill('SIGTERM');
  await until('what the other one had started is gone', () => !isAlive(other.daemon));
});
