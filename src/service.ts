// The composition root: the only file that names drivers. Starts everything in order, stops it in reverse.

import { statSync } from 'node:fs';
import { type AddressInfo, isIPv4 } from 'node:net';
import manifest from '../package.json' with { type: 'json' };
import type { BlobStore } from './blobs/blobs.ts';
import { openBlobDirectory } from './blobs/directory.ts';
import { systemClock } from './clock.ts';
import { Authenticator, isUsable } from './access/authenticator.ts';
import { blobFolder, type Config, ledgerFile, logFolder, vaultFile } from './config/config.ts';
import { Deployer } from './deployments.ts';
import type { EndpointSpec } from './domain/endpoint.ts';
import type { StorageBroken } from './domain/errors.ts';
import { after, type Duration, hours, seconds } from './domain/time.ts';
import type { Deployed } from './engine/deployment.ts';
import { Engine } from './engine/engine.ts';
import { RunLines } from './engine/run-lines.ts';
import { DEFAULT_LIMITS, type ServerLimits } from './http/limits.ts';
import type { AboutServer } from './http/parts.ts';
import { buildServer, type HttpServer } from './http/server.ts';
import type { Ledger, LedgerStats } from './ledger/ledger.ts';
import { openSqliteLedger, type SqliteOptions } from './ledger/sqlite/driver.ts';
import { migrateSqlite } from './ledger/sqlite/migrate.ts';
import { makeFolder } from './folders.ts';
import { type Log, openLog } from './log.ts';
import { Metrics } from './metrics/metrics.ts';
import { RunLogs } from './logs/run-logs.ts';
import type { ModelKind } from './model/load-model.ts';
import { openCallbacks } from './replicas/callbacks.ts';
import { Users } from './replicas/isolation/choice.ts';
import { type Isolation, openIsolation } from './replicas/isolation/isolation.ts';
import { gapsOf, levelsOf, thisMachine } from './replicas/isolation/machine.ts';
import { Tracing } from './tracing/tracing.ts';
import { DiskRoom } from './storage/disk-room.ts';
import type { Launch } from './replicas/runtimes/launch.ts';
import { launchReplica } from './replicas/runtimes/runtime.ts';
import { openSqliteVault } from './vault/sqlite.ts';
import type { Vault } from './vault/vault.ts';

/** How long running work may go on after a stop was asked for, before it is queued again. */
const STOP_GRACE: Duration = seconds(10);

/** Whoever deploys makes the server run a program. */
const DEPLOYING_REFUSED =
  'This server listens to other machines and asks for no keys, so it lets nobody deploy. Make a key with: claimcheck keys create --scope manage';

/** Servers that share a ledger share the data folder too, and none of them takes an hour to write a file. */
const ABANDONED_SINCE: Duration = hours(-1);

/** A server that is up. */
export interface Service {
  /** Where it listens: `http://host:port`. */
  readonly url: string;
  readonly endpoints: readonly Deployed[];
  /** Where its ledger is: a file, or `postgres://host:port/database`, never with a password. */
  readonly ledger: string;
  /** How many API keys it took when it started; null while none was ever made, as it asks for none then. */
  readonly usableKeys: number | null;
  /** How the ledger has been writing. */
  stats(): LedgerStats;
  /** What keeps its replicas apart from it and from each other: names of rows in docs/isolation.md. */
  readonly isolation: readonly string[];
  /** What this machine, or the configuration, does not do that a reader of the docs would rely on, in sentences. */
  readonly cautions: readonly string[];
  /** Resolves when the store can no longer be trusted: the process must end, without stopping the service first. */
  readonly broken: Promise<StorageBroken>;
  /** Takes no new work, gives running work its grace, queues the rest again, and lets go of everything. `hurry` ends the grace. */
  stop(hurry?: AbortSignal): Promise<void>;
}

/**
 * What every endpoint's model takes, found out before anything is started.
 *
 * @throws ConfigError that names every model which cannot be used, and why
 */
