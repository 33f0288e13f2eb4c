// claimcheck endpoints

import { Command } from 'commander';
import type { EndpointBody } from '../../wire/endpoints.ts';
import { clientOf, type ConnectionOptions, withConnection } from '../connection.ts';
import { outcomeText, settled } from './deploy.ts';
import { endpointDetails, endpointTable, versionTable } from '../text/run-text.ts';
import { coloursFor, jsonText, write } from '../text/text.ts';
import { readCount } from '../values.ts';

interface WarmOptions extends ConnectionOptions {
  readonly replicas?: number;
}

interface RemoveOptions extends ConnectionOptions {
  readonly force?: boolean;
}

/** The commands about endpoints. */
export function endpointsCommand(): Command {
  return new Command('endpoints')
    .summary('list, show, warm, roll back and remove endpoints')
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
    )
    .addCommand(
      withConnection(new Command('versions'))
        .summary('list the versions of an endpoint')
        .description('Lists every version of an endpoint that was ever deployed, and why one failed.')
        .argument('[name]', "the endpoint (default: the server's default one)")
        .addHelpText('after', '\nExample:\n  $ claimcheck endpoints versions smiles-to-3d')
        .action(versions),
    )
    .addCommand(
      withConnection(new Command('rollback'))
        .summary('go back to a version of before')
        .description(
          'Deploys a version of before again, under its own number, and waits until it has taken over. Its model file must be what it was.',
        )
        .argument('<name>', 'the endpoint')
        .argument('[version]', 'the version (default: the one that was active last)', readCount)
        .addHelpText('after', '\nExample:\n  $ claimcheck endpoints rollback smiles-to-3d 2')
        .action(rollBack),
    )
    .addCommand(
      withConnection(new Command('remove'))
        .summary('take an endpoint away')
        .description(
          'Takes away an endpoint that was deployed through the server: it takes no more runs, and its replicas end. Its runs and their outputs stay.',
        )
        .argument('<name>', 'the endpoint')
        .option('--force', 'cancel its runs that have not ended')
        .addHelpText('after', '\nExample:\n  $ claimcheck endpoints remove smiles-to-3d')
        .action(remove),
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

async function versions(name: string | undefined, options: ConnectionOptions): Promise<void> {
  const all = await clientOf(options).endpoint(name).versions();
  await write(process.stdout, options.json === true ? jsonText(all) : versionTable(all, coloursFor(process.stdout)));
}

async function rollBack(name: string, version: number | undefined, options: ConnectionOptions): Promise<void> {
  const endpoint = clientOf(options).endpoint(name);
  const before = await endpoint.describe();
  await endpoint.rollBack(version);
  const after = await settled(endpoint);
  await write(process.stdout, options.json === true ? jsonText(after) : outcomeText(before, after));
  if (after.rollout !== null) throw new Error(`${name} stays at version ${after.version}.`);
}

async function remove(name: string, options: RemoveOptions): Promise<void> {
  await clientOf(options).endpoint(name).remove({ force: options.force });
  await write(process.stdout, options.json === true ? jsonText({ removed: name }) : `${name} is gone.\n`);
}

async function print(endpoint: EndpointBody, options: ConnectionOptions): Promise<void> {
  await write(
    process.stdout,
    options.json === true ? jsonText(endpoint) : endpointDetails(endpoint, coloursFor(process.stdout)),
  );
}
