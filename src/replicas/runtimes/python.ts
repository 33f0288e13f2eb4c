// The runtime for Python files: our runner under the Python that the endpoint names, on a Unix
// socket. Nothing is installed in it.

import { fileURLToPath } from 'node:url';
import type { EndpointSpec, ModelSource } from '../../domain/endpoint.ts';
import type { Inspection } from '../../model/inspect.ts';
import { type InspectedSpec, inspectWith } from './inspection.ts';
import { launchRunner, type LaunchSite, type ProcessLaunch } from './launch.ts';

/** A model that is a Python file. */
export type PythonSource = Extract<ModelSource, { readonly runtime: 'python' }>;

const RUNNER = fileURLToPath(new URL('../../model/python/__main__.py', import.meta.url));

/** How to start a replica of a Python file. */
export function launchPython({ python, file }: PythonSource, spec: EndpointSpec, site: LaunchSite): ProcessLaunch {
  return launchRunner([python, RUNNER, file], spec, site);
}

/**
 * Finds out what a Python file takes: imports it, and loads no model; `prefix` stands before its
 * command.
 */
export function inspectPython(
  { python, file }: PythonSource,
  spec: InspectedSpec,
  serverEnvironment: NodeJS.ProcessEnv,
  prefix: readonly string[] = [],
): Promise<Inspection> {
  return inspectWith([python, RUNNER, '--inspect', file], spec, serverEnvironment, prefix);
}
