// The runtime for `defineModel` files: our runner under this very Node, on a Unix socket.

import { fileURLToPath } from 'node:url';
import type { EndpointSpec } from '../../domain/endpoint.ts';
import type { Inspection } from '../../model/inspect.ts';
import { COMPILED_VARIABLE, compiledFolder } from '../../system/compiled.ts';
import { type InspectedSpec, inspectWith } from './inspection.ts';
import { launchRunner, type LaunchSite, type ProcessLaunch } from './launch.ts';

const programOf = (name: 'runner' | 'inspect'): string => {
  const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
  return fileURLToPath(new URL(`../../model/${name}.${extension}`, import.meta.url));
};

/** How to start a replica of a model file. */
export function launchNode(file: string, spec: EndpointSpec, site: LaunchSite): ProcessLaunch {
  return launchRunner([process.execPath, programOf('runner'), file], spec, site);
}

/**
 * Finds out what a model file takes, in a process of its own that sees what a replica would;
 * `prefix` stands before its command.
 */
export function inspectModel(
  file: string,
  spec: InspectedSpec,
  serverEnvironment: NodeJS.ProcessEnv,
  prefix: readonly string[] = [],
): Promise<Inspection> {
  const compiled = compiledFolder();
  // Another user may not read what is kept for this one, and this one should not run what another
  // has written there.
  const kept = compiled === null || prefix.length > 0 ? {} : { [COMPILED_VARIABLE]: compiled };
  const env = { ...kept, ...spec.env };
  return inspectWith([process.execPath, programOf('inspect'), file], { ...spec, env }, serverEnvironment, prefix);
}
