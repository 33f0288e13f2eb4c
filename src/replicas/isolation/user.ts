// Which user an endpoint's replicas run as: one that nobody else is, wherever that user can read the model.

import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import type { EndpointSpec, ModelSource } from '../../domain/endpoint.ts';

/**
 * User id of the first endpoint's replicas; the next one's is one more. Source: systemd's table of user ids, in which 60578 to 61183 belong to
 * nobody. They are below 65536 so that a container with a user namespace has them.
 */
export const FIRST_UID = 60_600;

/** Whom the replicas of an endpoint run as: a user id, or null for the server's own; or why what is asked for cannot be. */
export type ChosenUser =
  | { readonly uid: number | null; readonly caution: string | null }
  | { readonly mistake: string };

/** The command prefix that runs a command as a user without name, groups or capabilities. */
export function runAs(uid: number): string[] {
  const id = String(uid);
  const identity = ['--reuid', id, '--regid', id, '--clear-groups'];
  return ['setpriv', ...identity, '--bounding-set=-all', '--inh-caps=-all', '--no-new-privs', '--'];
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
  // A server that somebody else runs is none of ours to run as anybody.
  if (spec.user === 'server' || spec.model.runtime === 'remote') return { uid: null, caution: null };
  if (!isPossible) {
    return spec.user === 'own'
      ? { mistake: `is 'own', which takes a server that runs as root, and setpriv` }
      : { uid: null, caution: null };
  }
  const hidden = hiddenFrom(uid, { model: spec.model, cwd: spec.cwd }, environment);
  if (hidden === null) return { uid, caution: null };
  const why = `user ${uid}, which its replicas would run as, cannot read ${hidden}`;
  return spec.user === 'own'
    ? { mistake: `is 'own', but ${why}: move it, or give other users the right to read it` }
    : {
        uid: null,
        caution: `The replicas of ${spec.name} run as the server's own user, with all its rights: ${why}. Move it, or accept that with isolation: { user: 'server' }.`,
      };
}

/** Says the first of its parameters that cannot be used: a folder to be in, a command to run, files to read. */
const LOOK = `
cd "$1" 2>/dev/null || { echo "$1"; exit; }
command -v "$2" >/dev/null || { echo "$2"; exit; }
shift 2
for file do test -r "$file" || { echo "$file"; exit; }; done`;

/** A model that runs in a process of this server's, and where. */
interface OwnModel {
  readonly model: Exclude<ModelSource, { readonly runtime: 'remote' }>;
  readonly cwd: string;
}

/** The first of what a model needs that a user cannot read, or null. Asked as that user, so that access lists and folders on the way count. */
function hiddenFrom(uid: number, { model, cwd }: OwnModel, environment: NodeJS.ProcessEnv): string | null {
  const [command, ...rest] = 'file' in model ? [process.execPath, model.file] : model.argv;
  const files = rest.map((argument) => resolve(cwd, argument)).filter((file) => existsSync(file));
  // This very file stands for the runner that it is installed with.
  const [setpriv, ...asked] = [
    ...runAs(uid),
    '/bin/sh',
    '-c',
    LOOK,
    'sh',
    cwd,
    command,
    import.meta.filename,
    ...files,
  ];
  const { stdout, error } = spawnSync(setpriv!, asked, {
    env: { PATH: environment['PATH'] },
    cwd: '/',
    encoding: 'utf8',
  });
  if (error !== undefined) throw error;
  return stdout === '' ? null : stdout.trim();
}
