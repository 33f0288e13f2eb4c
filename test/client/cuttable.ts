// A way to a server that a test can cut.

import { connect as connectTcp, createServer, type AddressInfo, type Socket } from 'node:net';
import { onTestFinished } from 'vitest';
import { type Claimcheck, connect } from '../../src/index.ts';

/** Bytes after which a stalled connection brings no more. */
const STALLS_AFTER = 1_000_000;

/** A client on the other side of it. */
export interface Cuttable {
  readonly client: Claimcheck;
  readonly url: string;
  /** Breaks every connection that is open; new ones go through. */
  cut(): void;
  /**
   * Lets no more than a megabyte come from the server on each connection from now on: what is there
   * is not the end, and nothing more comes.
   */
  stall(): void;
  /** How many connections are open. */
  open(): number;
}

/** Puts one in front of a server, until the test is over. */
export async function cuttable(target: string): Promise<Cuttable> {
  const { hostname, port } = new URL(target);
  const sockets = new Set<Socket>();
  let isStalling = false;
  const proxy = createServer((near) => {
    const far = connectTcp(Number(port), hostname);
    near.pipe(far);
    let come = 0;
    far.on('data', (bytes: Buffer) => {
      near.write(bytes);
      come += bytes.length;
      if (isStalling && come > STALLS_AFTER) far.pause();
    });
    far.once('end', () => near.end());
    for (const socket of [near, far]) {
      sockets.add(socket.on('error', () => {}));
      socket.once('close', () => sockets.delete(socket));
    }
  });
  await new Promise<void>((resolve) => void proxy.listen(0, '127.0.0.1', resolve));
  const cut = (): void => sockets.forEach((socket) => socket.destroy());
  onTestFinished(() => {
    proxy.close();
    cut();
  });
  const url = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`;
  return { client: connect({ url }), url, cut, stall: () => void (isStalling = true), open: () => sockets.size / 2 };
}
