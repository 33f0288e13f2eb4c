// A TCP proxy that loses the first answer: the server has the request, the client a reset
// connection.

import { connect as connectTcp, createServer, type AddressInfo } from 'node:net';

/** A proxy that is up. */
export interface LosingProxy {
  readonly url: string;
  /** How many connections there were. */
  connections(): number;
  close(): void;
}

/** Starts a proxy in front of a server. */
export async function startLosingProxy(target: string): Promise<LosingProxy> {
  const { hostname, port } = new URL(target);
  let count = 0;
  const server = createServer((client) => {
    count += 1;
    const loses = count === 1;
    const upstream = connectTcp(Number(port), hostname);
    client.pipe(upstream);
    if (loses) upstream.once('data', () => client.resetAndDestroy());
    else upstream.pipe(client);
    for (const socket of [client, upstream]) socket.on('error', () => upstream.destroy());
  });
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    connections: () => count,
    close: () => void server.close(),
  };
}
