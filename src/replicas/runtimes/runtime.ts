// From an endpoint to its runtime: the one place that knows all of them.

import type { EndpointSpec } from '../../domain/endpoint.ts';
import type { Inspection } from '../../model/inspect.ts';
import { launchCommand } from './command.ts';
import type { InspectedSpec } from './inspection.ts';
import type { Launch, LaunchSite } from './launch.ts';
import { inspectModel, launchNode } from './node.ts';
import { inspectPython, launchPython } from './python.ts';

/** How to start a replica of an endpoint's model. */
export async function launchReplica(spec: EndpointSpec, replicaId: string, site: LaunchSite): Promise<Launch> {
  const { model } = spec;
  switch (model.runtime) {
    case 'node':
      return launchNode(model.file, spec, site);
    case 'python':
      return launchPython(model, spec, site);
    case 'command':
      return launchCommand(model.argv, spec, replicaId, site);
    case 'remote':
      return { url: model.url };
  }
}

/**
 * Finds out what an endpoint's model takes, or why it cannot be used. A program is not asked: it
 * takes what it takes. `prefix` stands before the command that asks.
 */
export async function inspectEndpoint(
  spec: Pick<EndpointSpec, 'model'> & InspectedSpec,
  serverEnvironment: NodeJS.ProcessEnv,
  prefix: readonly string[] = [],
): Promise<Inspection> {
  const { model } = spec;
  switch (model.runtime) {
    case 'node':
      return inspectModel(model.file, spec, serverEnvironment, prefix);
    case 'python':
      return inspectPython(model, spec, serverEnvironment, prefix);
    case 'command':
    case 'remote':
      return { kind: 'any' };
  }
}
