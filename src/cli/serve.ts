// claimcheck serve

import { Command, InvalidArgumentError } from 'commander';
import pc from 'picocolors';
import { loadConfig } from '../config/config.ts';
import { hasSetpriv } from '../replicas/runtimes/launch.ts';
import { isLoopback, type Service, startService } from '../service.ts';

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
      'Runs a server for the endpoints of a configuration file until SIGTERM or Ctrl-C. Running work gets ten seconds, the rest is queued again.',
    )
    .option('-c, --config <file>', 'configuration file (default: claimcheck.config.ts, .js, .json or .yaml here)')
    .option('-p, --port <number>', 'port to listen on, 0 for any (default: 4242)', readPort)
    .option('--host <address>', 'address to listen on (default: 127.0.0.1)')
    .option(
      '-d, --data <folder>',
      'folder for the ledger and the payloads (default: .claimcheck beside the configuration)',
    )
    .option('--insecure', 'listen beyond this machine although the server has no keys')
    .addHelpText(
      'after',
      '\nExample:\n  $ claimcheck serve --config examples/molecules/claimcheck.config.ts --port 4242',
    )
    .action(serve);
}

async function serve(options: ServeOptions): Promise<void> {
  const config = await loadConfig(options);
  if (!isLoopback(config.host) && options.insecure !== true) {
    throw new Error(
      `The server has no keys, so whoever reaches ${config.host} could run models and read results. Listen on 127.0.0.1, or say --insecure.`,
    );
  }
  // Whoever read the first lines may be gone when the last ones are printed; a server goes on all the same.
  process.stdout.on('error', () => {});
  const service = await startService(config);
  announce(service, config.data);
  await stopAsked();
  process.stdout.write(
    'Stopping: running work gets ten seconds, the rest is queued again. Ctrl-C again stops at once.\n',
  );
  process.once('SIGINT', () => process.exit(130));
  await service.stop();
  process.stdout.write('Stopped.\n');
}

function announce({ url, endpoints }: Service, data: string): void {
  const width = Math.max(...endpoints.map(({ spec }) => spec.name.length));
  const lines = endpoints.map(({ spec, version }) => {
    const model = spec.model.runtime === 'node' ? spec.model.file : spec.model.argv.join(' ');
    return `  ${pc.bold(spec.name.padEnd(width))}  ${spec.mode.padEnd(5)}  version ${version}  ${pc.dim(model)}`;
  });
  const warning = hasSetpriv()
    ? []
    : [
        pc.yellow(
          'There is no setpriv on this machine: replicas of commands outlive a server that is killed with SIGKILL.',
        ),
      ];
  process.stdout.write(
    [`claimcheck listens on ${pc.bold(url)}`, ...lines, `Data in ${data}`, ...warning, ''].join('\n'),
  );
}

function stopAsked(): Promise<void> {
  return new Promise((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => resolve());
  });
}

function readPort(text: string): number {
  const port = Number(text);
  if (Number.isInteger(port) && port >= 0 && port <= 65_535) return port;
  throw new InvalidArgumentError('It must be a number from 0 to 65535.');
}
