// Who is believed at a replica's port: on Linux alone can it be found out.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { createConnection, type Socket } from 'node:net';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { systemClock } from '../../../src/system/clock.ts';
import { REPLICA_VARIABLE } from '../../../src/replicas/peers/kin.ts';
import { PortPeer } from '../../../src/replicas/peers/port.ts';
import { environmentOf, processIds } from '../../../src/replicas/peers/processes.ts';
import { startReplica, type Replica } from '../../../src/replicas/replica.ts';
import { launchCommand } from '../../../src/replicas/runtimes/command.ts';
import type { ProcessLaunch } from '../../../src/replicas/runtimes/launch.ts';
import { Ports } from '../../../src/replicas/runtimes/ports.ts';
import { folderForTest } from '../../support/folder.ts';
import { FIXTURES, specsOf } from '../../support/service.ts';

const PROGRAM = join(FIXTURES, 'obeying-program.js');
const NODE = process.execPath;
/** No other test's, so that what has left its session can be found, and ended. */
const REPLICA = `r-port-${process.pid}`;

/** A program that is about to be started, and the port that it has been told. */
async function launchForTest(
  argv: readonly [string, ...string[]],
  env: Record<string, string> = {},
): Promise<{ launch: ProcessLaunch; port: number }> {
  const [spec] = specsOf({ tested: { model: [...argv], env, replicas: { startTimeout: 20 } } });
  const site = { folder: await folderForTest(), environment: process.env, ports: new Ports() };
  const launch = await launchCommand(argv, spec!, REPLICA, site);
  return { launch, port: (launch.address as { port: number }).port };
}

async function startForTest(launch: ProcessLaunch): Promise<Replica> {
  const policy = { startTimeout: 20_000, outputBytes: 1_024 } as Parameters<typeof startReplica>[2]['policy'];
  const { signal } = new AbortController();
  const replica = await startReplica(REPLICA, launch, { policy, clock: systemClock, signal, onRefusal: () => {} });
  onTestFinished(async () => {
    await replica.stop();
    const left = processIds().filter((pid) => environmentOf(pid).includes(`${REPLICA_VARIABLE}=${REPLICA}`));
    left.forEach((pid) => process.kill(pid, 'SIGKILL'));
  });
  return replica;
}

/**
 * A program that is not the replica's and answers 200 to all that it is asked, and how often that
 * was.
 */
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
      // Long before startTimeout, of which the message would speak.
      await expect(startForTest(launch)).rejects.toThrow(
        `600: port ${port}, which PORT told it to listen on, is held by process ${process.pid} (`,
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
    [
      'of its session whose parent has gone and that has kept nothing of its environment',
      ['sh', '-c', `(env -i PORT="$PORT" ${NODE} ${PROGRAM} &) ; exec sleep 600`],
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

describe.skipIf(process.platform !== 'linux')('a connection to the port of a replica', () => {
  /** Has a program listen on a port that others may listen on as well; answers its process. */
  async function listener(port: number): Promise<ChildProcess & { readonly pid: number }> {
    const listen = `require('node:net').createServer().listen({ port: ${port}, host: '127.0.0.1', reusePort: true }, () => console.log('up'))`;
    const child = spawn(NODE, ['-e', listen], { detached: true, stdio: ['ignore', 'pipe', 'inherit'] });
    onTestFinished(() => void child.kill('SIGKILL'));
    await once(child.stdout, 'data');
    return child as ChildProcess & { readonly pid: number };
  }

  /** A program that listens, taken for a replica, and the connections that were opened to it. */
  async function replicaForTest() {
    const { port, release } = await new Ports().give();
    const { pid } = await listener(port);
    let isAlive = true;
    const family = { replicaId: 'r-1', pid, port, isAlive: () => isAlive, processes: () => [] };
    const peer = new PortPeer(family, () => {});
    const opened: Socket[] = [];
    onTestFinished(() => {
      opened.forEach((socket) => socket.destroy());
      release();
    });
    const connect = async (): Promise<Socket> => {
      const socket = createConnection(port, '127.0.0.1').on('error', () => {});
      opened.push(socket);
      await once(socket, 'connect');
      return socket;
    };
    return { port, peer, connect, opened, end: () => (isAlive = false) };
  }

  test('is its where it alone listens there', async () => {
    const { peer, connect, opened } = await replicaForTest();
    expect(await peer.reach(connect)).toBe(opened[0]);
    expect(opened[0]!.destroyed).toBe(false);
  });

  test('is not opened where a stranger listens beside it, though that is younger than the replica', async () => {
    const { peer, port, connect, opened } = await replicaForTest();
    await peer.reach(connect);
    const { pid } = await listener(port);
    await expect(peer.reach(connect)).rejects.toThrow(`is held by process ${pid} (`);
    expect(opened.length).toBe(1);
  });

  test('is closed where a stranger has come while it was opened: it may be his', async () => {
    const { peer, port, connect, opened } = await replicaForTest();
    const connectLate = async (): Promise<Socket> => {
      const socket = await connect();
      await listener(port);
      return socket;
    };
    await expect(peer.reach(connectLate)).rejects.toThrow('has changed hands while it was connected to');
    expect(opened[0]!.destroyed).toBe(true);
  });

  test('is not opened once the replica has ended, also where another listens there', async () => {
    const { peer, connect, opened, end } = await replicaForTest();
    await peer.reach(connect);
    end();
    await expect(peer.reach(connect)).rejects.toThrow('has ended');
    expect(opened.length).toBe(1);
  });
});
