// Who is believed at a replica's port: on Linux alone can it be found out.

import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { systemClock } from '../../../src/clock.ts';
import { startReplica, type Replica } from '../../../src/replicas/replica.ts';
import { launchCommand } from '../../../src/replicas/runtimes/command.ts';
import type { ProcessLaunch } from '../../../src/replicas/runtimes/launch.ts';
import { Ports } from '../../../src/replicas/runtimes/ports.ts';
import { folderForTest } from '../../support/folder.ts';
import { FIXTURES, specsOf } from '../../support/service.ts';

const PROGRAM = join(FIXTURES, 'program.ts');
const NODE = process.execPath;

/** A program that is about to be started, and the port that it has been told. */
async function launchForTest(
  argv: readonly [string, ...string[]],
  env: Record<string, string> = {},
): Promise<{ launch: ProcessLaunch; port: number }> {
  const [spec] = specsOf({ tested: { model: [...argv], env, replicas: { startTimeout: 20 } } });
  const site = { folder: await folderForTest(), environment: process.env, ports: new Ports() };
  const launch = await launchCommand(argv, spec!, 'r-1', site);
  return { launch, port: (launch.address as { port: number }).port };
}

async function startForTest(launch: ProcessLaunch): Promise<Replica> {
  const policy = { startTimeout: 20_000, outputBytes: 1_024 } as Parameters<typeof startReplica>[2]['policy'];
  const { signal } = new AbortController();
  const replica = await startReplica('r-1', launch, { policy, clock: systemClock, signal, onRefusal: () => {} });
  onTestFinished(() => replica.stop());
  return replica;
}

/** A program that is not the replica's and answers 200 to all that it is asked, and how often that was. */
async function strangerAt(port: number, host?: string): Promise<{ requests: string[] }> {
  const requests: string[] = [];
  const server: Server = createServer((request, response) => {
    requests.push(request.url!);
    response.writeHead(200).end('42');
  }).listen(port, host);
  await once(server, 'listening');
  onTestFinished(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  return { requests };
}

const ask = (replica: Replica, wish: unknown) =>
  replica.invoke({ headers: {}, body: Buffer.from(JSON.stringify(wish)) }, new AbortController().signal);

describe.skipIf(process.platform !== 'linux')('at the port of a replica', () => {
  test.each(['127.0.0.1', '0.0.0.0', '::'])(
    'a stranger that listens on %s and answers 200 is not asked for anything, and is named',
    async (host) => {
      const { launch, port } = await launchForTest(['sleep', '600']);
      const { requests } = await strangerAt(port, host);
      await expect(startForTest(launch)).rejects.toThrow(
        `port ${port}, which PORT told it to listen on, is held by process ${process.pid} (`,
      );
      expect(requests).toEqual([]);
    },
  );

  test('a stranger on another address of the port, or on that of IPv6 alone, is in nobody’s way', async () => {
    const { launch, port } = await launchForTest([NODE, PROGRAM]);
    const strangers = [await strangerAt(port, '127.0.0.2'), await strangerAt(port, '::1')];
    expect(await ask(await startForTest(launch), { x: 1 })).toMatchObject({ kind: 'output' });
    expect(strangers.flatMap(({ requests }) => requests)).toEqual([]);
  });

  test.each([
    ['that listens on every address', [NODE, PROGRAM], { HOST: '::' }],
    ['behind a shell', ['sh', '-c', `${NODE} ${PROGRAM}; true`], {}],
    ['that listens on every address of IPv4', [NODE, PROGRAM], { HOST: '0.0.0.0' }],
    [
      'in a session of its own whose parent has gone',
      ['sh', '-c', `(setsid ${NODE} ${PROGRAM} &) ; exec sleep 600`],
      {},
    ],
  ] as const)('a program %s is believed', async (_, argv, env) => {
    const { launch } = await launchForTest(argv, env);
    expect(await ask(await startForTest(launch), { do: 'pid' })).toMatchObject({ kind: 'output' });
  });

  test('a stranger that takes the port over while the replica lives gets nothing, and the run has crashed', async () => {
    const { launch, port } = await launchForTest([NODE, PROGRAM], { HANGS_UP: '1' });
    const replica = await startForTest(launch);
    expect(await ask(replica, { do: 'stop-listening' })).toMatchObject({ kind: 'output' });
    const { requests } = await strangerAt(port, '127.0.0.1');
    const reply = await ask(replica, { do: 'pid' });
    expect(reply).toMatchObject({ kind: 'crashed', detail: expect.stringContaining(`is held by process`) as string });
    expect(requests).toEqual([]);
  });

  test('a stranger that has the port of a replica that has ended gets nothing', async () => {
    const { launch, port } = await launchForTest([NODE, PROGRAM]);
    const replica = await startForTest(launch);
    expect(await ask(replica, { do: 'exit' })).toMatchObject({ kind: 'crashed' });
    const { requests } = await strangerAt(port, '127.0.0.1');
    expect(await ask(replica, { do: 'pid' })).toMatchObject({ kind: 'crashed' });
    expect(requests).toEqual([]);
  });
});
