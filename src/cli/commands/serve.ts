// claimcheck serve

import { Command, InvalidArgumentError } from 'commander';
import type { Config } from '../../config/config.ts';
import type { ModelSource } from '../../domain/endpoint.ts';
import type { Service } from '../../service.ts';
import { asCalled } from '../called-as.ts';
import { leaveProcessOne } from './init.ts';
import { Interrupts } from '../interrupts.ts';
import { coloursFor, write } from '../text/text.ts';

interface ServeOptions {
  readonly config?: string;
  readonly port?: number;
  readonly host?: string;
  readonly data?: string;
  readonly insecure?: boolean;
}

/** The command that runs a server until it is told to stop. */
export function serveCommand(): Command {
  return new Command('serve')
    .summary('run a server')
    .description(
      'Runs a server for the endpoints of a configuration file until SIGTERM or Ctrl-C. Running work then gets ten seconds, the rest is queued again.',
    )
    .option('-c, --config <file>', 'configuration file (default: claimcheck.config.ts, .js, .json or .yaml here)')
    .option('-p, --port <number>', 'port to listen on, 0 for any (default: 4242)', readPort)
    .option('--host <address>', 'address to listen on (default: 127.0.0.1)')
    .option('-d, --data <folder>', 'folder for runs and payloads (default: .claimcheck beside the configuration)')
    .option('--insecure', 'listen beyond this machine although there is no key to ask for')
    .addHelpText(
      'after',
      '\nExits with 74 when the disk failed so that nothing on it can be trusted; start it again, it reads what is there.\n\nExample:\n  $ claimcheck serve --config examples/molecules/claimcheck.config.ts --port 4242',
    )
    .action(serve);
}

async function serve(options: ServeOptions): Promise<void> {
  leaveProcessOne();
  // The reader of the first lines may be gone when the last ones are printed; other commands end
  // then, a server goes on.
  process.stdout.removeAllListeners('error').on('error', () => {});
  const { config, service } = await start(options);
  announce(service, config.data);
  const interrupts = new Interrupts(['SIGINT']);
  const broken = await Promise.race([service.broken, stopAsked(interrupts)]);
  // Nothing is stopped in order: that would ask the store. Replicas end with the process.
  if (broken !== undefined) throw broken;
  await write(
    process.stdout,
    'Stopping: running work gets ten seconds, the rest is queued again. Ctrl-C again queues all of it at once.\n',
  );
  await service.stop(interrupts.again);
  await write(process.stdout, 'Stopped.\n');
}

/**
 * Imported here is the server's code, so that every other command starts without it; most of it
 * while the models are being inspected.
 */
async function start(options: ServeOptions): Promise<{ config: Config; service: Service }> {
  const { loadConfig } = await import('../../config/config.ts');
  const config = await loadConfig(options);
  const { examine } = await import('../../deploy/examination.ts');
  const examination = examine(config);
  const { startService } = await import('../../service.ts');
  return { config, service: await startService(config, {}, undefined, examination) };
}

function announce({ url, endpoints, ledger, usableKeys, isolation, cautions }: Service, data: string): void {
  const { bold, dim, yellow } = coloursFor(process.stdout);
  const width = Math.max(...endpoints.map(({ spec }) => spec.name.length));
  const lines = endpoints.map(({ spec, version }) => {
    return `  ${bold(spec.name.padEnd(width))}  ${spec.mode.padEnd(5)}  version ${version}  ${dim(modelText(spec.model))}`;
  });
  const warning = cautions.map((caution) => yellow(caution));
  const places = [`Runs in ${ledger}`, `Data in ${data}`, keysText(usableKeys), `Replicas: ${isolation.join(', ')}`];
  process.stdout.write([`claimcheck listens on ${bold(url)}`, ...lines, ...places, ...warning, ''].join('\n'));
}

function keysText(usable: number | null): string {
  return usable === null
    ? asCalled(
        "Keys: none is there: anyone who reaches this address may invoke and read, changes take the operator's token (claimcheck keys create)",
      )
    : `Keys: asked for, ${usable} of them usable`;
}

function modelText(model: ModelSource): string {
  switch (model.runtime) {
    case 'node':
    case 'python':
      return model.file;
    case 'command':
      return model.argv.join(' ');
    case 'remote':
      return model.url;
  }
}

function stopAsked(interrupts: Interrupts): Promise<void> {
  return new Promise((resolve) => {
    process.once('SIGTERM', () => resolve());
    interrupts.first.addEventListener('abort', () => resolve(), { once: true });
  });
}

function readPort(text: string): number {
  const port = Number(text);
  if (Number.isInteger(port) && port >= 0 && port <= 65_535) return port;
  throw new InvalidArgumentError('It must be a number from 0 to 65535.');
}
