// claimcheck endpoints

import { Command } from 'commander';
import { clientOf, type ConnectionOptions, withConnection } from './connection.ts';
import { endpointDetails, endpointTable } from './run-text.ts';
import { coloursFor, jsonText, write } from './text.ts';

/** The commands about endpoints. */
export function endpointsCommand(): Command {
  return new Command('endpoints')
    .summary('list and show endpoints')
    .description('Endpoints that the server has deployed.')
    .addCommand(
      withConnection(new Command('list'))
        .summary('list endpoints')
        .description('Lists every endpoint with its replicas and its queue.')
        .addHelpText('after', '\nExample:\n  $ claimcheck endpoints list')
        .action(list),
    )
    .addCommand(
      withConnection(new Command('show'))
        .summary('show an endpoint')
        .description('Shows an endpoint, its replicas, its queue, and why no replica becomes ready where that is so.')
        .argument('[name]', "the endpoint (default: the server's default one)")
        .addHelpText('after', '\nExample:\n  $ claimcheck endpoints show smiles-to-3d')
        .action(show),
    );
}

async function list(options: ConnectionOptions): Promise<void> {
  const endpoints = await clientOf(options).endpoints();
  await write(
    process.stdout,
    options.json === true ? jsonText(endpoints) : endpointTable(endpoints, coloursFor(process.stdout)),
  );
}

async function show(name: string | undefined, options: ConnectionOptions): Promise<void> {
  const endpoint = await clientOf(options).endpoint(name).describe();
  await write(
    process.stdout,
    options.json === true ? jsonText(endpoint) : endpointDetails(endpoint, coloursFor(process.stdout)),
  );
}
