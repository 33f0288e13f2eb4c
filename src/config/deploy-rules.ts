// What may be deployed over HTTP. A model is a program, so a caller that may name any file,
// command, variable or user has the rights of the server: keys get what the configuration names,
// and the holder of the operator's token everything but the server's user.

import { realpathSync } from 'node:fs';
import { relative, resolve, sep } from 'node:path';
import type { EndpointSpec } from '../domain/endpoint.ts';
import type { FieldError } from '../domain/errors.ts';
import type { DeployFile } from './config-file.ts';
import { DEFAULT_PYTHON } from './endpoint.ts';

/**
 * What may be deployed over HTTP, beyond the endpoints of the configuration as they stand there.
 */
export interface DeploySettings {
  /** Absolute paths of files and folders. */
  readonly files: readonly string[];
  readonly commands: readonly (readonly string[])[];
  readonly origins: readonly string[];
  readonly env: readonly string[];
  readonly users: readonly ('own' | 'server')[];
  /** The folder of the configuration, in which models run unless told otherwise. */
  readonly folder: string;
}

/** What is written, with every path absolute. */
export function readDeploySettings(
  { allow = [], env = [], users = ['own'] }: DeployFile = {},
  folder: string,
): DeploySettings {
  return {
    files: allow.flatMap((one) => (typeof one === 'string' ? [resolve(folder, one)] : [])),
    commands: allow.flatMap((one) => (Array.isArray(one) ? [one] : [])),
    origins: allow.flatMap((one) =>
      typeof one === 'object' && 'url' in one ? (URL.parse(one.url)?.origin ?? []) : [],
    ),
    env,
    users,
    folder,
  };
}

/**
 * Variables that steer the programs which start a replica before its rights are dropped: the
 * loader, the shell, and where both are looked for. They are the operator's.
 */
const STEERING =
  /^(?:LD_|GLIBC_|DYLD_|BASH|MALLOC_|CLAIMCHECK_)|^(?:PATH|ENV|IFS|SHELLOPTS|PS4|CDPATH|GCONV_PATH|LOCPATH|NLSPATH)$/;

/** What is wrong with what is written. */
export function deployMistakes({ allow = [], env = [] }: DeployFile = {}): FieldError[] {
  return [
    ...allow.flatMap((one, at) =>
      typeof one === 'object' && 'url' in one && !isOrigin(one.url)
        ? [{ pointer: `deploy.allow.${at}.url`, detail: "must be an origin like 'http://10.0.0.7:8080'" }]
        : [],
    ),
    ...env.flatMap((name, at) =>
      STEERING.test(name)
        ? [
            {
              pointer: `deploy.env.${at}`,
              detail: `is ${name}, which steers what starts a replica with the server's rights: set it in the endpoint's own env, here`,
            },
          ]
        : [],
    ),
  ];
}

function isOrigin(text: string): boolean {
  const url = URL.parse(text);
  return url !== null && /^https?:$/.test(url.protocol) && url.href === `${url.origin}/`;
}

/** An endpoint as somebody may deploy it, or what of it the configuration does not allow. */
export type Permitted = { readonly spec: EndpointSpec } | { readonly refused: readonly FieldError[] };

/**
 * Holds an endpoint that a key deploys against the configuration: what stands under its name there
 * is allowed, and what `deploy` names.
 *
 * @param configured the endpoint of that name in the configuration, if there is one
 * @param hasOwnUsers whether replicas can run as users of their own here; elsewhere all of them run
 *   as the server's
 */
export function permit(
  spec: EndpointSpec,
  configured: EndpointSpec | null,
  settings: DeploySettings,
  hasOwnUsers: boolean,
): Permitted {
  const refused = [
    ...refusedModel(spec, configured, settings),
    ...refusedFolder(spec, configured, settings),
    ...refusedVariables(spec, configured, settings),
    ...refusedEvaluation(spec, configured, settings),
  ];
  if (refused.length > 0) return { refused };
  const isAsConfigured = configured !== null && runsTheSame(spec, configured);
  if ((isAsConfigured && spec.user === configured.user) || settings.users.includes('server')) return { spec };
  if (spec.user === 'server') return { refused: [SERVER_USER] };
  // Where nobody says whom it runs as, it could become the server's user: at once, or once its
  // files are hidden from its own.
  return { spec: hasOwnUsers && spec.model.runtime !== 'remote' ? { ...spec, user: 'own' } : spec };
}

/**
 * What the holder of the operator's token may deploy: any model, and as the server's user what the
 * configuration has run as that, by its name. No other gets what steers the programs that are still
 * the server's user's when they start it.
 */
