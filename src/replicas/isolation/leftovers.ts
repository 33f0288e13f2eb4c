// What a server that was killed has left on the machine: found by the record that it made of
// itself, never by the names of processes.

import { lstatSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { cgroupsNamed } from './cgroup.ts';
import type { CgroupHome } from './cgroup-home.ts';

/** How the names of the servers' folders begin. */
export const FOLDER_PREFIX = 'claimcheck-';
const RECORD = 'server.json';

/** What a server writes into its folder about itself. */
interface ServerRecord {
  /** The data folder that it serves. */
  readonly data: string;
  readonly pid: number;
  /** When that process started, as the kernel counts it; null where the kernel does not say. */
  readonly started: string | null;
  /** Where its cgroups are; their names begin like its folder's. */
  readonly cgroups: CgroupHome;
}

/** Writes down whose folder this is. */
export function recordServer(folder: string, data: string, cgroups: CgroupHome): void {
  const record: ServerRecord = { data, pid: process.pid, started: startOf(process.pid), cgroups };
  writeFileSync(join(folder, RECORD), JSON.stringify(record), { mode: 0o600 });
}

/**
 * Ends the replicas of every dead server of this data folder, and removes its folder. Servers that
 * live are left alone.
 */
export async function sweepLeftovers(data: string): Promise<void> {
  const folders = readdirSync(tmpdir())
    .filter((name) => name.startsWith(FOLDER_PREFIX))
    .map((name) => join(tmpdir(), name));
  for (const folder of folders) {
    const record = recordIn(folder);
    if (record === null || record.data !== data || isRunning(record)) continue;
    await Promise.all(cgroupsNamed(record.cgroups, `${basename(folder)}-`).map((cgroup) => cgroup.end()));
    await rm(folder, { recursive: true, force: true });
  }
}

/**
 * The record in a folder; null where it has none, or it is another user's, whose word counts for
 * nothing.
 */
function recordIn(folder: string): ServerRecord | null {
  try {
    const file = lstatSync(join(folder, RECORD));
    if (!file.isFile() || file.uid !== process.getuid?.() || lstatSync(folder).uid !== file.uid) return null;
    return JSON.parse(readFileSync(join(folder, RECORD), 'utf8')) as ServerRecord;
  } catch {
    // Gone since, not ours to read, or cut off by a power cut: nothing that anybody can act on.
    return null;
  }
}

function isRunning({ pid, started }: ServerRecord): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
  return started === startOf(pid);
}

/**
 * The 22nd field of /proc/<pid>/stat (proc(5)): with the id it names a process, for ids are used
 * again.
 */
function startOf(pid: number): string | null {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The second field is the program's name in brackets, and may hold anything.
    return text.slice(text.lastIndexOf(')') + 2).split(' ')[19] ?? null;
  } catch {
    // A system without /proc: the id alone has to do.
    return null;
  }
}
