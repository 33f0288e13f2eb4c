// A port for a server of a test's own.

import { Ports } from '../../src/replicas/runtimes/ports.ts';

/** A port that nobody uses at this moment. */
export async function freePort(): Promise<number> {
  const { port, release } = await new Ports().give();
  release();
  return port;
}
