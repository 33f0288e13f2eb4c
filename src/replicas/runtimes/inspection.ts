// Inspecting a model file: a process of its own sees what a replica would, and prints what the file takes on its last line.

import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import type { EndpointSpec } from '../../domain/endpoint.ts';
import type { Inspection } from '../../model/inspect.ts';
import { cleanEnvironment } from './launch.ts';

/** Longest that importing a model file may take when it is inspected. Importing is not loading: a slow model loads in `load`. */
const INSPECT_MILLISECONDS_MAX = 60_000;

/** Runs a program that inspects a model file, behind a `prefix` such as the one that changes the user; whatever goes wrong is an error in its last words. */
export async function inspectWith(
  argv: readonly [string, ...string[]],
  { env, cwd }: Pick<EndpointSpec, 'env' | 'cwd'>,
  serverEnvironment: NodeJS.ProcessEnv,
  prefix: readonly string[],
): Promise<Inspection> {
  const [program, ...rest] = [...prefix, ...argv] as [string, ...string[]];
  try {
    const { stdout } = await promisify(execFile)(program, rest, {
      env: cleanEnvironment(serverEnvironment, env),
      cwd,
      timeout: INSPECT_MILLISECONDS_MAX,
    });
    return JSON.parse(stdout.trimEnd().split('\n').at(-1)!) as Inspection;
  } catch (error) {
    const { stderr = '', message, code } = error as Error & { stderr?: string; code?: unknown };
    if (code === 'ENOENT')
      return { error: `There is no program ${argv[0]} on the PATH; install it, or name another in the configuration.` };
    return { error: stderr.trim().split('\n').slice(-3).join(' ') || message };
  }
}
