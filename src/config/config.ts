// The only reader of the environment and of configuration files. Finds every mistake at once, each
// with its place.

import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { basename, dirname, extname, join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { EndpointSpec } from '../domain/endpoint.ts';
import type { FieldError } from '../domain/errors.ts';
import { importFailure } from '../domain/import-failure.ts';
import { days, type Duration, parseDuration } from '../domain/time.ts';
import { isAllowable } from '../egress/addresses.ts';
import type { EgressSettings } from '../egress/rules.ts';
import { addressMistakes } from './addresses.ts';
import { ConfigError, noConfig } from './config-error.ts';
import type { ConfigFile, EndpointFile } from './config-file.ts';
import { deployMistakes, type DeploySettings, readDeploySettings } from './deploy-rules.ts';
import { type ResolvedEndpoint, resolveEndpoint, withAbsolutePaths } from './endpoint.ts';

/** Names that are looked for, in this order, where no file is given. */
const FILE_NAMES = [
  'claimcheck.config.ts',
  'claimcheck.config.js',
  'claimcheck.config.json',
  'claimcheck.config.yaml',
  'claimcheck.config.yml',
];
/** Names that people give a configuration, and that are none. */
const ALMOST = [
  ...['ts', 'js', 'json', 'yaml', 'yml'].map((extension) => `claimcheck.${extension}`),
  ...['ts', 'js', 'json', 'yaml', 'yml'].map((extension) => `.claimcheck.${extension}`),
];
const DEFAULT_PORT = 4242;
const DEFAULT_HOST = '127.0.0.1';
const DEFAULT_DATA = '.claimcheck';
/** A month: a user who comes back to a table after a week or two finds its answers. */
const CACHE_UNUSED_FOR = days(30);

/** Everything the server is told, with every default applied and every path absolute. */
export interface Config {
  /** The file that it came from. */
  readonly file: string;
  readonly host: string;
  /** 0 lets the system choose. */
  readonly port: number;
  /** Names that the Host header may have beside this machine's; '*' for any. */
  readonly hosts: readonly string[];
  /** Where it is found through a proxy; null where nobody has said. */
  readonly publicUrl: URL | null;
  /** Whose X-Forwarded headers are believed: true for everybody's, or networks and addresses. */
  readonly trustProxy: boolean | readonly string[];
  /** Folder of the ledger and the blobs. */
  readonly data: string;
  /**
   * A `postgres://` URL for the ledger, which several servers may share; null for a file in the
   * data folder. Holds a password: never printed.
   */
  readonly database: string | null;
  /** Whether it may listen beyond this machine while there is no key to ask for. */
  readonly insecure: boolean;
  readonly logLevel: 'debug' | 'info' | 'warn' | 'error' | 'silent';
  /** Origins whose pages may use this server from a browser. */
  readonly corsOrigins: readonly string[];
  /**
   * Longest bodies, in bytes: any, one that runs as a batch, and an envelope; connections that may
   * be open at once, and those of one address. What is left out has its default.
   */
  readonly limits: Partial<
    Record<'bodyBytes' | 'tableBytes' | 'envelopeBytes' | 'connections' | 'connectionsPerAddress', number>
  >;
  /** Where callbacks and inputs by reference may lead. */
  readonly egress: EgressSettings;
  /** What may be deployed over HTTP with a key, beyond what the endpoints are. */
  readonly deploy: DeploySettings;
  /** How long an answer stays in the cache that nobody asks for. */
  readonly cacheUnusedFor: Duration;
  /**
   * User id of the first endpoint's replicas, where they have users of their own; null for the
   * default.
   */
  readonly firstUid: number | null;
  readonly endpoints: readonly EndpointSpec[];
  /** The server's own environment, of which replicas see a few variables. */
  readonly environment: NodeJS.ProcessEnv;
}

/** What the command line says over the file. */
export interface ConfigOverrides {
  readonly config?: string;
  readonly port?: number;
  readonly data?: string;
  readonly host?: string;
  readonly insecure?: boolean;
}

/** A configuration as far as it can be used, and everything that is wrong with it. */
export interface ReadConfig {
  /**
   * With defaults in place of what cannot be read, and without the endpoints that have mistakes.
   */
  readonly config: Config;
  readonly mistakes: readonly FieldError[];
}

/**
 * Reads the configuration: the file, then the environment's `CLAIMCHECK_*`, then the command line,
 * each over the one before.
 *
 * @throws ConfigError with every mistake of the file, or where there is none
 */
export async function loadConfig(overrides: ConfigOverrides): Promise<Config> {
  const { config, mistakes } = await readConfig(overrides);
  if (mistakes.length > 0) throw new ConfigError(config.file, mistakes);
  return config;
}

/**
 * The same, with all that is wrong beside it, for commands that name every mistake.
 *
 * @throws ConfigError where there is no file, or none that can be read
 */
export async function readConfig(overrides: ConfigOverrides): Promise<ReadConfig> {
  const environment = process.env;
  const file = findFile(overrides.config ?? environment['CLAIMCHECK_CONFIG']);
  const content = await readConfigFile(file);
  // Imported here, so that who names a data folder starts without the schema of configurations and
  // its checker.
  const { checkConfig, withPlaces } = await import('./in-words.ts');
  const shape = checkConfig(content);
  const written = shape.length === 0 ? (content as ConfigFile) : { endpoints: {} };
  const endpoints = Object.entries((content as Partial<ConfigFile> | null)?.endpoints ?? {}).map(([name, endpoint]) =>
    resolveEndpoint(name, endpoint, dirname(file)),
  );
  const sound = soundPart(content, dotted(shape));
  const mistakes = [
    ...withPlaces(dotted(shape), content),
    ...endpoints.flatMap((endpoint) => endpoint.mistakes),
    ...environmentMistakes(environment),
    ...databaseMistakes('CLAIMCHECK_DATABASE_URL', environment['CLAIMCHECK_DATABASE_URL']),
    ...databaseMistakes('database', (content as Partial<ConfigFile> | null)?.database),
    ...mistakesBetween((content as Partial<ConfigFile> | null)?.endpoints),
    ...egressMistakes(sound),
    ...cacheMistakes(sound),
    ...deployMistakes(sound.deploy),
    ...addressMistakes(sound),
  ];
  return { config: configOf(written, { file, overrides, environment, endpoints }), mistakes: oncePerPlace(mistakes) };
}

/**
 * What of a configuration is as the schema has it: its keys without those that have mistakes, and
 * no endpoints, so that one of them hides none of another.
 */
function soundPart(content: unknown, mistakes: readonly FieldError[]): ConfigFile {
  const broken = new Set(['endpoints', ...mistakes.map(({ pointer }) => pointer.split('.', 1)[0]!)]);
  return { ...Object.fromEntries(Object.entries(content ?? {}).filter(([key]) => !broken.has(key))), endpoints: {} };
}

/** What the schema says of a place, and then again what a key means: the first is enough. */
function oncePerPlace(mistakes: readonly FieldError[]): FieldError[] {
  const seen = new Set<string>();
  return mistakes.filter(({ pointer, detail }) => {
    const key = `${pointer} ${detail}`;
    return !seen.has(key) && seen.add(key);
  });
}

interface Around {
  readonly file: string;
  readonly overrides: ConfigOverrides;
  readonly environment: NodeJS.ProcessEnv;
  readonly endpoints: readonly ResolvedEndpoint[];
}

function configOf(written: ConfigFile, { file, overrides, environment, endpoints }: Around): Config {
  const data = overrides.data ?? environment['CLAIMCHECK_DATA'];
  return {
    file,
    host: overrides.host ?? environment['CLAIMCHECK_HOST'] ?? written.host ?? DEFAULT_HOST,
    port: overrides.port ?? portOf(environment) ?? written.port ?? DEFAULT_PORT,
    hosts: written.hosts ?? [],
    publicUrl: written.publicUrl === undefined ? null : URL.parse(written.publicUrl),
    trustProxy: written.trustProxy ?? false,
    data: data === undefined ? resolve(dirname(file), written.data ?? DEFAULT_DATA) : resolve(data),
    database: environment['CLAIMCHECK_DATABASE_URL'] ?? written.database ?? null,
    insecure: overrides.insecure ?? written.insecure ?? false,
    logLevel: written.logLevel ?? 'info',
    corsOrigins: written.cors?.origins ?? [],
    limits: written.limits ?? {},
    egress: { httpsOnly: written.egress?.httpsOnly ?? false, allow: written.egress?.allow ?? [] },
    deploy: readDeploySettings(written.deploy, dirname(file)),
    cacheUnusedFor: unusedForOf(written) ?? CACHE_UNUSED_FOR,
    firstUid: written.isolation?.firstUid ?? null,
    endpoints: endpoints.flatMap(({ spec }) => spec ?? []),
    environment,
  };
}

/**
 * The endpoints of a configuration as they are written, with every path absolute: to be handed to a
 * server that runs elsewhere on this machine.
 *
 * @param names which ones; none for all
 * @throws ConfigError with every mistake, or where there is no file or no such endpoint
 */
export async function readEndpoints(
  config: string | undefined,
  names: readonly string[],
): Promise<Readonly<Record<string, EndpointFile>>> {
  const file = findFile(config ?? process.env['CLAIMCHECK_CONFIG']);
  const { endpoints = {} } = ((await readConfigFile(file)) ?? {}) as Partial<ConfigFile>;
  const unknown = names.filter((name) => !Object.hasOwn(endpoints, name));
  if (unknown.length > 0)
    throw noConfig(
      file,
      `${basename(file)} has no endpoint ${unknown.join(', ')}; it has ${Object.keys(endpoints).join(', ')}.`,
    );
  const chosen = Object.entries(endpoints).filter(([name]) => names.length === 0 || names.includes(name));
  const mistakes = chosen.flatMap(([name, endpoint]) => resolveEndpoint(name, endpoint, dirname(file)).mistakes);
  if (mistakes.length > 0) throw new ConfigError(file, mistakes);
  return Object.fromEntries(chosen.map(([name, endpoint]) => [name, withAbsolutePaths(endpoint, dirname(file))]));
}

/**
 * Where a store is, and the endpoints of the configuration that says so, for commands that need
 * nothing else: a folder that is named needs no configuration beside it, and has no endpoints then.
 *
 * @throws as `loadConfig` does where no folder is named
 */
export async function locateStore(
  overrides: Pick<ConfigOverrides, 'config' | 'data'>,
): Promise<Pick<Config, 'data' | 'database' | 'endpoints'>> {
  const data = overrides.data ?? process.env['CLAIMCHECK_DATA'];
  if (data === undefined || overrides.config !== undefined) return loadConfig(overrides);
  return { data: resolve(data), database: process.env['CLAIMCHECK_DATABASE_URL'] ?? null, endpoints: [] };
}

function findFile(given: string | undefined): string {
  const candidates = given === undefined ? FILE_NAMES.map((name) => resolve(name)) : [resolve(given)];
  const file = candidates.find((candidate) => existsSync(candidate));
  if (file !== undefined) return file;
  if (given !== undefined) throw noConfig(given, `There is no file ${resolve(given)}.`);
  const almost = ALMOST.find((name) => existsSync(resolve(name)));
  if (almost !== undefined)
    throw noConfig(
      process.cwd(),
      `There is ${almost} here, a name that is not looked for. Name it claimcheck.config${extname(almost)}, or say --config ${almost}.`,
    );
  throw noConfig(
    process.cwd(),
    `There is no configuration here: none of ${FILE_NAMES.join(', ')} is in ${process.cwd()}. Name one with --config.`,
  );
}

async function readConfigFile(file: string): Promise<unknown> {
  const extension = extname(file);
  try {
    if (extension === '.json') return JSON.parse(await readFile(file, 'utf8'));
    if (extension === '.yaml' || extension === '.yml') {
      const { parse } = await import('yaml');
      return parse(await readFile(file, 'utf8'));
    }
    const exported = (await import(pathToFileURL(file).href)) as { config?: unknown; default?: unknown };
    return exported.config ?? exported.default;
  } catch (cause) {
    throw new ConfigError(file, [{ pointer: '', detail: `cannot be read: ${importFailure(file, cause)}` }]);
  }
}

/** Mistakes that no single key shows. */
function mistakesBetween(
  endpoints: Readonly<Record<string, Partial<EndpointFile> | null>> | null | undefined,
): FieldError[] {
  if (typeof endpoints !== 'object' || endpoints === null) return [];
  const names = Object.keys(endpoints);
  const defaults = names.filter((name) => endpoints[name]?.default === true);
  return [
    ...(names.length === 0 ? [{ pointer: 'endpoints', detail: 'must name at least one endpoint' }] : []),
    ...defaults.slice(1).map((name) => ({
      pointer: `endpoints.${name}.default`,
      detail: `is true, but ${defaults[0]} is the default already`,
    })),
  ];
}

function egressMistakes({ egress }: ConfigFile): FieldError[] {
  return (egress?.allow ?? []).flatMap((entry, place) =>
    isAllowable(entry)
      ? []
      : [{ pointer: `egress.allow.${place}`, detail: "must be a network like '10.1.2.0/24', an address, or a name" }],
  );
}

/** Null for a text that is no duration, undefined where there is none. */
function unusedForOf({ cache }: ConfigFile): Duration | null | undefined {
  return cache?.unusedFor === undefined ? undefined : parseDuration(cache.unusedFor);
}

function cacheMistakes(written: ConfigFile): FieldError[] {
  const duration = unusedForOf(written);
  if (duration === undefined || (duration !== null && duration > 0)) return [];
  return [
    { pointer: 'cache.unusedFor', detail: "must be a duration like '30d', longer than nothing and at most '36500d'" },
  ];
}

function environmentMistakes(environment: NodeJS.ProcessEnv): FieldError[] {
  if (environment['CLAIMCHECK_PORT'] === undefined || portOf(environment) !== null) return [];
  return [{ pointer: 'CLAIMCHECK_PORT', detail: 'must be a number from 0 to 65535' }];
}

/**
 * What is wrong with the URL of a database; never says what it is, because there is a password in
 * it.
 */
function databaseMistakes(pointer: string, url: unknown): FieldError[] {
  if (typeof url !== 'string' || (URL.canParse(url) && /^postgres(?:ql)?:$/.test(new URL(url).protocol))) return [];
  return [{ pointer, detail: 'must be a URL like postgres://user:password@host:5432/name' }];
}

function portOf(environment: NodeJS.ProcessEnv): number | null {
  const text = environment['CLAIMCHECK_PORT'] ?? '';
  return /^\d{1,5}$/.test(text) && Number(text) <= 65_535 ? Number(text) : null;
}

/**
 * JSON pointers as people write a path in a file: `/endpoints/a/batchSize` is
 * `endpoints.a.batchSize`.
 */
function dotted(errors: readonly FieldError[]): FieldError[] {
  return errors.map(({ pointer, detail }) => ({
    pointer: pointer.slice(1).replaceAll('/', '.').replaceAll('~1', '/').replaceAll('~0', '~'),
    detail,
  }));
}

/** Where the embedded ledger lies in a data folder. */
export const ledgerFile = (data: string): string => join(data, 'ledger.sqlite');
/** Where the keys and the signing secrets lie in a data folder. */
export const vaultFile = (data: string): string => join(data, 'vault.sqlite');
/**
 * Where the operator's token lies: servers that share a ledger share the folder, and each has one
 * of its own.
 */
export const tokenFile = ({ data, database, port }: Pick<Config, 'data' | 'database' | 'port'>): string =>
  join(data, database === null ? 'operator-token' : `operator-token-${port}`);
/** Where the captures lie in a data folder. */
export const capturesFile = (data: string): string => join(data, 'captures.sqlite');
/** Where the predictions of captures lie in a data folder. */
export const capturesFolder = (data: string): string => join(data, 'captures');
/** Where answers are kept in a data folder. */
export const cacheFile = (data: string): string => join(data, 'cache.sqlite');
/** Where the logs of runs lie in a data folder. */
export const logFolder = (data: string): string => join(data, 'logs');
/** Where the blobs lie in a data folder. */
export const blobFolder = (data: string): string => join(data, 'blobs');
