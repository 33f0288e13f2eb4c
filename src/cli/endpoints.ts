// claimcheck endpoints

import { Command } from 'commander';
import type { EndpointBody } from '../wire/endpoints.ts';
import { clientOf, type ConnectionOptions, withConnection } from './connection.ts';
import { endpointDetails, endpointTable } from './run-text.ts';
import { coloursFor, jsonText, write } from './text.ts';
import { readCount } from './values.ts';

interface WarmOptions extends ConnectionOptions {
  readonly replicas?: number;
}

/** The commands about endpoints. */
export function endpointsCommand(): Command {
  return new Command('endpoints')
    .summary('list, show and warm endpoints')
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
    )
    .addCommand(
      withConnection(new Command('warm'))
        .summary('start replicas before there is work')
        .description(
          'Has replicas started without any work, so that the next run need not wait for a start. Answers at once; replicas without work are stopped when they have been idle.',
        )
        .argument('[name]', "the endpoint (default: the server's default one)")
        .option(
          '--replicas <count>',
          'how many, no more than the endpoint may have (default: its min, and at least 1)',
          readCount,
        )
        .addHelpText('after', '\nExample:\n  $ claimcheck endpoints warm smiles-to-3d')
        .action(warm),
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
  await print(await clientOf(options).endpoint(name).describe(), options);
}

async function warm(name: string | undefined, options: WarmOptions): Promise<void> {
  await print(await clientOf(options).endpoint(name).warm({ replicas: options.replicas }), options);
}

async function print(endpoint: EndpointBody, options: ConnectionOptions): Promise<void> {
  await write(
    process.stdout,
    options.json === true ? jsonText(endpoint) : endpointDetails(endpoint, coloursFor(process.stdout)),
  );
}
