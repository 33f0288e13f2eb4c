// Where on this machine the server may make control groups: below its own, so that what limits the
// server limits its replicas too.

import { existsSync, mkdtempSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';

/**
 * Name of the cgroup that a server must be in where the kernel has version 2 alone. A group with
 * processes in it cannot have limited children there, so the server needs a group beside its
 * replicas': `Delegate=memory pids` and `DelegateSubgroup=claimcheck-server` of a systemd unit.
 */
export const SERVER_SUBGROUP = 'claimcheck-server';

const CONTROLLERS = ['memory', 'pids'] as const;
type Controller = (typeof CONTROLLERS)[number];

/**
 * The folders that groups are made in; in version 2 it is one and the same. A controller that
 * cannot be had is missing.
 */
export interface CgroupHome {
  readonly version: 1 | 2;
  readonly folders: Readonly<Partial<Record<Controller, string>>>;
}

/**
 * Finds out where groups can be made; no folder at all where they cannot. The parameters are the
 * kernel's own places.
 */
export function findCgroupHome(root = '/sys/fs/cgroup', self = '/proc/self/cgroup'): CgroupHome {
  const own = existsSync(self) ? ownGroups(readFileSync(self, 'utf8')) : new Map<string, string>();
  if (existsSync(join(root, 'cgroup.controllers'))) return { version: 2, folders: unified(root, own.get('')) };
  const folders = CONTROLLERS.map(
    (controller) => [controller, separate(root, controller, own.get(controller))] as const,
  );
  return { version: 1, folders: Object.fromEntries(folders.filter(([, folder]) => folder !== null)) };
}

/** Controller → path of this process's group; version 2 is the empty name. */
function ownGroups(text: string): Map<string, string> {
  const lines = text
    .trim()
    .split('\n')
    .map((line) => /^\d+:([^:]*):(.*)$/.exec(line));
  return new Map(
    lines.flatMap((line) => (line === null ? [] : line[1]!.split(',').map((name) => [name, line[2]!] as const))),
  );
}

/**
 * In a container the path may be the host's, and the container's group the root that is mounted.
 */
function separate(root: string, controller: Controller, path: string | undefined): string | null {
  if (path === undefined) return null;
  const folder = [join(root, controller, path.slice(1)), join(root, controller)].find((candidate) =>
    existsSync(candidate),
  );
  return folder !== undefined && takesGroups(folder) ? folder : null;
}

function unified(root: string, path: string | undefined): CgroupHome['folders'] {
  if (path === undefined || basename(path) !== SERVER_SUBGROUP) return {};
  const parent = join(root, dirname(path));
  if (!takesGroups(parent) || !enable(parent)) return {};
  const enabled = readFileSync(join(parent, 'cgroup.subtree_control'), 'utf8').trim().split(' ');
  return Object.fromEntries(CONTROLLERS.filter((name) => enabled.includes(name)).map((name) => [name, parent]));
}

function takesGroups(folder: string): boolean {
  try {
    rmdirSync(mkdtempSync(join(folder, 'claimcheck-try-')));
    return true;
  } catch {
    // For one reason or another (not ours to write, read-only in a container), no group can be made
    // there.
    return false;
  }
}

function enable(parent: string): boolean {
  try {
    writeFileSync(join(parent, 'cgroup.subtree_control'), CONTROLLERS.map((name) => `+${name}`).join(' '));
    return true;
  } catch {
    // Processes are in the parent, or its own parent does not hand the controllers down.
    return false;
  }
}
