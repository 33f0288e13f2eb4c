// claimcheck deploy

import { setTimeout as sleep } from 'node:timers/promises';
import { Command } from 'commander';
import type { Endpoint } from '../../client/endpoint.ts';
import type { EndpointBody } from '../../wire/endpoints.ts';
import { clientOf, type ConnectionOptions, withConnection } from '../connection.ts';
import { coloursFor, jsonText, write } from '../text/text.ts';

/** Pause between two looks at a version that is tried. */
const LOOK_EVERY_MS = 250;

interface DeployOptions extends ConnectionOptions {
  readonly config?: string;
}

/** The command that deploys endpoints to a server that runs. */
export function deployCommand(): Command {
  return withConnection(new Command('deploy'))
    .summary('deploy endpoints to a server that runs')
    .description(
      'Deploys endpoints as a configuration file here has them. A new version is tried first: new runs go to it once a replica of it is ready, and runs from before finish on the version before. Where none becomes ready, everything stays as it was, and the command says why and exits with 1. The server must see the same files.',
    )
    .argument('[names...]', 'the endpoints (default: all of the file)')
    .option('-c, --config <file>', 'configuration file (default: claimcheck.config.ts, .js, .json or .yaml here)')
    .addHelpText(
      'after',
      '\nExample:\n  $ claimcheck deploy smiles-to-3d --config examples/molecules/claimcheck.config.ts',
    )
    .action(deploy);
}

async function deploy(names: readonly string[], options: DeployOptions): Promise<void> {
  const { readEndpoints } = await import('../../config/config.ts');
  const written = await readEndpoints(options.config, names);
  const client = clientOf(options);
  const failed: string[] = [];
  for (const [name, endpoint] of Object.entries(written)) {
    const before = (await client.endpoints()).find((one) => one.name === name) ?? null;
    await client.endpoint(name).deploy(endpoint);
    const after = await settled(client.endpoint(name));
    if (after.rollout !== null) failed.push(name);
    await write(process.stdout, options.json === true ? jsonText(after) : outcomeText(before, after));
  }
  if (failed.length > 0) throw new Error(`Not deployed: ${failed.join(', ')}.`);
}

/** The endpoint once its new version has taken over, or was given up. */
export async function settled(endpoint: Endpoint): Promise<EndpointBody> {
  for (;;) {
    const body = await endpoint.describe();
    if (body.rollout?.state !== 'starting') return body;
    await sleep(LOOK_EVERY_MS);
  }
}

/** The state of a deployment, in a line. */
export function outcomeText(before: EndpointBody | null, after: EndpointBody): string {
  const { bold, green, red } = coloursFor(process.stdout);
  const name = bold(after.name);
  if (after.rollout !== null)
    return `${red('failed')}  ${name}  version ${after.rollout.version}: ${after.rollout.reason}\n        version ${after.version} goes on\n`;
  if (before?.version === after.version) return `${green('ok')}  ${name}  version ${after.version}, as it was\n`;
  return `${green('ok')}  ${name}  version ${after.version}${before === null ? '' : `, after version ${before.version}`}\n`;
}
