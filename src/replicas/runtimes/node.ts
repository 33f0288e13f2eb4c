// The runtime for `defineModel` files: our runner under this very Node, on a Unix socket.

import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { EndpointSpec } from '../../domain/endpoint.ts';
import type { Inspection } from '../../model/inspect.ts';
import { SOCKET_VARIABLE } from '../../model/protocol.ts';
import { cleanEnvironment, dieWithServer, type Launch } from './launch.ts';

/** Longest that importing a model file may take when it is inspected. Importing is not loading: a slow model loads in `load`. */
const INSPECT_MILLISECONDS_MAX = 60_000;

const programOf = (name: 'runner' | 'inspect'): string => {
  const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
  return fileURLToPath(new URL(`../../model/${name}.${extension}`, import.meta.url));
};

/** How to start a replica of a model file; `socketFolder` must be short, for a Unix socket's path has 108 bytes at the most. */
export function launchNode(
  file: string,
  spec: EndpointSpec,
  replicaId: string,
  socketFolder: string,
  serverEnvironment: NodeJS.ProcessEnv,
): Launch {
  const socketPath = join(socketFolder, `${replicaId.slice(-12)}.sock`);
  return {
    argv: dieWithServer([process.execPath, programOf('runner'), file]),
    env: cleanEnvironment(serverEnvironment, spec.env, { [SOCKET_VARIABLE]: socketPath }),
    cwd: spec.cwd,
    address: { socketPath },
  };
}

/** Finds out what a model file takes, in a process of its own that sees what a replica would. */
export async function inspectModel(
  file: string,
  { env, cwd }: Pick<EndpointSpec, 'env' | 'cwd'>,
  serverEnvironment: NodeJS.ProcessEnv,
): Promise<Inspection> {
  try {
    const { stdout } = await promisify(execFile)(process.execPath, [programOf('inspect'), file], {
      env: cleanEnvironment(serverEnvironment, env),
      cwd,
      timeout: INSPECT_MILLISECONDS_MAX,
    });
    return JSON.parse(stdout.trimEnd().split('\n').at(-1)!) as Inspection;
  } catch (error) {
    const { stderr = '', message } = error as Error & { stderr?: string };
    return { error: stderr.trim().split('\n').slice(-3).join(' ') || message };
  }
}
