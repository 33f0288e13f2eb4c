// What this machine lets the server do to keep replicas apart, and the same in sentences for
// people.

import { hasSetpriv, succeeds } from '../runtimes/launch.ts';
import { type CgroupHome, findCgroupHome, SERVER_SUBGROUP } from './cgroup-home.ts';
import { FIRST_UID, runAs } from './user.ts';

/** What can be had here. */
export interface Machine {
  /** Whether there is `setpriv`: replicas die with the server, and gain no privileges. */
  readonly setpriv: boolean;
  /** Whether a replica can be run as another user: the server is root, and may make use of it. */
  readonly users: boolean;
  readonly cgroups: CgroupHome;
}

let machine: Machine | undefined;

/** Asks the machine, once. */
export function thisMachine(): Machine {
  machine ??= {
    setpriv: hasSetpriv(),
    users: process.getuid?.() === 0 && hasSetpriv() && succeeds([...runAs(FIRST_UID), 'true']),
    cgroups: findCgroupHome(),
  };
  return machine;
}

/**
 * What keeps replicas apart here, regardless of their endpoint; each is the name of a row in
 * docs/isolation.md.
 */
export function levelsOf({ setpriv, users, cgroups }: Machine): string[] {
  const { memory, pids } = cgroups.folders;
  return [
    'clean environment',
    'own folder',
    'own process group',
    'no core dumps',
    ...(setpriv ? ['die with the server', 'no new privileges'] : []),
    ...(users ? ['own user'] : []),
    ...(memory === undefined ? [] : ['memory limit']),
    ...(pids === undefined ? [] : ['process limit']),
    ...(memory === undefined && pids === undefined ? [] : ['nothing left behind']),
  ];
}

/** What a reader of the docs would rely on and this machine does not have. */
export function gapsOf({ setpriv, users, cgroups }: Machine): string[] {
  const missing = (['memory', 'pids'] as const).filter((name) => cgroups.folders[name] === undefined);
  return [
    ...(setpriv
      ? []
      : ['There is no setpriv on this machine: replicas of commands outlive a server that is killed with SIGKILL.']),
    ...(users
      ? []
      : ["Replicas run as the server's own user: they can read what it can, its data and its environment among it."]),
    ...(missing.length === 0 ? [] : [`Replicas have no limit of ${missing.join(' and ')}: ${whyNoCgroups(cgroups)}.`]),
  ];
}

function whyNoCgroups({ version }: CgroupHome): string {
  return version === 2
    ? `the server may make no cgroups, for which it has to be in one named ${SERVER_SUBGROUP} (docs/isolation.md)`
    : 'the server may make no cgroups';
}