export function permitOperator(
  spec: EndpointSpec,
  configured: EndpointSpec | null,
  { users }: Pick<DeploySettings, 'users'>,
  hasOwnUsers: boolean,
): Permitted {
  if (configured?.user === 'server' || users.includes('server')) return { spec };
  if (spec.user === 'server') return { refused: [SERVER_USER] };
  const steering = Object.entries(spec.env)
    .filter(([name, value]) => hasOwnUsers && STEERING.test(name) && configured?.env[name] !== value)
    .map(([name]) => ({ pointer: `env.${name}`, detail: "steers what starts a replica with the server's rights" }));
  return steering.length === 0 ? { spec } : { refused: steering };
}

const SERVER_USER: FieldError = {
  pointer: 'isolation.user',
  detail: "is 'server', which may do all that the server can (deploy.users)",
};

/** Whether two specifications run the same program in the same way. */
const runsTheSame = (one: EndpointSpec, other: EndpointSpec): boolean =>
  isSame(one.model, other.model) && one.cwd === other.cwd && isSame(sorted(one.env), sorted(other.env));

const isSame = (one: unknown, other: unknown): boolean => JSON.stringify(one) === JSON.stringify(other);
const sorted = (env: EndpointSpec['env']) => Object.entries(env).toSorted(([a], [b]) => (a < b ? -1 : 1));

function refusedModel(
  { model }: EndpointSpec,
  configured: EndpointSpec | null,
  settings: DeploySettings,
): readonly FieldError[] {
  if (configured !== null && isSame(model, configured.model)) return [];
  switch (model.runtime) {
    case 'command':
      return settings.commands.some((allowed) => isSame(allowed, model.argv))
        ? []
        : [{ pointer: 'model', detail: `is the command ${JSON.stringify(model.argv)}, which is not allowed` }];
    case 'remote':
      return settings.origins.includes(model.url)
        ? []
        : [{ pointer: 'model.url', detail: `is ${model.url}, which is not allowed` }];
    case 'node':
      return refusedFile('model', model.file, settings);
    case 'python': {
      const isUsual =
        model.python === DEFAULT_PYTHON ||
        (configured?.model.runtime === 'python' && model.python === configured.model.python);
      return [
        ...refusedFile('model', model.file, settings),
        // Itself, and not what it leads to: an interpreter of a virtual environment is a link out
        // of it.
        ...(isUsual || settings.files.some((allowed) => isWithin(allowed, model.python))
          ? []
          : [{ pointer: 'python', detail: `is ${model.python}, which is not allowed` }]),
      ];
    }
  }
}

function refusedFolder({ cwd }: EndpointSpec, configured: EndpointSpec | null, settings: DeploySettings): FieldError[] {
  return cwd === configured?.cwd || cwd === settings.folder ? [] : refusedFile('cwd', cwd, settings);
}

/** Those that are other than in the configuration, also those that are left out. */
function refusedVariables(
  { env }: EndpointSpec,
  configured: EndpointSpec | null,
  { env: allowed }: DeploySettings,
): FieldError[] {
  const names = new Set([...Object.keys(env), ...Object.keys(configured?.env ?? {})]);
  return [...names]
    .filter((name) => env[name] !== configured?.env[name] && !allowed.includes(name))
    .map((name) => ({ pointer: `env.${name}`, detail: 'is a variable that is not allowed (deploy.env)' }));
}

/** The server itself reads it, with its own rights. */
function refusedEvaluation(
  { scoring }: EndpointSpec,
  configured: EndpointSpec | null,
  settings: DeploySettings,
): FieldError[] {
  const file = scoring?.evaluation ?? null;
  return file === null || file === configured?.scoring?.evaluation ? [] : refusedFile('evaluation', file, settings);
}

function refusedFile(pointer: string, file: string, { files }: DeploySettings): FieldError[] {
  const real = realPathOf(file);
  if (files.some((allowed) => isWithin(realPathOf(allowed), real))) return [];
  const leads = real === file ? '' : `, which leads to ${real}`;
  return [{ pointer, detail: `is ${file}${leads}, and is not under what is allowed` }];
}

/** Where a path leads through all links; itself where nothing is there. */
function realPathOf(file: string): string {
  try {
    return realpathSync(file);
  } catch {
    return resolve(file);
  }
}

function isWithin(folder: string, file: string): boolean {
  const way = relative(folder, file);
  return way === '' || (way !== '..' && !way.startsWith(`..${sep}`) && resolve(folder, way) === resolve(file));
}
