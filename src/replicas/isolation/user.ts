// Which user an endpoint's replicas run as: one that nobody else is, wherever that user can read
// the model.

import { spawnSync } from 'node:child_process';
import { accessSync, constants, existsSync, realpathSync, statSync } from 'node:fs';
import { delimiter, dirname, join, resolve } from 'node:path';
import type { EndpointSpec, ModelSource } from '../../domain/endpoint.ts';

/**
 * User id of the first endpoint's replicas; the next one's is one more. Source: systemd's table of
 * user ids, in which 60578 to 61183 belong to nobody. They are below 65536 so that a container with
 * a user namespace has them.
 */
export const FIRST_UID = 60_600;

/**
 * Whom the replicas of an endpoint run as: a user id, or null for the server's own; or why what is
 * asked for cannot be.
 */
export type ChosenUser =
  | { readonly uid: number | null; readonly caution: string | null }
  | { readonly mistake: string };

/** The command prefix that runs a command as a user without name, groups or capabilities. */
export function runAs(uid: number): [string, ...string[]] {
  const id = String(uid);
  const identity = ['--reuid', id, '--regid', id, '--clear-groups'];
  return ['setpriv', ...identity, '--bounding-set=-all', '--inh-caps=-all', '--no-new-privs', '--'];
}

/**
 * Goes where a command is to run, as the user who is to run it, and sees that it is the program
 * that the server finds.
 */
const GO = 'cd "$1" && test -x "$2" || exit; shift 2; exec "$@"';

/**
 * The command prefix that runs what belongs to a model, its runner or its program, as a user; it
 * fails where that user may not enter the working folder, or not run the program, which the server
 * could do for it.
 */
export function runModelAs(uid: number, { model, cwd }: OwnModel, environment: NodeJS.ProcessEnv): string[] {
  const [command] = argvOf(model);
  return [...runAs(uid), '/bin/sh', '-c', GO, 'sh', cwd, programOf(command, cwd, environment)];
}

/**
 * Whether everybody on this machine may run what belongs to a model, by the rights of its program,
 * its file, its working folder, and the folders above them: then one user without name and groups
 * sees of it what another one does.
 */
export function isOpenToAll({ model, cwd }: OwnModel, environment: NodeJS.ProcessEnv): boolean {
  const [command, ...files] = argvOf(model);
  const places = [cwd, programOf(command, cwd, environment), ...files, import.meta.filename];
  try {
    return places.every((place) => [resolve(cwd, place), realpathSync(resolve(cwd, place))].every(isReadByAll));
  } catch {
    // It is not there, which somebody else says.
    return false;
  }
}

function isReadByAll(place: string): boolean {
  const status = statSync(place);
  const needed = constants.S_IROTH | (status.isDirectory() ? constants.S_IXOTH : 0);
  if ((status.mode & needed) !== needed) return false;
  for (let folder = place; folder !== dirname(folder); folder = dirname(folder))
    if ((statSync(dirname(folder)).mode & constants.S_IXOTH) === 0) return false;
  return true;
}

/**
 * Chooses the user of an endpoint's replicas.
 *
 * @param uid the id that is the endpoint's
 * @param isPossible whether this machine lets the server run something as another user
 */
export function chooseUser(
  spec: Pick<EndpointSpec, 'name' | 'model' | 'cwd' | 'user'>,
  uid: number,
  isPossible: boolean,
  environment: NodeJS.ProcessEnv,
): ChosenUser {
  const { model, cwd } = spec;
  // A server that somebody else runs is none of ours to run as anybody.
  if (spec.user === 'server' || model.runtime === 'remote') return { uid: null, caution: null };
  if (!isPossible) {
    return spec.user === 'own'
      ? { mistake: `is 'own', which takes a server that runs as root, and setpriv` }
      : { uid: null, caution: null };
  }
  const hidden = hiddenFrom(uid, { model, cwd }, environment);
  if (hidden === null) return { uid, caution: null };
  const why = `user ${uid}, which its replicas would run as, cannot read ${hidden}`;
  return spec.user === 'own'
    ? { mistake: `is 'own', but ${why}: move it, or give other users the right to read it` }
    : {
        uid: null,
        caution: `The replicas of ${spec.name} run as the server's own user, with all its rights: ${why}. Move it, or accept that with isolation: { user: 'server' }.`,
      };
}

/**
 * Says the first of its parameters that cannot be used: a folder to be in, a program to run, files
 * to read. An interpreter is tried as well, by an empty script of its own language: what it is made
 * of may be hidden where it is not, as in a pyenv below a closed home.
 */
const LOOK = `
cd "$1" 2>/dev/null || { echo "$1"; exit; }
test -x "$2" || { echo "$2"; exit; }
test -z "$3" || "$2" "$3" '' >/dev/null 2>&1 || { echo "$2"; exit; }
shift 3
for file do test -r "$file" || { echo "$file"; exit; }; done`;

/**
 * The option by which an interpreter takes a script from its command line; none where there is
 * nothing to try, as with the Node that this server runs in.
 */
const SCRIPT_OPTION = { node: '', python: '-c', command: '' } as const;

/** A model that runs in a process of this server's, and where. */
interface OwnModel {
  readonly model: Exclude<ModelSource, { readonly runtime: 'remote' }>;
  readonly cwd: string;
}

/**
 * The first of what a model needs that a user cannot read, or null. Asked as that user, so that
 * access lists and folders on the way count.
 */
function hiddenFrom(uid: number, { model, cwd }: OwnModel, environment: NodeJS.ProcessEnv): string | null {
  const [command, ...rest] = argvOf(model);
  const files = rest.map((argument) => resolve(cwd, argument)).filter((file) => existsSync(file));
  // This very file stands for the runner that it is installed with.
  const [setpriv, ...asked] = [
    ...runAs(uid),
    '/bin/sh',
    '-c',
    LOOK,
    'sh',
    cwd,
    programOf(command, cwd, environment),
    SCRIPT_OPTION[model.runtime],
    import.meta.filename,
    ...files,
  ];
  const { stdout, error } = spawnSync(setpriv, asked, {
    env: { PATH: environment['PATH'] },
    cwd: '/',
    encoding: 'utf8',
  });
  if (error !== undefined) throw error;
  return stdout === '' ? null : stdout.trim();
}

/** What is run for a model, and the files that it is given. */
function argvOf(model: OwnModel['model']): readonly [string, ...string[]] {
  if (model.runtime === 'command') return model.argv;
  return [model.runtime === 'python' ? model.python : process.execPath, model.file];
}

/**
 * The file of a command, which the server finds: its user may see another one along the PATH, and
 * would not be asked.
 */
function programOf(command: string, cwd: string, environment: NodeJS.ProcessEnv): string {
  if (command.includes('/')) return resolve(cwd, command);
  const candidates = (environment['PATH'] ?? '').split(delimiter).map((folder) => join(folder, command));
  return candidates.find(isExecutable) ?? command;
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return statSync(file).isFile();
  } catch {
    return false;
  }
}
