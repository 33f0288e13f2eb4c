// A TCP proxy that cuts connections at random places: in the middle of a request, before an answer,
// in the middle of one.

import { connect as connectTcp, createServer, type AddressInfo, type Socket } from 'node:net';
import { onTestFinished } from 'vitest';
import { coins } from '../faults/coins.ts';

/**
 * How far a connection gets before it is cut, in bytes either way: where nothing is said, requests
 * and answers have a few hundred each.
 */
const BYTES_MAX = 1_500;

/** A proxy that is up until the test is over. */
export interface ShakyProxy {
  readonly url: string;
  /** Whether connections are cut; they are not at first. */
  shaky: boolean;
  /** How many were cut in the middle of what was sent to the server, and in what came from it. */
  readonly cuts: { requests: number; answers: number };
}

/** Starts one in front of a server; the same seed draws the same places. */
export async function startShakyProxy(target: string, seed: number, bytesMax = BYTES_MAX): Promise<ShakyProxy> {
  const { hostname, port } = new URL(target);
  const { number } = coins(seed);
  const sockets = new Set<Socket>();
  const proxy = { url: '', shaky: false, cuts: { requests: 0, answers: 0 } };
  const server = createServer((near) => {
    const far = connectTcp(Number(port), hostname);
    const cut = (): void => {
      near.resetAndDestroy();
      far.destroy();
    };
    // One in three connections is sound, so that everything arrives at some time.
    const fate = proxy.shaky ? (['sound', 'requests', 'answers'] as const)[number(3)]! : 'sound';
    const left = { requests: Infinity, answers: Infinity, ...(fate !== 'sound' && { [fate]: number(bytesMax) }) };
    const pass = (from: Socket, to: Socket, way: 'requests' | 'answers'): void => {
      from.on('data', (bytes: Buffer) => {
        to.write(bytes.subarray(0, left[way]));
        left[way] -= bytes.length;
        if (left[way] > 0) return;
        proxy.cuts[way] += 1;
        cut();
      });
      from.once('end', () => to.end());
    };
    pass(near, far, 'requests');
    pass(far, near, 'answers');
    for (const socket of [near, far]) {
      sockets.add(socket);
      socket.on('error', cut).once('close', () => sockets.delete(socket));
    }
  });
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  proxy.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return proxy;
}
