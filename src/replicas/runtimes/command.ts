// The runtime for any program that answers GET /ping and POST /invocations on the port it is told
// in $PORT.

import type { EndpointSpec } from '../../domain/endpoint.ts';
import { REPLICA_VARIABLE } from '../peers/kin.ts';
import { cleanEnvironment, dieWithServer, type LaunchSite, type ProcessLaunch } from './launch.ts';

/** How to start a replica of a program. */
export async function launchCommand(
  argv: readonly [string, ...string[]],
  spec: EndpointSpec,
  replicaId: string,
  { environment, ports }: LaunchSite,
): Promise<ProcessLaunch> {
  const { port, release } = await ports.give();
  const told = { PORT: String(port), [REPLICA_VARIABLE]: replicaId };
  return {
    argv: dieWithServer(argv),
    env: cleanEnvironment(environment, spec.env, told),
    cwd: spec.cwd,
    address: { port },
    release,
  };
}
