// The composition root: the only file that names drivers. Starts everything in order, stops it in reverse.

import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { type AddressInfo, isIPv4 } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openBlobDirectory } from './blobs/directory.ts';
import { systemClock } from './clock.ts';
import { blobFolder, type Config, ConfigError, ledgerFile } from './config/config.ts';
import type { EndpointSpec } from './domain/endpoint.ts';
import type { FieldError } from './domain/errors.ts';
import { type Duration, seconds } from './domain/time.ts';
import type { Deployed } from './engine/deployment.ts';
import { Engine } from './engine/engine.ts';
import { buildServer } from './http/server.ts';
import type { Ledger, LedgerStats } from './ledger/ledger.ts';
import { openSqliteLedger } from './ledger/sqlite/driver.ts';
import { openLog } from './log.ts';
import type { ModelKind } from './model/load-model.ts';
import { launchCommand } from './replicas/runtimes/command.ts';
import { hasSetpriv, type Launch } from './replicas/runtimes/launch.ts';
import { inspectModel, launchNode } from './replicas/runtimes/node.ts';

/** How long running work may go on after a stop was asked for, before it is queued again. */
const STOP_GRACE: Duration = seconds(10);

/** A server that is up. */
export interface Service {
  /** Where it listens: `http://host:port`. */
  readonly url: string;
  readonly endpoints: readonly Deployed[];
  /** How the ledger has been writing. */
  stats(): LedgerStats;
  /** What this machine cannot do that a reader of the docs would rely on, as a sentence; null where there is nothing. */
  readonly caution: string | null;
  /** Takes no new work, gives running work its grace, queues the rest again, and lets go of everything. `hurry` ends the grace. */
  stop(hurry?: AbortSignal): Promise<void>;
}

/**
 * What every endpoint's model takes, found out before anything is started.
 *
 * @throws ConfigError that names every model which cannot be used, and why
 */
export async function inspectModels(config: Config): Promise<ReadonlyMap<string, ModelKind>> {
  const kinds = new Map<string, ModelKind>();
  const mistakes: FieldError[] = [];
  await Promise.all(
    config.endpoints.map(async (spec) => {
      const { name, model } = spec;
      const inspected =
        model.runtime === 'node' ? await inspectModel(model.file, spec, config.environment) : { kind: 'any' as const };
      if ('error' in inspected) mistakes.push({ pointer: `endpoints.${name}.model`, detail: inspected.error });
      else kinds.set(name, inspected.kind);
    }),
  );
  if (mistakes.length > 0) throw new ConfigError(config.file, mistakes);
  return kinds;
}

/**
 * Starts a server; when this resolves it takes requests, and what an earlier server left behind is queued again.
 *
 * @throws ConfigError, or Error when the data folder or the port is taken: the message says what to do
 */
export async function startService(config: Config): Promise<Service> {
  const kinds = await inspectModels(config);
  const log = openLog(config.logLevel);
  const undo = new AsyncDisposableStack();
  try {
    const ledger = undo.adopt(await openSqliteLedger(ledgerFile(config.data), systemClock), (opened) => opened.close());
    const blobs = await openBlobDirectory(blobFolder(config.data));
    // Short on purpose: the path of a Unix socket has 108 bytes at the most, and a data folder may be deep.
    const sockets = undo.adopt(await mkdtemp(join(tmpdir(), 'claimcheck-')), (folder) =>
      rm(folder, { recursive: true, force: true }),
    );
    const endpoints = await Promise.all(config.endpoints.map((spec) => deploy(ledger, spec, kinds.get(spec.name)!)));
    const engine = new Engine({
      ledger,
      blobs,
      clock: systemClock,
      log,
      endpoints,
      launch: ({ spec }, replicaId) => launch(spec, replicaId, sockets, config.environment),
    });
    const server = buildServer({
      engine,
      log,
      hosts: isLoopback(config.host) ? [] : null,
      bodyBytesMax: config.bodyBytesMax,
    });
    await server.app.listen({ host: config.host, port: config.port }).catch((cause: unknown) => {
      throw new Error(cannotListen(config, cause as NodeJS.ErrnoException), { cause });
    });
    undo.defer(() => server.close());
    await engine.start();
    return {
      url: urlOf(server.app.server.address() as AddressInfo),
      endpoints,
      stats: () => ledger.stats(),
      caution: hasSetpriv()
        ? null
        : 'There is no setpriv on this machine: replicas of commands outlive a server that is killed with SIGKILL.',
      async stop(hurry) {
        engine.drain();
        server.release();
        const patience = AbortSignal.timeout(STOP_GRACE);
        await engine.stop(hurry === undefined ? patience : AbortSignal.any([hurry, patience]));
        await undo.disposeAsync();
      },
    };
  } catch (error) {
    await undo.disposeAsync();
    throw error;
  }
}

async function deploy(ledger: Ledger, spec: EndpointSpec, takes: ModelKind): Promise<Deployed> {
  const version = await ledger.deploy({
    name: spec.name,
    fingerprint: fingerprintOf(spec),
    queueLimit: spec.queueLimit,
  });
  return { spec, version, takes };
}

/** Changes when the specification does, or the model file. What the file imports is not followed. */
function fingerprintOf(spec: EndpointSpec): string {
  const digest = createHash('sha256').update(JSON.stringify(spec));
  if (spec.model.runtime === 'node') digest.update(readFileSync(spec.model.file));
  return digest.digest('hex');
}

async function launch(
  spec: EndpointSpec,
  replicaId: string,
  sockets: string,
  environment: NodeJS.ProcessEnv,
): Promise<Launch> {
  return spec.model.runtime === 'node'
    ? launchNode(spec.model.file, spec, replicaId, sockets, environment)
    : launchCommand(spec.model.argv, spec, environment);
}

function cannotListen({ host, port }: Config, { code, message }: NodeJS.ErrnoException): string {
  if (code === 'EADDRINUSE')
    return `Port ${port} is taken on ${host}. Stop what uses it, or choose another with --port.`;
  if (code === 'EACCES') return `Port ${port} may not be opened by this user. Choose one from 1024 up with --port.`;
  return `The server cannot listen on ${host}:${port}: ${message}`;
}

/** Whether only this machine can reach a server that listens there. */
export const isLoopback = (host: string): boolean =>
  host === 'localhost' || host === '::1' || (isIPv4(host) && host.startsWith('127.'));

function urlOf({ address, family, port }: AddressInfo): string {
  return `http://${family === 'IPv6' ? `[${address}]` : address}:${port}`;
}