export async function inspectModels(config: Config): Promise<ReadonlyMap<string, ModelKind>> {
  const deployer = new Deployer({ config, users: usersOf(config), log: openLog('silent') });
  const { shapes } = await deployer.examineConfig();
  return new Map([...shapes].map(([name, { takes }]) => [name, takes]));
}

const usersOf = ({ environment, firstUid }: Config): Users =>
  new Users({ machine: thisMachine(), environment, firstUid });

/**
 * Starts a server; when this resolves it takes requests, and what an earlier server left behind is queued again.
 *
 * @param limits what is to be otherwise than the configuration can say it, as tests have it
 * @throws ConfigError, or Error when the data folder or the port is taken: the message says what to do
 */
export async function startService(config: Config, limits: Partial<ServerLimits> = {}): Promise<Service> {
  const machine = thisMachine();
  const log = openLog(config.logLevel);
  const users = usersOf(config);
  const deployer = new Deployer({ config, users, log });
  const { shapes, cautions } = await deployer.examineConfig();
  const undo = new AsyncDisposableStack();
  try {
    const { promise: broken, resolve: onBroken } = Promise.withResolvers<StorageBroken>();
    makeFolder(config.data);
    const room = undo.adopt(new DiskRoom(config.data, log), (opened) => opened.close());
    const onFull = (urgent: boolean): void => room.full(urgent);
    const ledger = undo.adopt(await openLedger(config, { onFull, onBroken }, log), (opened) => opened.close());
    await room.start();
    const blobs = await openBlobs(config, ledger, onBroken);
    const { authenticator, usableKeys } = undo.adopt(await openDoor(config), ({ vault }) => vault.close());
    const isolated = await openIsolation({ data: config.data, machine, users, log });
    const isolation = undo.adopt(isolated, (opened) => opened.close());
    const endpoints = await deployer.atStart(ledger, shapes);
    const callbacks = undo.adopt(await openCallbacks(), (opened) => opened.close());
    const tracing = new Tracing(manifest.version);
    const metrics = new Metrics(manifest.version, () => ({ engine, ledger: ledger.stats() }));
    const engine = new Engine({
      ledger,
      blobs,
      logs: new RunLogs(logFolder(config.data), systemClock, log),
      callbacks,
      room,
      clock: systemClock,
      log,
      observers: [metrics, new RunLines(log, systemClock)],
      tracing,
      endpoints,
      launch: ({ spec }, replicaId) => launch(spec, replicaId, isolation, config.environment),
    });
    const server = buildServer({
      engine,
      deployments: deployer.running(ledger, engine, isLoopback(config.host) ? null : DEPLOYING_REFUSED),
      authenticator,
      metrics,
      tracing,
      about: aboutServer(config),
      clock: systemClock,
      log,
      hosts: isLoopback(config.host) ? [] : null,
      corsOrigins: config.corsOrigins,
      limits: { ...DEFAULT_LIMITS, ...config.limits, ...limits },
    });
    await listen(server, config);
    undo.defer(() => server.close());
    await engine.start();
    return {
      url: urlOf(server.app.server.address() as AddressInfo),
      endpoints,
      ledger: placeOf(config),
      stats: () => ledger.stats(),
      broken,
      usableKeys,
      isolation: levelsOf(machine),
      cautions: [...gapsOf(machine), ...cautions, ...openTo(config.data, users)],
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

/** The ledger that the configuration names. Postgres' driver is loaded only where it is used. */
async function openLedger({ database, data }: Config, options: SqliteOptions, log: Log): Promise<Ledger> {
  if (database === null) return openSqliteLedger(ledgerFile(data), systemClock, options);
  const { openPostgresLedger } = await import('./ledger/postgres/driver.ts');
  return openPostgresLedger(database, { onCaution: (caution) => log.warn(caution) });
}

function openBlobs({ data }: Config, ledger: Ledger, onBroken: (cause: StorageBroken) => void): Promise<BlobStore> {
  const abandonedBefore = after(systemClock.now(), ABANDONED_SINCE);
  return openBlobDirectory(blobFolder(data), { onBroken, ...(ledger.isShared && { abandonedBefore }) });
}

/**
 * The vault of a configuration: beside the ledger, whatever that is in. Whoever may read it is the operator.
 *
 * @throws Error when it cannot be used: the message says why and what to do
 */
export async function openVault({ database, data }: LedgerPlace): Promise<Vault> {
  if (database === null) return openSqliteVault(vaultFile(data));
  const { openPostgresVault } = await import('./vault/postgres.ts');
  return openPostgresVault(database);
}

/** Who is let in, by which keys, and how many of them there are, as `Service` says. */
interface Door {
  readonly vault: Vault;
  readonly authenticator: Authenticator;
  readonly usableKeys: number | null;
}

/** Everybody may be let in while there are no keys where nobody else can reach the server, or it was told to; elsewhere it does not start. */
async function openDoor(config: Config): Promise<Door> {
  const openWithoutKeys = isLoopback(config.host) || config.insecure;
  const vault = await openVault(config);
  const keys = await vault.keys();
  const usable = keys.filter((key) => isUsable(key, systemClock.now())).length;
  if (usable === 0 && !openWithoutKeys) {
    await vault.close();
    throw new Error(noKeyToAskFor(config));
  }
  const authenticator = new Authenticator({ vault, clock: systemClock, openWithoutKeys });
  return { vault, authenticator, usableKeys: keys.length === 0 ? null : usable };
}

function noKeyToAskFor({ host, database, data, file }: Config): string {
  const place = database === null ? `--data ${data}` : `--config ${file}`;
  return `No key is there that could be asked for, so whoever reaches ${host} could run models and read results. Make one first:\n  claimcheck keys create --name me --scope invoke --scope read --scope manage ${place}\nOr listen on 127.0.0.1, or say --insecure.`;
}

/** What of a configuration says where the ledger is. */
type LedgerPlace = Pick<Config, 'database' | 'data'>;

/** Where the ledger is, for people. */
function placeOf({ database, data }: LedgerPlace): string {
  if (database === null) return ledgerFile(data);
  const { host, pathname } = new URL(database);
  return `postgres://${host}${pathname}`;
}

/** What a migration has done. */
export interface MigratedLedger {
  /** Where the ledger is, for people; without the password of a database. */
  readonly ledger: string;
  /** Names of the migrations that were applied now, in their order. */
  readonly applied: readonly string[];
  /** The number of the last migration there is. */
  readonly schema: number;
}

/**
 * Brings a ledger to the newest schema, and starts nothing.
 *
 * @throws Error when it cannot be opened, a server has it, or a newer claimcheck wrote it
 */
export async function migrateLedger(place: LedgerPlace): Promise<MigratedLedger> {
  const { database, data } = place;
  if (database === null) return { ledger: ledgerFile(data), ...migrateSqlite(ledgerFile(data)) };
  const { migratePostgres } = await import('./ledger/postgres/driver.ts');
  return { ledger: placeOf(place), ...(await migratePostgres(database)) };
}

async function launch(
  spec: EndpointSpec,
  replicaId: string,
  isolation: Isolation,
  environment: NodeJS.ProcessEnv,
): Promise<Launch> {
  if (spec.model.runtime === 'remote') return { url: spec.model.url };
  const folder = isolation.folderFor(spec, replicaId);
  const bare = await launchReplica(spec, replicaId, folder, environment);
  return 'url' in bare ? bare : isolation.confine(bare, spec, replicaId, folder);
}

/** A data folder that was made by somebody else may be open to other users, replicas among them; its rights are theirs to change. */
function openTo(data: string, users: Users): string[] {
  const isOpen = (statSync(data).mode & 0o007) !== 0;
  return isOpen && users.any
    ? [`Other users of this machine may look into ${data}, replicas among them. Close it with: chmod o= ${data}`]
    : [];
}

const aboutServer = ({ database }: Config): AboutServer => ({
  version: manifest.version,
  ledger: database === null ? 'sqlite' : 'postgres',
  startedAt: systemClock.now(),
});

async function listen({ app }: HttpServer, config: Config): Promise<void> {
  await app.listen({ host: config.host, port: config.port }).catch((cause: unknown) => {
    throw new Error(cannotListen(config, cause as NodeJS.ErrnoException), { cause });
  });
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
