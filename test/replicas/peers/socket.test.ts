import { once } from 'node:events';
import { chownSync, existsSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createConnection, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { systemClock } from '../../../src/system/clock.ts';
import { SocketPeer, type SocketPlace } from '../../../src/replicas/peers/socket.ts';
import { startReplica } from '../../../src/replicas/replica.ts';
import { launchRunner } from '../../../src/replicas/runtimes/launch.ts';
import { Ports } from '../../../src/replicas/runtimes/ports.ts';
import { folderForTest } from '../../support/folder.ts';
import { specsOf } from '../../support/service.ts';

async function placeForTest(): Promise<SocketPlace> {
  const folder = await folderForTest();
  mkdirSync(join(folder, 'bind'));
  return { boundAt: join(folder, 'bind', 'socket'), socketPath: join(folder, 'socket'), uid: null };
}

/** A server on a socket; answers how many have connected to it. */
async function listenAt(path: string): Promise<() => number> {
  let connections = 0;
  const server = createServer((connection) => {
    connections += 1;
    connection.destroy();
  }).listen(path);
  await once(server, 'listening');
  onTestFinished(() => void server.close());
  return () => connections;
}

async function reach(peer: SocketPeer, { socketPath }: SocketPlace): Promise<void> {
  const socket = await peer.reach(async (): Promise<Socket> => {
    const connection = createConnection(socketPath);
    await once(connection, 'connect');
    return connection;
  });
  await once(socket.resume(), 'close');
}

test('a socket is reached where its replica can no longer put another in its place', async () => {
  const place = await placeForTest();
  const strangers = await listenAt(join(await folderForTest(), 'socket'));
  const peer = new SocketPeer(place, () => expect.unreachable());
  await expect(reach(peer, place)).rejects.toThrow('it has made no socket yet');
  const connections = await listenAt(place.boundAt);
  await reach(peer, place);
  rmSync(place.boundAt, { force: true });
  symlinkSync('/nowhere', place.boundAt);
  await reach(peer, place);
  expect([connections(), strangers()]).toEqual([2, 0]);
});

test.each([
  ['a link to a socket', 'a link', (boundAt: string, other: string) => symlinkSync(other, boundAt)],
  ['a link to nowhere', 'a link', (boundAt: string) => symlinkSync('/nowhere', boundAt)],
  ['a file', 'no socket', (boundAt: string) => writeFileSync(boundAt, '')],
])('%s in the place of a socket is refused, and nobody is connected to', async (_, found, put) => {
  const place = await placeForTest();
  const other = join(await folderForTest(), 'socket');
  const connections = await listenAt(other);
  put(place.boundAt, other);
  let strangers = 0;
  const peer = new SocketPeer(place, () => (strangers += 1));
  await expect(reach(peer, place)).rejects.toThrow(
    `is ${found}, where a socket of user ${process.getuid?.()} should be`,
  );
  expect([connections(), strangers, existsSync(place.socketPath)]).toEqual([0, 1, false]);
});

test.skipIf(process.getuid?.() !== 0)('a socket of another user is refused (where root can make one)', async () => {
  const place = await placeForTest();
  const connections = await listenAt(place.boundAt);
  chownSync(place.boundAt, 60_999, 60_999);
  await expect(reach(new SocketPeer(place, () => {}), place)).rejects.toThrow('is a socket of user 60999');
  expect(connections()).toBe(0);
});

test('a replica that puts a link in the place of its socket does not start, and the reason is told', async () => {
  const folder = await folderForTest();
  const other = join(folder, 'other');
  const connections = await listenAt(other);
  const [spec] = specsOf({ tested: { model: './echo.ts', env: { OTHER: other } } });
  const argv = ['sh', '-c', 'ln -s "$OTHER" "$CLAIMCHECK_SOCKET"; exec sleep 600'] as const;
  const launch = launchRunner(argv, spec!, { folder, environment: process.env, ports: new Ports() });
  const { signal } = new AbortController();
  const starting = startReplica('r-1', launch, {
    policy: spec!.replicas,
    clock: systemClock,
    signal,
    onRefusal: () => {},
  });
  await expect(starting).rejects.toThrow('is a link, where a socket of user');
  expect(connections()).toBe(0);
});
