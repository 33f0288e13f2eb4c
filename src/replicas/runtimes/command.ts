// The runtime for any program that answers GET /ping and POST /invocations on the port it is told in $PORT.

import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import type { EndpointSpec } from '../../domain/endpoint.ts';
import { cleanEnvironment, dieWithServer, type ProcessLaunch } from './launch.ts';

/** How to start a replica of a program. */
export async function launchCommand(
  argv: readonly [string, ...string[]],
  spec: EndpointSpec,
  serverEnvironment: NodeJS.ProcessEnv,
): Promise<ProcessLaunch> {
  const port = await freePort();
  return {
    argv: dieWithServer(argv),
    env: cleanEnvironment(serverEnvironment, spec.env, { PORT: String(port) }),
    cwd: spec.cwd,
    address: { port },
  };
}

/** A port of the loopback interface that nobody uses at this moment. Should another program take it first, the replica fails to start and is started again. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}
