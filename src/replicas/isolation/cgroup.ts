// A replica's control group: limits for all of its processes together, and the only way to reach
// those that left its process group.

import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { milliseconds } from '../../domain/time.ts';
import type { CgroupHome } from './cgroup-home.ts';

/** Pause before what was killed is looked for again. */
const KILL_PAUSE = milliseconds(5);
/**
 * How often it is looked for: two seconds in all, after which only a process that no signal reaches
 * is left (one that waits for a broken disk).
 */
const KILLS_MAX = 400;

/** What all processes of a replica may have together. */
export interface CgroupLimits {
  /** Bytes, or null for no limit of its own. */
  readonly memory: number | null;
  /** Processes, with every thread counted. */
  readonly pids: number;
}

/** One control group: a folder, or one for each controller where the kernel has version 1. */
export class Cgroup {
  readonly #home: CgroupHome;
  readonly #name: string;

  /** Takes hold of a group that is there; `createCgroup` makes one. */
  constructor(home: CgroupHome, name: string) {
    this.#home = home;
    this.#name = name;
  }

  /** The files that a process writes its id to in order to be in the group. */
  get doors(): string[] {
    return this.#folders().map((folder) => join(folder, 'cgroup.procs'));
  }

  /** How many processes are in it. */
  size(): number {
    return this.processes().length;
  }

  /** How many of its processes the kernel has killed because there was no memory left. */
  oomKills(): number {
    const { memory } = this.#home.folders;
    if (memory === undefined) return 0;
    const text = readFileSync(join(memory, this.#name, OOM_FILES[this.#home.version]), 'utf8');
    return Number(/^oom_kill (\d+)$/m.exec(text)?.[1] ?? 0);
  }

  /** Kills all that is in the group, and removes it. False where something in it does not die. */
  async end(): Promise<boolean> {
    this.#forbidForks();
    for (let kills = 0; kills < KILLS_MAX; kills += 1) {
      const left = this.processes();
      if (left.length === 0 && this.remove()) return true;
      left.forEach(kill);
      await sleep(KILL_PAUSE);
    }
    return false;
  }

  #folders(): string[] {
    return [...new Set(Object.values(this.#home.folders))]
      .map((parent) => join(parent, this.#name))
      .filter((folder) => existsSync(folder));
  }

  /** So that what forks faster than it is killed comes to an end. */
  #forbidForks(): void {
    const { pids } = this.#home.folders;
    if (pids !== undefined && existsSync(join(pids, this.#name)))
      writeFileSync(join(pids, this.#name, 'pids.max'), '0');
  }

  /** The processes in it; none where it is gone. */
  processes(): number[] {
    const ids = this.doors.flatMap((door) => readFileSync(door, 'utf8').split('\n').map(Number));
    // 0 is a process that this server cannot see: as the target of a signal it would mean the
    // server's own group.
    return [...new Set(ids)].filter((pid) => pid > 0 && pid !== process.pid);
  }

  /** Removes it where nothing is in it. */
  remove(): boolean {
    try {
      this.#folders().forEach((folder) => rmdirSync(folder));
      return true;
    } catch (error) {
      // The last of its processes is on its way out.
      if ((error as NodeJS.ErrnoException).code === 'EBUSY') return false;
      throw error;
    }
  }
}

/** Makes a group. Its limits hold from its first process on. */
export function createCgroup(home: CgroupHome, name: string, limits: CgroupLimits): Cgroup {
  const group = new Cgroup(home, name);
  for (const parent of new Set(Object.values(home.folders))) mkdirSync(join(parent, name));
  try {
    limit(home, name, limits);
  } catch (error) {
    // There may be no descriptor to write them with: a group without limits is left for nobody.
    group.remove();
    throw error;
  }
  return group;
}

function limit(home: CgroupHome, name: string, limits: CgroupLimits): void {
  const { memory, pids } = home.folders;
  if (pids !== undefined) writeFileSync(join(pids, name, 'pids.max'), String(limits.pids));
  if (memory !== undefined && limits.memory !== null) {
    for (const [file, value] of MEMORY_FILES[home.version](limits.memory)) {
      // A kernel without accounting of swap has no file for it.
      if (existsSync(join(memory, name, file))) writeFileSync(join(memory, name, file), value);
    }
  }
}

/** The groups whose names begin so. */
export function cgroupsNamed(home: CgroupHome, prefix: string): Cgroup[] {
  const names = Object.values(home.folders).flatMap((folder) => (existsSync(folder) ? readdirSync(folder) : []));
  return [...new Set(names)]
    .filter((name) => name.startsWith(prefix) && name === basename(name))
    .map((name) => new Cgroup(home, name));
}

/**
 * Swap is no more memory: a replica over its limit is to end, and not to make the machine slow. In
 * version 2 all of it ends at once.
 */
const MEMORY_FILES = {
  1: (bytes: number) => [
    ['memory.limit_in_bytes', String(bytes)],
    ['memory.memsw.limit_in_bytes', String(bytes)],
  ],
  2: (bytes: number) => [
    ['memory.max', String(bytes)],
    ['memory.swap.max', '0'],
    ['memory.oom.group', '1'],
  ],
} as const satisfies Record<1 | 2, (bytes: number) => readonly (readonly [string, string])[]>;

const OOM_FILES = { 1: 'memory.oom_control', 2: 'memory.events' } as const;

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}
