// The composition root: starts everything in order, stops it in reverse. Which drivers there are,
// stores.ts knows.

import { statSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import manifest from '../package.json' with { type: 'json' };
import { CacheFiller } from './engine/cache-filler.ts';
import { Capturer } from './engine/captures/capturer.ts';
import { type Clock, systemClock } from './system/clock.ts';
import { type Config, logFolder } from './config/config.ts';
import { examine, type Examination } from './deploy/examination.ts';
import { connectionsWithin, descriptorsMax } from './system/descriptors.ts';
import { isLoopback, openDoor } from './http/access/door.ts';
import type { OperatorToken } from './http/access/operator-token.ts';
import type { StorageBroken } from './domain/errors.ts';
import { type Duration, seconds } from './domain/time.ts';
import type { Deployed } from './engine/deployment.ts';
import { Engine } from './engine/engine.ts';
import { Egress } from './egress/egress.ts';
import { RunLines } from './engine/run-lines.ts';
import { DEFAULT_LIMITS, type ServerLimits } from './http/limits.ts';
import type { AboutServer } from './http/context.ts';
import { basePathOf } from './http/request/public-address.ts';
import { runLineText } from './http/answer/run-view.ts';
import { buildServer, type HttpServer, type ServerDeps } from './http/server.ts';
import type { LedgerStats } from './stores/ledger/ledger.ts';
import type { Log } from './system/log.ts';
import { Metrics } from './metrics/metrics.ts';
import { ReplicaLogs } from './stores/run-logs/replica-logs.ts';
import { RunLogs } from './stores/run-logs/run-logs.ts';
import { openCallbacks } from './replicas/callbacks.ts';
import type { Users } from './replicas/isolation/choice.ts';
import { type Isolation, openIsolation } from './replicas/isolation/isolation.ts';
import { gapsOf, levelsOf, thisMachine } from './replicas/isolation/machine.ts';
import { Tracing } from './system/tracing.ts';
import { openStores, placeOf } from './stores/open.ts';
import type { Vault } from './stores/vault/vault.ts';
import { Deliverer, type DelivererDeps } from './webhooks/deliverer.ts';
import type { Launch } from './replicas/runtimes/launch.ts';
import { Ports } from './replicas/runtimes/ports.ts';
import { launchReplica } from './replicas/runtimes/runtime.ts';

/** How long running work may go on after a stop was asked for, before it is queued again. */
const STOP_GRACE: Duration = seconds(10);

/**
 * How much of that webhooks have which are on their way: what is cut off is sent again, by the next
 * server or by another one.
 */
const LAST_DELIVERIES: Duration = seconds(2);

/** A server that is up. */
export interface Service {
  /** Where it listens: `http://host:port`. */
  readonly url: string;
  readonly endpoints: readonly Deployed[];
  /** Where its ledger is: a file, or `postgres://host:port/database`, never with a password. */
  readonly ledger: string;
  /**
   * How many API keys it took when it started; null while none was ever made, as it asks for none
   * then.
   */
  readonly usableKeys: number | null;
  /** How the ledger has been writing. */
  stats(): LedgerStats;
  /**
   * What keeps its replicas apart from it and from each other: names of rows in docs/isolation.md.
   */
  readonly isolation: readonly string[];
  /**
   * What this machine, or the configuration, does not do that a reader of the docs would rely on,
   * in sentences.
   */
  readonly cautions: readonly string[];
  /**
   * Resolves when the store can no longer be trusted: the process must end, without stopping the
   * service first.
   */
  readonly broken: Promise<StorageBroken>;
  /**
   * Takes no new work, gives running work its grace, queues the rest again, and closes
   * everything. `hurry` ends the grace.
   */
  stop(hurry?: AbortSignal): Promise<void>;
}

/**
 * Starts a server; when this resolves it takes requests, and what an earlier server left behind is
 * queued again.
 *
 * @param limits what is to be otherwise than the configuration can say it, as tests have it
 * @param machineClock the machine's clock, which tests set
 * @param examination of the same configuration, where that has begun
 * @throws ConfigError, or Error when the data folder or the port is taken: the message says what to
 *   do
 */
export async function startService(
  config: Config,
  limits: Partial<ServerLimits> = {},
  machineClock: Clock = systemClock,
  examination: Examination = examine(config),
): Promise<Service> {
  const machine = thisMachine();
  const { users, log, deployer, found } = examination;
  const { shapes, cautions } = await found;
  const undo = new AsyncDisposableStack();
  try {
    const stores = await openStores(config, undo, log, machineClock);
    const { ledger, blobs, vault, captures, cache, room, clock, folder, broken } = stores;
    const { authenticator, operator, usableKeys } = await openDoor(config, vault, clock);
    const isolation = undo.adopt(await openIsolation({ data: config.data, machine, users, log }), close);
    const endpoints = await deployer.atStart(ledger, shapes);
    const [allLimits, lowered] = limitsOf({ ...DEFAULT_LIMITS, ...config.limits, ...limits }, endpoints, log);
    const tracing = new Tracing(manifest.version);
    const metrics = new Metrics(manifest.version, () => ({ engine, ledger: ledger.stats() }));
    const egress = new Egress({ settings: config.egress, ownPort: () => portOf(server) });
    const deliverer = delivererOf({ ledger, vault, egress, clock, log }, metrics, config);
    const shared = { ledger, blobs, room, clock, log, folder, tracing, endpoints, egress };
    const engine = new Engine({
      ...shared,
      logs: new RunLogs(logFolder(config.data), clock, log),
      callbacks: undo.adopt(await openCallbacks(), close),
      observers: [metrics, new RunLines(log, clock)],
      launch: launcherOf(config, isolation, undo, clock, log),
      inputBytesMax: allLimits.tableBytes,
      onDelivery: () => deliverer.wake(),
    });
    const cacheFiller = undo.adopt(new CacheFiller({ cache, runs: engine.runs, room, log }), close);
    const server = buildServer({
      engine,
      deployments: deployer.running(ledger, engine, await announcer(vault, clock, endpoints)),
      cache,
      cacheFiller,
      authenticator,
      captures: new Capturer({ ...captures, runs: engine.runs, room, clock, log }),
      metrics,
      tracing,
      about: aboutServer(config, clock),
      clock,
      log,
      ...callersOf(config),
      limits: allLimits,
    });
    undo.adopt(await listen(server, config, operator), close);
    await engine.start();
    deliverer.start();
    return {
      url: urlOf(server.app.server.address() as AddressInfo),
      endpoints,
      ledger: placeOf(config),
      stats: () => ledger.stats(),
      broken,
      usableKeys,
      isolation: levelsOf(machine),
      cautions: [...gapsOf(machine), ...cautions, ...lowered, ...openTo(config.data, users), ...lettingOut(config)],
      async stop(hurry) {
        await comeToRest(engine, server, deliverer, hurry);
        await undo.disposeAsync();
      },
    };
  } catch (error) {
    await undo.disposeAsync();
    throw error;
  }
}

/**
 * Tells the vault of every endpoint, which has a secret in it from then on; answers what tells it
 * of those that are deployed later.
 */
async function announcer(
  vault: Vault,
  clock: Clock,
  endpoints: readonly Deployed[],
): Promise<(endpoint: string) => Promise<void>> {
  const announce = async (endpoint: string): Promise<void> => void (await vault.signingSecrets(endpoint, clock.now()));
  for (const { spec } of endpoints) await announce(spec.name);
  return announce;
}

/**
 * What the server takes, lowered to what this process may have open; with a sentence where it was.
 */
function limitsOf(
  wanted: ServerLimits,
  endpoints: readonly Deployed[],
  log: Log,
): readonly [ServerLimits, readonly string[]] {
  const descriptors = descriptorsMax();
  const specs = endpoints.map(({ spec }) => spec);
  const connections = connectionsWithin(descriptors, wanted.connections, specs);
  if (connections === wanted.connections) return [wanted, []];
  const caution = `No more than ${connections} connections are taken at once, where limits.connections is ${wanted.connections}: this process may have ${descriptors} files and connections open, and its replicas need their share. Raise that with ulimit -n (LimitNOFILE= of a systemd unit).`;
  log.warn({ descriptors, connections }, caution);
  return [{ ...wanted, connections }, [caution]];
}

const delivererOf = (
  deps: Pick<DelivererDeps, 'ledger' | 'vault' | 'egress' | 'clock' | 'log'>,
  { deliveries }: Metrics,
  { publicUrl }: Config,
): Deliverer =>
  new Deliverer({
    ...deps,
    describe: (run) => runLineText(run, basePathOf(publicUrl)),
    onAttempt: (kind) => deliveries.attempted(kind),
  });

const close = (opened: { close(): Promise<void> }): Promise<void> => opened.close();

/** The operator may change it from then on. */
async function listen(server: HttpServer, config: Config, operator: OperatorToken): Promise<Pick<HttpServer, 'close'>> {
  await server.app.listen({ host: config.host, port: config.port }).catch((cause: unknown) => {
    throw new Error(cannotListen(config, cause as NodeJS.ErrnoException), { cause });
  });
  // A connection that cannot be taken, as for want of descriptors, is its caller's alone; an
  // 'error' that nobody hears would end the server.
  server.app.server.on('error', () => {});
  operator.publish(urlOf(server.app.server.address() as AddressInfo));
  return {
    close() {
      operator.withdraw();
      return server.close();
    },
  };
}

async function comeToRest(
  engine: Engine,
  server: HttpServer,
  deliverer: Deliverer,
  hurry: AbortSignal | undefined,
): Promise<void> {
  engine.drain();
  server.release();
  // Controllers and not AbortSignal.any: a timeout that only such a signal knows of may be
  // collected before it fires, and nobody would ever stop.
  const [graceOver, cutOff] = [new AbortController(), new AbortController()];
  const end = (): void => [graceOver, cutOff].forEach((one) => one.abort());
  const timers = [setTimeout(end, STOP_GRACE), setTimeout(() => cutOff.abort(), LAST_DELIVERIES)];
  hurry?.addEventListener('abort', end, { once: true });
  if (hurry?.aborted === true) end();
  await Promise.all([engine.stop(graceOver.signal), deliverer.stop(cutOff.signal)]);
  timers.forEach(clearTimeout);
  hurry?.removeEventListener('abort', end);
}

/** How replicas are started: apart from each other, and with a log for what they print. */
function launcherOf(
  { data, environment }: Config,
  isolation: Isolation,
  undo: AsyncDisposableStack,
  clock: Clock,
  log: Log,
): (deployed: Deployed, replicaId: string) => Promise<Launch> {
  const logs = undo.adopt(new ReplicaLogs(logFolder(data), clock, log), close);
  const ports = new Ports();
  return async ({ spec }, replicaId) => {
    if (spec.model.runtime === 'remote') return { url: spec.model.url };
    const folder = isolation.folderFor(spec, replicaId);
    let bare: Launch | null = null;
    try {
      bare = await launchReplica(spec, replicaId, { folder, environment, ports });
      if ('url' in bare) return bare;
      return { ...isolation.confine(bare, spec, replicaId, folder), log: logs.of(spec.name, replicaId) };
    } catch (error) {
      if (bare !== null && !('url' in bare)) bare.release();
      await isolation.wipe(folder);
      throw error;
    }
  };
}

/**
 * A data folder that was made by somebody else may be open to other users, replicas among them; its
 * rights are theirs to change.
 */
function openTo(data: string, users: Users): string[] {
  const isOpen = (statSync(data).mode & 0o007) !== 0;
  return isOpen && users.any
    ? [`Other users of this machine may look into ${data}, replicas among them. Close it with: chmod o= ${data}`]
    : [];
}

/** Whose requests are taken, by the names that they use and the pages that they come from. */
const callersOf = ({
  host,
  hosts,
  publicUrl,
  trustProxy,
  corsOrigins,
}: Config): Pick<ServerDeps, 'address' | 'corsOrigins'> => ({
  address: {
    hosts: hosts.includes('*') || (hosts.length === 0 && !isLoopback(host)) ? null : hosts,
    publicUrl,
    trustProxy,
  },
  corsOrigins,
});

const aboutServer = ({ database }: Config, clock: Clock): AboutServer => ({
  version: manifest.version,
  ledger: database === null ? 'sqlite' : 'postgres',
  startedAt: clock.now(),
});

/** An allow-list is a hole that was made on purpose, and nobody should have to remember it. */
function lettingOut({ egress: { allow } }: Config): string[] {
  if (allow.length === 0) return [];
  return [`Callbacks and inputs by reference may lead to what is not public: ${allow.join(', ')} (egress.allow).`];
}

function cannotListen({ host, port }: Config, { code, message }: NodeJS.ErrnoException): string {
  if (code === 'EADDRINUSE')
    return `Port ${port} is taken on ${host}. Stop what uses it, or choose another with --port.`;
  if (code === 'EACCES') return `Port ${port} may not be opened by this user. Choose one from 1024 up with --port.`;
  return `The server cannot listen on ${host}:${port}: ${message}`;
}

const portOf = ({ app }: HttpServer): number | null => (app.server.address() as AddressInfo | null)?.port ?? null;

function urlOf({ address, family, port }: AddressInfo): string {
  return `http://${family === 'IPv6' ? `[${address}]` : address}:${port}`;
}
